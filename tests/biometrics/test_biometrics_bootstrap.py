"""Identity-bootstrap intervals."""

import numpy as np
import pytest
from scipy import stats

from sface_lib.biometrics import (
    Estimate,
    SeedVariance,
    bootstrap_metrics,
    identity_weights,
    verification_metrics,
)
from sface_lib.errors import InputError


def scored_identities(n_identities=12, n_genuine=8, n_impostor=3, seed=0, spread=0.1):
    """Genuine and impostor scores whose identities differ; every ordered pair has impostor scores."""
    generator = np.random.default_rng(seed)
    level = generator.normal(0, spread, n_identities)
    own = np.repeat(np.arange(n_identities), n_genuine)
    first, second = np.nonzero(~np.eye(n_identities, dtype=bool))
    first, second = np.repeat(first, n_impostor), np.repeat(second, n_impostor)
    genuine = generator.normal(0.5 + level[own], 0.15)
    impostor = generator.normal(level[first] + level[second], 0.15)
    return genuine, own, impostor, first, second


def weighted_figures(genuine, genuine_weight, impostor, impostor_weight):
    """The four figures from all scores, each with its weight, at every distinct score."""
    threshold = np.append(np.unique(np.concatenate([genuine, impostor])), np.inf)
    fmr = np.array([impostor_weight[impostor >= t].sum() for t in threshold]) / impostor_weight.sum()
    fnmr = np.array([genuine_weight[genuine < t].sum() for t in threshold]) / genuine_weight.sum()
    closest = np.argmin(np.abs(fmr - fnmr))
    return {
        "eer": (fmr[closest] + fnmr[closest]) / 2,
        "auc": np.sum((fmr[:-1] - fmr[1:]) * (1 - (fnmr[1:] + fnmr[:-1]) / 2)),
        "genuine_mean": np.average(genuine, weights=genuine_weight),
        "impostor_mean": np.average(impostor, weights=impostor_weight),
    }


# Weights


def test_weights_count_draws_with_replacement():
    weights = identity_weights(50, 2000, seed=3)
    assert weights.dtype == np.float64 and weights.shape == (2000, 50)
    assert (weights == weights.round()).all() and (weights >= 0).all()
    assert (weights.sum(axis=1) == 50).all()
    # A weight is binomial(50, 1/50): mean 1, variance .98; 1e5 of them, four standard errors of each.
    assert weights.mean() == 1.0
    assert weights.var() == pytest.approx(0.98, abs=4 * 1.8 / 1e5**0.5)


def test_weights_are_those_of_the_seed():
    np.testing.assert_array_equal(identity_weights(9, 5, 1), identity_weights(9, 5, 1))
    assert (identity_weights(9, 5, 1) != identity_weights(9, 5, 2)).any()


@pytest.mark.parametrize("bad", [(0, 1, 0), (1, 0, 0), (1, 1, -1), (1.5, 1, 0)])
def test_bad_counts_are_refused(bad):
    with pytest.raises(InputError, match="give an integer of at least"):
        identity_weights(*bad)


# Intervals


def estimate(value, error, identities=30, **given):
    """Draws of this standard deviation, which an unbiased variance raises by n / (n - 1)."""
    return Estimate(value, error**2 * identities / max(1, identities - 1), identities, **given)


def test_the_interval_of_a_rate_is_clopper_and_pearsons_for_trials_of_that_error():
    """Of 30 identities 27 have it: the error is that of 29 independent trials, as 30 / 29 inflates it."""
    error = (0.9 * 0.1 / 30) ** 0.5
    found = estimate(0.9, error).interval(0.9)
    trials = 29 * (stats.norm.ppf(0.95) / stats.t.ppf(0.95, 29)) ** 2
    low, high = stats.beta.ppf([0.05, 0.95], [0.9 * trials, 0.9 * trials + 1], [0.1 * trials + 1, 0.1 * trials])
    assert (found.low, found.high) == pytest.approx((low, high))
    mirrored = estimate(0.1, error).interval(0.9)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - high, 1 - low))


