"""Training batches: every epoch a permutation, whatever the batch, held in memory or not."""

import numpy as np

from sface_lib.data import FaceBatches, open_faces


def test_every_epoch_is_a_permutation_whatever_the_batch(tmp_path, rendered_zip):
    data = FaceBatches(open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 16)), 16)
    walk = data.shuffled(seed=5, start=0, count=36)
    for epoch in range(3):
        assert sorted(walk[12 * epoch : 12 * epoch + 12]) == list(range(12))
    assert not np.array_equal(walk[:12], walk[12:24])
    assert np.array_equal(np.concatenate([data.shuffled(5, s, 5) for s in range(0, 35, 5)]), walk[:35])


def test_images_decoded_on_demand_are_those_held_in_memory(tmp_path, rendered_zip, monkeypatch):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 3, 4, 32))
    held = FaceBatches(faces, 16)
    monkeypatch.setattr("sface_lib.data.batches.MEMORY_LIMIT_BYTES", 0)
    images, labels = FaceBatches(faces, 16).images([7, 2])
    assert (images == held.images([7, 2])[0]).all() and labels.tolist() == [1, 0]
