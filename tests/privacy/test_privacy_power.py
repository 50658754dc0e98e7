"""An alarm stays silent without copies and sounds for planted ones."""

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.privacy.alterations import ALTERATIONS, degrade, sharpness
from sface_lib.privacy.power import (
    Power,
    alarm_threshold,
    can_show_tail,
    detectable_share,
    neighbour_ratio,
    power_table,
    silence,
)


def null(persons: int = 60, images: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values with a person's own part, and the persons."""
    random = np.random.default_rng(seed)
    identity = np.repeat(np.arange(persons), images)
    return 0.3 + 0.03 * random.standard_normal(persons)[identity] + 0.05 * random.standard_normal(
        len(identity)
    ), identity


def test_the_ratio_of_neighbours_by_hand():
    """Training at 0 and 90 degrees: 30 degrees lie twice as near to the first; a copy has the least angle of 0.001."""
    at = np.deg2rad([30.0, 45.0, 90.0])
    found = neighbour_ratio(np.column_stack([np.cos(at), np.sin(at)]), np.eye(2))
    np.testing.assert_allclose(found[:2], [np.log(2), 0], atol=1e-6)
    assert found[2] == pytest.approx(np.log(np.pi / 2 / 1e-3))
    with pytest.raises(InputError, match="the 2 best scores of each image need as many others, which are 1"):
        neighbour_ratio(np.eye(2), np.eye(2)[:1])


def test_ratios_of_unrelated_points_are_exponential_with_the_mean_of_their_dimensions():
    """On a sphere, of two dimensions: a mean of 1 / 2, and 5 % above log(20) / 2."""
    points = np.random.default_rng(0).standard_normal((24_000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = neighbour_ratio(points[:4000], points[4000:])
    assert found.mean() == pytest.approx(1 / 2, rel=0.05)
    assert np.mean(found > np.log(20) / 2) == pytest.approx(0.05, abs=0.01)


def test_the_threshold_of_an_exponential_tail_is_passed_as_rarely_as_promised():
    """The best of n exponential scores passes log(n / 0.0513) with probability 5 %; many persons know it well."""
    persons = np.arange(20_000)
    found = [alarm_threshold(np.random.default_rng(seed).exponential(size=20_000), persons, 1000) for seed in range(30)]
    assert np.mean(found) == pytest.approx(-np.log(1 - 0.95 ** (1 / 1000)), rel=0.03)


def test_a_tail_that_few_persons_show_is_not_trusted_too_far():
    """Fresh sets pass a threshold from 400 scores, each a person's own, in 5 % of cases, over the draws of both."""
    passed = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        threshold = alarm_threshold(random.exponential(size=400), np.arange(400), 1000)
        passed += random.exponential(size=1000).max() >= threshold
    assert 8 <= passed <= 34  # 5 % of 400, 99.9 %.


def test_a_set_too_large_for_its_null_has_no_threshold():
    values = np.random.default_rng(0).exponential(size=400)
    assert alarm_threshold(values, np.arange(400), 1600) > alarm_threshold(values, np.arange(400), 400)
    assert alarm_threshold(values, np.arange(400), 1601) is None
    with pytest.raises(InputError, match="399 images without copies do not show the tail .* at least 400"):
        alarm_threshold(values[1:], np.arange(399), 10)


def test_sets_without_copies_raise_alarms_as_often_as_promised():
    best, identity = null()
    found = silence(best, identity, 0)
    assert found.set_size == 30  # 5 % of half of 1,200 images.
    assert 0.02 <= found.rate <= 0.085 and found.low < found.rate < found.high
    # A null whose persons differ more than its images within: the other half's persons are not those of the first.
    assert (found.alteration, found.share) == ("none", 0.0)


def test_copies_raise_the_alarm_as_often_as_one_of_them_does():
    """Copies of which half pass: of 3 planted ones one at least in 7 of 8 sets, of 1 in half of them."""
    copies = {"exact copy": np.full(50, 0.99), "mirror": np.repeat([0.0, 0.99], 25), "blend 70/30": np.full(50, 0.3)}
    table = power_table(0.9, copies, set_size=2000, shares=(0.0005, 0.0015))
    rates = {(row.alteration, row.share): row.rate for row in table}
    assert rates["exact copy", 0.0005] == 1 and rates["blend 70/30", 0.0015] == 0
    assert rates["mirror", 0.0005] == 0.5 and rates["mirror", 0.0015] == 0.875
    half = next(row for row in table if row.alteration == "mirror" and row.share == 0.0015)
    low, high = (1 - (1 - q) ** 3 for q in (0.3664, 0.6336))  # Wilson's interval of 25 of 50.
    assert half.low == pytest.approx(low, abs=1e-4) and half.high == pytest.approx(high, abs=1e-4)
    assert detectable_share(table) == 0.0015


def test_the_share_that_is_told_is_the_one_that_was_planted():
    table = power_table(0.9, {"mirror": np.full(5, 0.99)}, 144, shares=(0.0005, 0.001, 0.01))
    assert [row.share for row in table] == [1 / 144] and detectable_share(table) == 1 / 144


def test_half_of_the_unseen_persons_must_show_the_tail():
    assert can_show_tail(np.repeat(np.arange(80), 10)) and not can_show_tail(np.repeat(np.arange(79), 10))


def test_power_is_that_of_the_worst_alteration():
    def row(name, share, rate):
        return Power(name, share, 1000, rate, 0, 1)

    table = [row("mirror", 0.001, 0.99), row("JPEG 60", 0.001, 0.7), row("blend 70/30", 0.001, 0)]
    assert detectable_share(table) is None
    table += [row("mirror", 0.002, 0.99), row("JPEG 60", 0.002, 0.8), row("blend 70/30", 0.002, 0.05)]
    assert detectable_share(table) == 0.002


def images(n: int = 6, side: int = 64) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (n, 3, side, side)).astype(np.uint8)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_alteration_keeps_shape_type_and_the_original(name):
    given = images()
    before = given.copy()
    found = ALTERATIONS[name](given, np.random.default_rng(1))
    assert found.shape == given.shape and found.dtype == np.uint8
    np.testing.assert_array_equal(given, before)
    assert name == "exact copy" or not np.array_equal(found, given)


def test_alterations_by_hand():
    given, random = images(3), np.random.default_rng(0)
    np.testing.assert_array_equal(ALTERATIONS["mirror"](given, random)[..., 0], given[..., 63])
    moved = ALTERATIONS["shift by 4 of 64 px"](given, random)
    views = [given[0, :, 8:56, 8:56], *(moved[0, :, 8 + y : 56 + y, 8 + x : 56 + x] for y in (-4, 4) for x in (-4, 4))]
    assert any(np.array_equal(views[0], view) for view in views[1:])
    flat = np.full((4, 3, 64, 64), 100, np.uint8)
    assert set(np.unique(ALTERATIONS["light ±15 %"](flat, random))) <= {85, 115}
    for name in ("JPEG 60", "half the resolution", "blend 70/30"):
        assert np.abs(ALTERATIONS[name](flat, random).astype(int) - 100).max() <= 1
    two = np.stack([flat[0], flat[0] + 100])
    np.testing.assert_array_equal(np.unique(ALTERATIONS["blend 70/30"](two, random)), [130, 170])


def test_images_are_blurred_to_the_sharpness_that_is_asked_for():
    given = images()
    target = sharpness(given) / 50
    assert sharpness(degrade(given, target)) == pytest.approx(target, rel=0.05)
    np.testing.assert_array_equal(degrade(given, sharpness(given) * 2), given)