def test_a_rate_of_none_or_all_has_the_interval_of_its_identities():
    """The rule of three: of n identities none, the upper end of a 95 % interval is near 3.7 / n."""
    none, every = estimate(0.0, 0.0, 300).interval(), estimate(1.0, 0.0, 300).interval()
    assert none.low == 0 and none.high == pytest.approx(3.69 / 300, rel=0.02)
    assert (every.low, every.high) == (pytest.approx(1 - none.high), 1)


def test_what_is_no_rate_gets_students_interval():
    found = estimate(-3.0, 0.5, 10, is_rate=False).interval()
    reach = stats.t.ppf(0.975, 9) * 0.5 * (10 / 9) ** 0.5
    assert (found.low, found.high) == pytest.approx((-3 - reach, -3 + reach))


def test_seeds_widen_an_interval_by_their_variance_and_few_degrees():
    """Equal variances of 1, on many degrees and on two: a variance of 2 on (1 + 1)^2 / (1 / 2) = 8 degrees."""
    found = estimate(0.0, 1.0, 10**7, is_rate=False, seeds=SeedVariance(1.0, 1.0, 2)).interval()
    assert found.high == pytest.approx(stats.t.ppf(0.975, 8) * 2**0.5, rel=1e-5)


def test_intervals_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="^level is 1; give a number above 0 and below 1"):
        estimate(0.5, 0.1).interval(1)
    with pytest.raises(InputError, match="two identities at least, and there are 1"):
        estimate(0.5, 0.1, 1).interval()
    with pytest.raises(InputError, match="^fewer than half of the resamples held both"):
        Estimate.of_draws(0.5, np.array([0.5, np.nan, np.nan]), 30).interval()


def test_the_variance_of_draws_is_unbiased_and_passes_over_those_without_a_figure():
    found = Estimate.of_draws(0.4, np.array([0.3, np.nan, 0.5]), 5)
    assert found.variance == pytest.approx(0.01 * 5 / 4)


# Figures from scores


def test_histograms_agree_with_explicitly_weighted_scores():
    genuine, own, impostor, first, second = scored_identities()
    weights = identity_weights(12, 60, seed=5)
    explicit = [weighted_figures(genuine, w[own], impostor, w[first] * w[second]) for w in weights]
    several_blocks = 20_000
    result = bootstrap_metrics(
        genuine, own, impostor, first, second, resamples=60, seed=5, bins=2000, block_numbers=several_blocks
    )
    # Scores span about 1.6 and bins 0.0008; 96 genuines move FNMR in steps of 1 %, and a heavily drawn
    # one by more, between which EER is interpolated here and rounded to a score there.
    tolerance = {"eer": 0.01, "auc": 0.0005, "genuine_mean": 0.0008, "impostor_mean": 0.0008}
    assert set(result) == set(tolerance)
    for name, found in result.items():
        expected = np.sort([figures[name] for figures in explicit])
        np.testing.assert_allclose(np.sort(found.draws)[6:-6], expected[6:-6], atol=tolerance[name], err_msg=name)
        assert found.identities == 12 and found.is_rate == (name in ("eer", "auc"))


def test_scores_on_bin_edges_give_the_explicit_figures_but_for_rounding():
    # Scores 0..200 in 201 bins: one value a bin, so that nothing but the EER's interpolation is lost.
    genuine, own, impostor, first, second = scored_identities(seed=4)
    genuine, impostor = (np.clip(np.round(part * 100 + 80), 0, 200) for part in (genuine, impostor))
    genuine[0], impostor[0] = 200, 0
    weights = identity_weights(12, 40, seed=1)
    explicit = [weighted_figures(genuine, w[own], impostor, w[first] * w[second]) for w in weights]
    result = bootstrap_metrics(genuine, own, impostor, first, second, resamples=40, seed=1, bins=201)
    for name in ("auc", "genuine_mean", "impostor_mean"):
        np.testing.assert_allclose(result[name].draws, [figures[name] for figures in explicit], rtol=1e-10)


def test_names_of_identities_and_order_of_scores_do_not_matter():
    genuine, own, impostor, first, second = scored_identities()
    order = np.random.default_rng(0).permutation(impostor.size)
    plain = bootstrap_metrics(genuine, own, impostor, first, second, resamples=30)
    renamed = bootstrap_metrics(
        genuine, own * 7 - 50, impostor[order], second[order] * 7 - 50, first[order] * 7 - 50, resamples=30
    )
    for name, found in plain.items():  # Sums in another order: rounding only.
        np.testing.assert_allclose(renamed[name].draws, found.draws, atol=1e-6)


