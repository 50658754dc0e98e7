"""The template's numbers, the similarity that leads to it, and the crop that it cuts."""

import numpy as np
import pytest
from PIL import Image

from sface_lib.data.align import PLACES_112, crop_transform
from sface_lib.data.template import ARCFACE_112, TEMPLATE_EYES, cut_crop, similarity

# A face in a photograph: 3.3 times as large as in the crop, turned by 0.3 rad.
TURN = 3.3 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
SHIFT = np.array([210.0, 130.0])


def test_similarity_finds_the_transform_that_was_applied():
    points = np.random.default_rng(0).normal(size=(5, 2)) * 20
    np.testing.assert_allclose(similarity(points, points @ TURN.T + SHIFT), np.c_[TURN, SHIFT], atol=1e-9)


def test_a_mirror_image_is_no_similarity():
    assert np.linalg.det(similarity(ARCFACE_112, ARCFACE_112 * [-1, 1])[:, :2]) > 0


def test_of_two_eyes_alone_the_distance_is_the_scale():
    found = similarity(np.array([[10.0, 20], [10, 40]]), np.array([[30.0, 50], [70, 50]]))
    # Twice as large, turned so that down becomes right: (x, y) -> (30 + 2 (y - 20), 50 - 2 (x - 10)).
    np.testing.assert_allclose(found, [[0, 2, -10], [-2, 0, 70]], atol=1e-9)


def test_the_template_is_that_of_arcface():
    assert ARCFACE_112[2].tolist() == [56.0252, 71.7366]
    np.testing.assert_allclose(TEMPLATE_EYES, [[0.341916, 0.461574], [0.656534, 0.459834]], atol=1e-6)  # Of 112 px.


@pytest.mark.parametrize("size_px", [112, 224])
def test_the_template_is_scaled_with_the_crop(size_px):
    expected = np.array([[size_px / 112, 0, 0], [0, size_px / 112, 0]])
    np.testing.assert_allclose(crop_transform(PLACES_112, size_px), expected, atol=1e-9)


def test_a_mirrored_face_gives_the_mirrored_crop():
    points = PLACES_112 @ TURN.T + SHIFT + np.random.default_rng(1).normal(size=(3, 2)) * 5
    mirrored = np.array([500.0, 0]) + points[[1, 0, 2]] * [-1, 1]
    places = np.random.default_rng(2).uniform(0, 112, (6, 2))
    back, other = (np.linalg.inv(np.r_[crop_transform(p, 112), [[0, 0, 1]]]) for p in (points, mirrored))
    one = places @ back[:2, :2].T + back[:2, 2]
    two = (places * [-1, 1] + [112, 0]) @ other[:2, :2].T + other[:2, 2]
    np.testing.assert_allclose(two, one * [-1, 1] + [500, 0], atol=1e-9)


def test_the_eyes_count_twice_and_the_nose_once():
    # Far apart and level, the eyes hold the picture; a nose that moves sideways by 5 px shifts it by a fifth of that.
    points = PLACES_112 + [[0, 0], [0, 0], [5, 0]]
    found = crop_transform(points, 112)
    middle = points[[0, 0, 1, 1, 2]].mean(0)
    assert middle == pytest.approx(PLACES_112[[0, 0, 1, 1, 2]].mean(0) + [1, 0])
    assert found[:, :2] @ middle + found[:, 2] == pytest.approx(middle - [1, 0])
    # The turn by hand: sum(a x b) / sum(a . b) over centred points: 5 * 20.64 / (4 * 17.3**2 + 20.64**2 * 1.25).
    assert np.arctan2(-found[1, 0], found[0, 0]) == pytest.approx(-np.arctan(5 * 20.64 / 1729.67), abs=1e-4)


def blobs(points: np.ndarray, side: int, sd: float) -> np.ndarray:
    """Each point as a round spot in a channel of its own, uint8 `[side, side, 3]`."""
    at = np.arange(side) + 0.5
    spots = [np.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / 2 / sd**2) for x, y in points]
    return np.round(255 * np.stack(spots, 2)).astype(np.uint8)


@pytest.mark.parametrize(("scale", "size_px"), [(1.0, 112), (0.2, 112), (1.0, 200), (0.2, 50)])
def test_a_crop_puts_the_points_on_their_places(scale, size_px):
    points = PLACES_112 @ TURN.T * scale + SHIFT
    crop = cut_crop(blobs(points, 640, 6 * scale), crop_transform(points, size_px), size_px).astype(float)
    at = np.arange(size_px) + 0.5
    for channel, place in enumerate(PLACES_112 * size_px / 112):
        spot = crop[:, :, channel] * (crop[:, :, channel] > 20)
        found = np.array([spot.sum(0) @ at, spot.sum(1) @ at]) / spot.sum()
        assert found == pytest.approx(place, abs=0.1)  # Spots are rounded to 255 levels and cut off below 20.


def test_a_fine_checkerboard_becomes_grey_and_no_pattern():
    board = np.where(np.indices((448, 448)).sum(0) % 2, 255, 0).astype(np.uint8)
    turn = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]) / 4
    transform = np.c_[turn, [56, 56] - turn @ [224, 224]]
    crop = cut_crop(np.repeat(board[:, :, None], 3, 2), transform, 112)[20:-20, 20:-20].astype(float)
    assert abs(crop - 127.5).max() < 3
    # Without the finer grid it would be full of patterns.
    back = np.c_[np.linalg.inv(turn), [224, 224] - np.linalg.inv(turn) @ [56, 56]].ravel().tolist()
    plain = Image.fromarray(board).transform((112, 112), Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)
    assert np.asarray(plain)[20:-20, 20:-20].std() > 30


def test_a_transform_that_does_nothing_keeps_every_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    assert np.array_equal(cut_crop(picture, np.eye(3)[:2], 30), picture)


def test_outside_the_picture_it_is_black():
    crop = cut_crop(np.full((20, 20, 3), 200, np.uint8), np.array([[1.0, 0, 10], [0, 1, 0]]), 20)
    assert (crop[:, :10] == 0).all() and (crop[:, 10:] == 200).all()
