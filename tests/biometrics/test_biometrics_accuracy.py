"""Accuracy over pairs of persons, and its variance."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from sface_lib.biometrics import Estimate, PairMean, SeedVariance, accuracy_over_pairs, average, seed_variances
from sface_lib.errors import InputError


def judged_pairs(n_identities=40, n_pairs=400, chance=0.8, seed=0):
    generator = np.random.default_rng(seed)
    left = generator.integers(0, n_identities, n_pairs)
    same = np.arange(n_pairs) % 4 == 0
    right = np.where(same, left, (left + generator.integers(1, n_identities, n_pairs)) % n_identities)
    return generator.random(n_pairs) < chance, same, left, right


def listed_variance(part, left, right):
    """Products of the parts of every two pairs with a person in common, pair by pair."""
    return sum(
        part[i] * part[j]
        for i in range(len(part))
        for j in range(len(part))
        if {left[i], right[i]} & {left[j], right[j]}
    )


def test_the_variance_is_that_of_every_two_pairs_with_a_person_in_common():
    correct, same, left, right = judged_pairs(30, 240)
    correct &= (left % 5 > 0) | (np.arange(240) % 2 == 0)  # Persons differ.
    fold = np.where(np.arange(240) < 60, 3, 8)  # Unequal folds, each of which counts half.
    importance = np.where(fold == 3, 1 / 120, 1 / 360)
    found = accuracy_over_pairs(correct, same, left, right, fold)
    assert found.value == pytest.approx(importance @ correct)
    means = [np.average(correct[kind], weights=importance[kind]) for kind in (~same, same)]
    part = importance * (correct - np.where(same, means[1], means[0]))
    np.testing.assert_allclose(found.part, part, atol=1e-15)
    assert part[same].sum() == pytest.approx(0, abs=1e-15)
    expected = listed_variance(part, left, right) * found.identities / (found.identities - 1)
    assert found.estimate().variance == pytest.approx(expected)
    assert found.identities == len(np.unique(left[same]))  # Fewer than in the impostor pairs.


def test_couples_of_persons_are_the_same_whichever_stands_left():
    _, same, left, right = judged_pairs(5, 60)
    correct = np.arange(60) % 3 > 0
    swapped = np.arange(60) % 2 == 0
    mirrored = np.where(swapped, right, left), np.where(swapped, left, right)
    one, other = (accuracy_over_pairs(correct, same, *sides).estimate() for sides in ((left, right), mirrored))
    assert one.variance == pytest.approx(other.variance)


def test_parts_that_cancel_leave_what_independent_couples_would_have():
    """Each person is above the mean in one pair and below it in the other."""
    ring = np.arange(4)
    found = PairMean(0.5, ring, (ring + 1) % 4, np.array([0.1, -0.1, 0.1, -0.1]), 4)
    assert found.estimate().variance == pytest.approx(4 * 0.1**2 * 4 / 3)


def test_faultless_accuracy_is_known_as_well_as_its_identities_allow():
    """Forty identities without an error leave Clopper and Pearson's 0.025^(1 / n)."""
    correct, same, left, right = judged_pairs(chance=1.1, n_pairs=1000)
    found = accuracy_over_pairs(correct, same, left, right).estimate()
    assert found.value == pytest.approx(1) and (found.variance, found.identities) == (0, 40)
    trials = 40 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 39)) ** 2
    assert found.interval().low == pytest.approx(0.025 ** (1 / trials)) and found.interval().high == 1


