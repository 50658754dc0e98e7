"""The real set reads as its description says."""

import numpy as np
import pytest

from sface_lib.data import convert_set, open_faces, parse_folds, read_protocol, select_images


@pytest.fixture(scope="module")
def lfw(real_data):
    return open_faces(real_data / "lfw112.tar")


@pytest.fixture(scope="module")
def pairs(real_data):
    return read_protocol(real_data / "lfw_pairs.txt")


def test_the_index_holds_every_image_and_identity(lfw):
    assert (len(lfw), len(lfw.identities), lfw.resolution) == (13_233, 5_749, 112)
    assert lfw.names[0] == "AJ_Cook/AJ_Cook_0001.jpg"


@pytest.mark.parametrize(
    ("evaluation", "min_images", "identities", "images"),
    [("6-10", 2, 826, 4194), ("6-10", 5, 199, 2616), ("6-10", 10, 79, 1852), ("1-5", 5, 226, 3383)],
)
def test_identities_outside_the_evaluation_folds_are_those_described(
    lfw, pairs, evaluation, min_images, identities, images
):
    exclude = pairs.identities_in(lfw, parse_folds(evaluation, pairs.fold_ids))
    chosen = select_images(lfw.labels, min_images, exclude=exclude)
    assert len(np.unique(lfw.labels[chosen])) == identities
    assert len(chosen) == images


def test_no_identity_is_in_two_folds(lfw, pairs):
    groups = [pairs.identities_in(lfw, [fold]) for fold in pairs.fold_ids]
    assert len(groups) == 10
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_half_of_the_pairs_are_genuine_and_share_their_label(lfw, pairs):
    left, right = pairs.resolve(lfw)
    assert np.array_equal(lfw.labels[left] == lfw.labels[right], pairs.same)
    assert pairs.same.sum() == 3000


def test_training_images_load_at_the_size_asked(lfw, pairs):
    exclude = pairs.identities_in(lfw, parse_folds("6-10", pairs.fold_ids))
    images = lfw.load(select_images(lfw.labels, 5, exclude=exclude), size_px=64)
    assert images.shape == (2616, 3, 64, 64)


def test_every_image_can_be_decoded(lfw):
    manifest = lfw.inspect()
    assert manifest.sizes == {"112x112": 13_233}
    assert manifest.images_per_identity == {"min": 1, "median": 1.0, "max": 530}
    assert manifest.converted == {}


def test_the_set_survives_recordio(lfw, real_data, tmp_path):
    (path,) = convert_set(real_data / "lfw112.tar", tmp_path / "train.rec")
    faces = open_faces(path)
    assert np.array_equal(faces.labels, lfw.labels)
    assert all(faces.digest(i) == lfw.digest(i) for i in range(len(lfw)))


def test_the_pairs_survive_a_bin(lfw, pairs, real_data, tmp_path):
    (path,) = convert_set(real_data / "lfw112.tar", tmp_path / "lfw.bin", real_data / "lfw_pairs.txt")
    faces, protocol = open_faces(path), read_protocol(path)
    assert np.array_equal(protocol.same, pairs.same)
    assert np.array_equal(protocol.fold, pairs.fold)
    for index, position in enumerate(np.stack(pairs.resolve(lfw), 1).ravel()):
        assert faces.digest(index) == lfw.digest(position)
