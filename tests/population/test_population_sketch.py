"""Sketches are a function of their numbers, and identity is in them."""

import subprocess
import sys

import numpy as np
import pytest

from sface_lib.data import FaceBatches, open_faces, read_protocol
from sface_lib.errors import InputError
from sface_lib.population import BENCHMARK, VERIFIER, sketch, write_sketch_protocol, write_sketches
from sface_lib.recognition import pixel_embeddings


def test_a_fresh_process_draws_the_same_pixels():
    program = (
        "import sys; from sface_lib.population import sketch; sys.stdout.buffer.write(sketch(1, 2, 3, 32).tobytes())"
    )
    fresh = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert fresh == sketch(1, 2, 3, 32).tobytes()
    assert sketch(1, 2, 4, 32).tobytes() != fresh and sketch(2, 2, 3, 32).tobytes() != fresh


def test_images_of_one_identity_are_more_alike_than_those_of_two(tmp_path):
    faces = open_faces(write_sketches(tmp_path / "a.zip", VERIFIER, 12, 8, 32, seed=0))
    scores = pixel_embeddings(faces) @ pixel_embeddings(faces).T
    same = faces.labels[:, None] == faces.labels
    off_diagonal = ~np.eye(len(faces), dtype=bool)
    assert scores[same & off_diagonal].mean() > scores[~same].mean() + 0.1


def test_folds_share_no_identity_and_tell_the_truth(tmp_path):
    faces = open_faces(write_sketches(tmp_path / "a.zip", BENCHMARK, 20, 4, 16, seed=0))
    protocol = read_protocol(
        write_sketch_protocol(tmp_path / "p.csv", faces.names, faces.labels, folds=5, pairs=6, seed=0)
    )
    left, right = protocol.resolve(faces)
    assert np.array_equal(faces.labels[left] == faces.labels[right], protocol.same) and (left != right).all()
    assert protocol.same.sum() == 30 and len(protocol) == 60
    owners = [protocol.identities_in(faces, [fold]) for fold in protocol.fold_ids]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_impossible_sets_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one of each"):
        write_sketches(tmp_path / "a.zip", 0, 0, 4, 32, seed=0)
    with pytest.raises(InputError, match="5 folds need 10 identities, the set has 4"):
        write_sketch_protocol(tmp_path / "p.csv", ("a",) * 4, np.arange(4), folds=5, pairs=2, seed=0)


def test_every_epoch_is_a_permutation_whatever_the_batch(tmp_path):
    data = FaceBatches(open_faces(write_sketches(tmp_path / "a.zip", 0, 3, 4, 16, seed=0)), 16)
    walk = data.shuffled(seed=5, start=0, count=36)
    for epoch in range(3):
        assert sorted(walk[12 * epoch : 12 * epoch + 12]) == list(range(12))
    assert not np.array_equal(walk[:12], walk[12:24])
    assert np.array_equal(np.concatenate([data.shuffled(5, s, 5) for s in range(0, 35, 5)]), walk[:35])


def test_images_decoded_on_demand_are_those_held_in_memory(tmp_path, monkeypatch):
    faces = open_faces(write_sketches(tmp_path / "a.zip", 0, 3, 4, 32, seed=0))
    held = FaceBatches(faces, 16)
    monkeypatch.setattr("sface_lib.data.batches.MEMORY_LIMIT_BYTES", 0)
    images, labels = FaceBatches(faces, 16).images([7, 2])
    assert (images == held.images([7, 2])[0]).all() and labels.tolist() == [1, 0]