def test_how_many_pairs_are_genuine_is_no_error():
    """All genuines right, all impostors wrong: one pair in four is right, whoever the persons are."""
    _, same, left, right = judged_pairs()
    found = accuracy_over_pairs(same, same, left, right)
    assert found.value == pytest.approx(0.25) and found.estimate().variance == 0


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Whole identities are easy or hard, and impostor pairs are few a person: 90 % intervals of 600 pairs."""
    covered = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        chance = generator.choice([0.6, 1.0], 60)
        left = np.repeat(np.arange(60), 10)
        same = np.tile([True, False], 300)
        right = np.where(same, left, (left + generator.integers(1, 60, 600)) % 60)
        correct = generator.random(600) < np.where(same, chance[left], (chance[left] + chance[right]) / 2)
        interval = accuracy_over_pairs(correct, same, left, right).estimate().interval(0.9)
        covered += interval.low <= 0.8 <= interval.high
    # 360 expected; 99.9 % of binomial counts lie between 339 and 378.
    assert 339 <= covered <= 378


def test_an_average_takes_models_on_the_same_pairs_together():
    """One model errs where the other does not: their mean is known better than either."""
    persons = np.arange(4)
    up, down = (PairMean(0.7, persons, persons, way * np.array([0.1, -0.1, 0.1, -0.1]), 9) for way in (1, -1))
    both = average([up, down])
    assert both.value == pytest.approx(0.7) and both.estimate().variance == pytest.approx(0) and both.is_rate
    gap = up - down
    assert gap.estimate().variance == pytest.approx(4 * up.estimate().variance) and not gap.is_rate


def on_persons(value, *parts):
    persons = np.arange(len(parts))
    return PairMean(value, persons, persons, np.array(parts), 10**6, is_rate=False)


def test_seed_variances_by_hand():
    """Deviations of 1 and 0 on two degrees in common: 0.5 * 2 / 2; five own seeds stand alone; one tells nothing."""

    def models(*values):
        return [[on_persons(value, 0.0) for value in each] for each in values]

    found = seed_variances(models([1.0, 3.0], [2.0, 2.0], [7.0]))
    assert found == [SeedVariance(0.5, 0.5, 2), SeedVariance(0.5, 0.5, 2), None]
    five = seed_variances(models([0.0, 0.0, 0.0, 0.0, 5.0], [2.0, 2.0]))
    assert five[0] == SeedVariance(pytest.approx(1.0), pytest.approx(1.0), 4)
    assert seed_variances(models([1.0], [2.0])) == [None, None]


def test_a_rate_near_one_has_the_smaller_part_of_what_seeds_add():
    """Squares of 2 * 0.1^2 around 0.5 on one degree; p (1 - p) is 0.25 there and 0.09 at 0.9, where nothing varies."""
    rates = [[dataclasses.replace(on_persons(v, 0.0), is_rate=True) for v in each] for each in ([0.4, 0.6], [0.9, 0.9])]
    found = seed_variances(rates)
    common = 0.02 / (0.25 + 0.09)
    assert [each.variance for each in found] == pytest.approx([common * 0.25 / 2, common * 0.09 / 2])
    faultless = [[dataclasses.replace(on_persons(1.0, 0.0), is_rate=True)] * 2]
    assert seed_variances(faultless) == [SeedVariance(0, 0, 1)]


def test_what_a_seed_does_for_some_persons_counts_once():
    """Seeds of 0.4 and 0.6 whose whole difference lies in two persons: of 0.02 between them 0.01 is of persons."""
    first, second = on_persons(0.4, 0.05, -0.05), on_persons(0.6, -0.05, 0.05)
    found = seed_variances([[first, second]])[0]
    # Each is 0.1 from their average, with parts of 0.05 and -0.05.
    assert found.observed == pytest.approx(0.02 / 2)
    assert found.variance == pytest.approx((0.02 - 2 * 0.005) / 2, rel=1e-5)
    same = seed_variances([[on_persons(0.5, 0.05, -0.05), on_persons(0.5, -0.05, 0.05)]])[0]
    assert same.variance == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"same": []}, r"^same has shape \(0,\)"),
        ({"correct": [True]}, "^correct has 1 entries; give 4"),
        ({"correct": [0.5] * 4}, "^correct holds values of type float64"),
        ({"left_identity": [1, 2, 3]}, "^left_identity has 3 entries"),
        ({"right_identity": [[1, 2, 3, 4]]}, "^right_identity has shape"),
        ({"same": [True] * 4, "right_identity": [1, 2, 3, 4]}, "^same holds genuine pairs only"),
        ({"right_identity": [1, 2, 3, 5]}, "^same disagrees with .* 1 pair.*index 2"),
        ({"fold": [1, 2]}, "^fold has 2 entries"),
    ],
)
def test_bad_judged_pairs_are_refused_by_name(change, message):
    good = {
        "correct": [True, True, False, True],
        "same": [True, True, False, False],
        "left_identity": [1, 2, 3, 4],
        "right_identity": [1, 2, 4, 5],
    }
    with pytest.raises(InputError, match=message):
        accuracy_over_pairs(**(good | change))


def test_one_identity_alone_gives_no_interval():
    found = accuracy_over_pairs([1, 1], [1, 0], [2, 0], [2, 1])
    with pytest.raises(InputError, match="two identities at least, and there are 1"):
        found.estimate().interval()


def test_the_p_of_a_difference_agrees_with_its_interval():
    """Where p is 5 %, the 95 % interval ends at 0; and without any variance only a difference of 0 is likely."""
    random = np.random.default_rng(3)
    for value, variance, identities in zip(
        random.normal(0, 0.02, 20), random.uniform(1e-5, 1e-3, 20), [7, 300] * 10, strict=True
    ):
        found = Estimate(value, variance, identities, is_rate=False)
        span = found.interval(1 - found.p_of_zero())
        assert min(abs(span.low), abs(span.high)) == pytest.approx(0, abs=1e-9)
    by_hand = Estimate(0.03, 0.01**2, 11, is_rate=False)
    assert by_hand.p_of_zero() == pytest.approx(2 * stats.t.sf(3, 10))
    assert [Estimate(x, 0.0, 9, is_rate=False).p_of_zero() for x in (0.0, 0.1)] == [1, 0]
    with pytest.raises(InputError, match="two identities"):
        Estimate(0.1, 0.1, 1, is_rate=False).p_of_zero()
