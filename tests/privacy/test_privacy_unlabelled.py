"""Images and centres without labels: each sees a leak that the other hides."""

import numpy as np
import pytest

from sface_lib.biometrics import templates
from sface_lib.privacy.unlabelled import CENTRES, Galleries, compare_unlabelled


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def persons(count: int, images: int, seed: int, noise: float = 0.5, d: int = 48) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, 1, d)) + noise * random.standard_normal((count, images, d))
    return unit(rows).reshape(-1, d), np.repeat(np.arange(count), images)


@pytest.fixture(scope="module")
def galleries() -> Galleries:
    return Galleries.of(persons(60, 4, 1), persons(60, 4, 2), 0)


def found(rows, labels, galleries, level=0.95):
    return {each.name: each for each in compare_unlabelled(rows, labels, galleries, level, 199, 0)}


def test_galleries_have_as_many_persons_and_images_of_each_and_templates_of_these():
    training, control = persons(9, 5, 1), persons(7, 3, 2)
    shuffled = np.random.default_rng(0).permutation(len(training[0]))
    own = Galleries.of((training[0][shuffled], training[1][shuffled]), control, 3)
    assert own.training_images.shape == own.control_images.shape == (7, 3, 48)
    owners = {int(training[1][np.flatnonzero((training[0] == row).all(1))[0]]) for row in own.training_images[:, 0]}
    assert len(owners) == 7
    np.testing.assert_allclose(own.control, templates(*control)[1])
    assert Galleries.of(persons(1, 5, 1), control, 0) is None


def test_a_class_whose_images_follow_many_persons_shows_by_image_alone(galleries):
    """Each class holds images of eight training persons, whose mean is nobody."""
    random = np.random.default_rng(5)
    chosen = np.array([random.permutation(60)[:8] for _ in range(100)])
    rows = unit(galleries.training[chosen] + 0.05 * random.standard_normal((100, 8, 48))).reshape(-1, 48)
    by = found(rows, np.repeat(np.arange(100), 8), galleries)
    assert by["image to image"].leak.bound > 0.6 < by["image to centre"].leak.bound
    assert by[CENTRES].leak.bound < by["image to centre"].leak.bound


def test_a_class_that_follows_a_person_in_its_mean_shows_by_centre(galleries):
    random = np.random.default_rng(6)
    rows = unit(galleries.training[:, None] + 0.45 * random.standard_normal((60, 40, 48)))
    by = found(rows.reshape(-1, 48), np.repeat(np.arange(60), 40), galleries)
    assert by[CENTRES].nearer.observed == 1 and by[CENTRES].leak.bound > 0.5
    assert by[CENTRES].hit == 60 and by["image to image"].nearer.observed < 1


def test_strangers_are_within_chance_and_without_a_level_there_is_no_bound(galleries):
    by = found(*persons(80, 5, 7), galleries)
    for each in by.values():
        low, high = each.nearer.band(0.999)
        assert low <= each.nearer.observed <= high and each.leak.bound < 0.1
    assert [each.units for each in by.values()] == [400, 400, 80]
    assert not any(each.leak for each in found(*persons(80, 5, 7), galleries, None).values())
