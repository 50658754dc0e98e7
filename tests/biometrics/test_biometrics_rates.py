"""Error rates with what they rest on."""

import numpy as np
import pytest
from scipy import stats

from sface_lib.biometrics import fnmr_at_fmr
from sface_lib.biometrics.rates import Counts, Scored, error_rate
from sface_lib.errors import InputError


def drawn(persons=60, seed=0, spread=0.0, mated=4, others=30):
    """Mated scores around 1 and others around 0, of persons whose own scores differ by `spread`."""
    random = np.random.default_rng(seed)
    level = spread * random.standard_normal(persons)
    own = np.repeat(np.arange(persons), mated)
    left = np.repeat(np.arange(persons), others)
    right = (left + 1 + random.integers(0, persons - 1, len(left))) % persons
    return Scored(
        1 + level[own] + 0.5 * random.standard_normal(len(own)), own,
        level[left] + level[right] + 0.5 * random.standard_normal(len(left)), left, right,
    )  # fmt: skip


def test_a_rate_knows_its_comparisons_errors_and_subjects():
    counts = Counts(np.array([1, 0, 2]), np.array([4, 4, 2]), np.array([0, 1, 0]), np.array([1, 2, 3]))
    found = error_rate(counts)
    assert found.value == 0.3 and counts.subjects == 4 and counts.erring_subjects == 3
    # Parts of 1 - 1.2, 0 - 1.2 and 2 - 0.6 of ten: persons 0 to 3 hold 0.12, -0.14, -0.12 and 0.14.
    sums = np.array([0.12, -0.14, -0.12, 0.14])
    couples = np.array([-0.02, -0.12, 0.14])
    variance = max((sums**2).sum() - (couples**2).sum(), (couples**2).sum())
    assert found.estimate.variance == pytest.approx(variance * 4 / 3)


def test_the_rule_of_thirty_counts_errors_and_subjects():
    many = np.arange(40)
    fine = error_rate(Counts.of_scores(many < 30, many, many))
    assert fine.imprecise is None
    few = error_rate(Counts.of_scores(many < 29, many, many))
    assert few.imprecise == "29 errors of 29 subjects; 30 of each make a rate precise"
    one_person = error_rate(Counts.of_scores(many < 35, many // 10, many // 10))
    assert one_person.imprecise.startswith("35 errors of 4 subjects")


def test_without_an_error_the_interval_follows_the_rule_of_three():
    """Of 300 persons: 3.7 / n, as the two-sided interval of 95 % leaves 2.5 % above it, and 3 / n leave 5 %."""
    persons = np.arange(300)
    found = error_rate(Counts.of_scores(np.zeros(300, bool), persons, persons))
    assert found.value == 0 and found.interval.high == pytest.approx(3.69 / 300, rel=0.02)
    assert found.estimate.interval(0.9).high == pytest.approx(3 / 300, rel=0.02)


def test_no_comparison_gives_no_rate():
    nothing = np.zeros(0, int)
    with pytest.raises(InputError, match="no comparison"):
        error_rate(Counts(nothing, nothing, nothing, nothing))
    with pytest.raises(InputError, match="no comparison"):
        Scored(np.zeros(0), nothing, np.zeros(2), np.arange(2), np.arange(2)).at(0.5)
    with pytest.raises(InputError, match="target is 0"):
        drawn().threshold(0)


@pytest.mark.parametrize("others", [49, 103, 161, 1002, 1006])
def test_one_of_the_others_is_enough_whatever_their_number(others):
    """Of which 1 / n times n is below 1 in floating point."""
    scores = Scored(
        np.linspace(0, 1, 50), np.arange(50), np.linspace(-1, 0.5, others), *np.tile(np.arange(others), (2, 1))
    )
    assert scores.shows(1 / others) and not scores.shows(0.99 / others)
    expected, _ = fnmr_at_fmr(scores.mated, scores.other, 1 / others)
    assert scores.at(1 / others).value == expected
    assert len(scores.curve(5)) == 5


def test_where_all_others_pass_all_mated_do_but_those_found_as_another():
    scores = Scored(np.array([0.0, 1.0, -np.inf]), np.arange(3), np.array([0.5, 0.6]), np.arange(2), np.arange(2))
    assert scores.at(1.0).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("target", [0.5, 0.1, 0.01, 1.0])
def test_the_rate_at_a_rate_is_that_of_all_scores(target):
    scores = drawn()
    found = scores.at(target)
    expected, _ = fnmr_at_fmr(scores.mated, scores.other, target)
    assert found.value == pytest.approx(expected)
    assert (scores.other >= scores.threshold(target)).mean() <= target


def test_ties_at_the_threshold_do_not_pass_where_too_many_would():
    scores = Scored(
        np.array([0.5, 0.9]), np.array([0, 1]), np.array([0.5, 0.5, 0.1, 0.2]), *np.array([[0, 1, 0, 1], [2, 3, 3, 2]])
    )
    assert scores.passed(scores.threshold(0.25)).errors.sum() == 0 and scores.at(0.25).value == 0.5
    assert scores.passed(scores.threshold(0.5)).errors.sum() == 2 and scores.at(0.5).value == 0


def test_what_the_others_cannot_show_is_refused():
    with pytest.raises(InputError, match="1,800 comparisons cannot show it; 10,000 are needed"):
        drawn().at(1e-4)


def test_the_interval_covers_the_true_rate_at_a_true_false_match_rate():
    """Persons differ, and the threshold is found on the sample: 95 % intervals of 300 samples."""
    random = np.random.default_rng(0)
    level = 0.3 * random.standard_normal(200_000)
    others = level[:100_000] + level[100_000:] + 0.5 * random.standard_normal(100_000)
    mated = 1 + level + 0.5 * random.standard_normal(200_000)
    truth = float((mated < np.quantile(others, 0.95)).mean())
    held = 0
    for seed in range(300):
        span = drawn(60, seed, 0.3).at(0.05).interval
        held += span.low <= truth <= span.high
    assert 271 <= held <= 296  # 285 expected; 99.9 % of binomial counts.


def test_a_threshold_found_on_the_sample_makes_a_rate_less_sure():
    scores = drawn(40, 1)
    threshold = scores.threshold(0.05)
    fixed, found = error_rate(scores.missed(threshold)), scores.at(0.05)
    assert found.value == fixed.value and found.estimate.variance > fixed.estimate.variance
    # Independent normal scores: the slope is the ratio of the densities at the threshold.
    at = stats.norm.ppf(0.95) / 2
    expected = stats.norm.pdf(at, 1, 0.5) / stats.norm.pdf(at, 0, 0.5)
    big = drawn(400, 2, others=100)
    assert big._slope(0.05, error_rate(big.passed(big.threshold(0.05)))) == pytest.approx(expected, rel=0.25)


def test_a_curve_begins_where_its_comparisons_resolve_it():
    scores = drawn()
    curve = scores.curve(7)
    assert curve[0][0] == pytest.approx(3 / 1800) and curve[-1][0] == 1
    values = [rate.value for _, rate in curve]
    assert values == sorted(values, reverse=True) and values[-1] == 0
