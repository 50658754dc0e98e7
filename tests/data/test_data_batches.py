"""Training batches: every epoch a permutation, whatever the batch, held in memory or not."""

import pickle

import numpy as np
import pytest

from sface_lib.data import FaceBatches, FaceSet, open_faces, write_faces
from sface_lib.errors import BadImageError


def test_every_epoch_is_a_permutation_whatever_the_batch(tmp_path, rendered_zip):
    data = FaceBatches(open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 16)), 16)
    walk = data.shuffled(seed=5, start=0, count=36)
    for epoch in range(3):
        assert sorted(walk[12 * epoch : 12 * epoch + 12]) == list(range(12))
    assert not np.array_equal(walk[:12], walk[12:24])
    assert np.array_equal(np.concatenate([data.shuffled(5, s, 5) for s in range(0, 35, 5)]), walk[:35])


def test_images_decoded_on_demand_are_those_held_in_memory(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 32))
    held = FaceBatches(faces, 16)
    images, labels = FaceBatches(faces, 16, held=False).images([7, 2])
    assert (images == held.images([7, 2])[0]).all() and labels.tolist() == [1, 0]


def test_a_walk_gives_the_asked_batches_in_order_held_in_memory_or_decoded_ahead(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 16))
    batches = [np.array([7, 2]), np.array([0, 11, 5]), np.array([2])]
    held = list(FaceBatches(faces, 16).walk(batches))
    ahead = list(FaceBatches(faces, 16, held=False).walk(batches))
    for wanted, (at, images, labels), (other_at, other_images, other_labels) in zip(batches, held, ahead, strict=True):
        assert np.array_equal(at, wanted) and np.array_equal(other_at, wanted)
        assert (images == other_images).all() and labels.tolist() == other_labels.tolist() == [k // 4 for k in wanted]


def test_a_subset_shares_what_is_decoded(tmp_path, rendered_zip, monkeypatch):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 32))
    data, positions = FaceBatches(faces, 16), np.array([11, 4, 6, 9])
    alone = FaceBatches(faces.subset(positions), 16)
    monkeypatch.setattr(FaceSet, "load", None)  # Nothing is decoded from here on.
    part = data.subset(positions)
    assert (part.images([3, 0, 1])[0] == alone.images([3, 0, 1])[0]).all()
    assert part.labels.tolist() == alone.labels.tolist() == [1, 0, 0, 1] and part.n_classes == 2
    assert part.fingerprint == alone.fingerprint
    smaller = part.subset(np.array([2, 0]))
    assert (smaller.images([0, 1])[0] == alone.images([2, 0])[0]).all() and smaller.labels.tolist() == [0, 1]
    ((_, walked, _),) = part.walk([np.array([1, 2])])
    assert (walked == alone.images([1, 2])[0]).all()


def test_a_subset_of_what_is_not_held_decodes_for_itself(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 16))
    part = FaceBatches(faces, 16, held=False).subset(np.array([7, 2]))
    assert (part.images([1])[0] == faces.load([2])).all()


def test_an_unlabelled_set_says_so(tmp_path):
    write_faces(tmp_path / "a.zip", np.zeros((4, 3, 16, 16), np.uint8))
    data = FaceBatches(open_faces(tmp_path / "a.zip"), 16)
    assert not data.labelled and data.n_classes == 0 and data.images([0, 3])[1].tolist() == [0, 0]


def test_sets_beyond_the_limit_are_not_held(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 16))
    assert FaceBatches(faces, 16)._pixels is not None
    whole = FaceBatches(faces, 16, memory_limit_bytes=12 * 3 * 16**2 - 1)
    assert whole._pixels is None and whole.subset(np.arange(11))._pixels is not None


@pytest.mark.parametrize("held", [True, False])
def test_a_bad_image_is_named_wherever_it_is_decoded(tmp_path, held):
    """Reading processes give their refusal as it is, not in a traceback of theirs."""
    folder = write_faces(tmp_path / "set", np.zeros((4, 3, 16, 16), np.uint8), np.array([0, 0, 1, 1]))
    bad = sorted(folder.rglob("*.png"))[2]
    bad.write_bytes(bad.read_bytes()[:40])
    with pytest.raises(BadImageError, match="cannot be decoded") as caught:
        list(FaceBatches(open_faces(folder), 16, held).walk([np.array([0, 1]), np.array([2, 3])]))
    assert [bad.name in name for name, _ in caught.value.bad] == [True]
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.bad == caught.value.bad