def test_identical_scores_are_the_same_in_all_draws():
    _, own, impostor, first, second = scored_identities()
    result = bootstrap_metrics(np.full(own.size, 0.3), own, np.full(impostor.size, 0.3), first, second)
    for name, expected in {"eer": 0.5, "auc": 0.5, "genuine_mean": 0.3, "impostor_mean": 0.3}.items():
        # A mean of equal numbers may round.
        np.testing.assert_allclose([result[name].value, *result[name].draws], expected, atol=1e-12, err_msg=name)


def test_separated_scores_have_no_error_in_any_resample():
    _, own, impostor, first, second = scored_identities()
    result = bootstrap_metrics(np.full(own.size, 1.0), own, np.full(impostor.size, 0.1), first, second)
    # Shares of a resample sum to 1 but for rounding.
    np.testing.assert_allclose(result["eer"].draws, 0, atol=1e-12)
    np.testing.assert_allclose(result["auc"].draws, 1, atol=1e-12)
    # Twelve identities without an error do not make it zero.
    eer = result["eer"].interval()
    assert eer.low == 0 and 0.2 < eer.high < 0.35


def test_intervals_hold_the_figures_of_the_whole_set():
    genuine, own, impostor, first, second = scored_identities(n_identities=40, seed=9)
    metrics = verification_metrics(genuine, impostor)
    for name, found in bootstrap_metrics(genuine, own, impostor, first, second, resamples=400).items():
        assert found.interval().low < getattr(metrics, name) < found.interval().high, name
        assert found.value == pytest.approx(getattr(metrics, name), abs=0.01)


def test_interval_of_the_mean_has_the_width_of_the_identities_not_of_the_scores():
    # 60 identities that differ by sd .1, with 50 nearly equal scores each: the mean's sd is .1 / sqrt(60).
    genuine, own, impostor, first, second = scored_identities(60, n_genuine=50, n_impostor=1, spread=0.1)
    interval = bootstrap_metrics(genuine, own, impostor, first, second, seed=2)["genuine_mean"].interval()
    deviation = np.array([genuine[own == i].mean() for i in range(60)]).std(ddof=1)
    expected = 2 * stats.t.ppf(0.975, 59) * deviation / 60**0.5
    # The standard error of 1,000 resamples is known within 2 %; 8 % is some three standard errors.
    assert interval.high - interval.low == pytest.approx(expected, rel=0.08)


def test_bins_give_way_to_many_pairs_and_then_refuse():
    scores = scored_identities()
    most = 66 * 30 * 250  # 66 pairs, 30 resamples: 250 bins
    assert isinstance(bootstrap_metrics(*scores, resamples=30, most_products=most)["auc"], Estimate)
    with pytest.raises(InputError, match="giving the scores of fewer identities"):
        bootstrap_metrics(*scores, resamples=60, most_products=most)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores_genuine": [np.nan, 0.5]}, "^scores_genuine holds 1 unusable"),
        ({"scores_impostor": []}, r"^scores_impostor has shape \(0,\)"),
        ({"genuine_identity": [0]}, "^genuine_identity has 1 entries; give 2"),
        ({"impostor_identity_a": [0.0, 1.0]}, "^impostor_identity_a holds values of type float64"),
        ({"impostor_identity_b": [2, 1]}, "equal for 1 score.*index 1"),
        ({"bins": 100}, "^bins is 100; give an integer between 200 and 10000"),
        ({"seed": -1}, "^seed is -1"),
    ],
)
def test_bad_scores_and_identities_are_refused_by_name(change, message):
    good = {
        "scores_genuine": [0.5, 0.6],
        "genuine_identity": [0, 1],
        "scores_impostor": [0.1, 0.2],
        "impostor_identity_a": [0, 1],
        "impostor_identity_b": [2, 3],
    }
    with pytest.raises(InputError, match=message):
        bootstrap_metrics(**(good | change))
