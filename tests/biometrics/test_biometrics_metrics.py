"""Error rates, operating points and separation of one set of scores."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from sface_lib.biometrics import fnmr_at_fmr, roc, verification_metrics
from sface_lib.errors import InputError

# Quarters are exact in binary, so that scaling by 2 and shifting keep ties and order.
QUARTERS = st.lists(st.integers(-8, 8).map(lambda k: k / 4), min_size=1, max_size=30)
CHEAP = settings(max_examples=60, deadline=None)

# Without ties. Accepted when score >= threshold:
#   threshold  inf   .9   .8   .7   .6   .5   .4   .3   .2
#   genuine     0    1    2    2    3    3    4    4    4     of 4: .9 .8 .6 .4
#   impostor    0    0    0    1    1    2    2    3    4     of 4: .7 .5 .3 .2
#   FMR         0    0    0   .25  .25  .5   .5   .75   1
#   FNMR        1   .75  .5   .5   .25  .25   0    0    0
NO_TIES = ([0.9, 0.8, 0.6, 0.4], [0.7, 0.5, 0.3, 0.2])

# With ties. threshold  inf  .8   .5   .2
#            genuine     0    1    3    4    of 4: .8 .5 .5 .2
#            impostor    0    0    1    5    of 5: .5 .2 .2 .2 .2
#            FMR         0    0   .2    1
#            FNMR        1   .75  .25   0
TIES = ([0.8, 0.5, 0.5, 0.2], [0.5, 0.2, 0.2, 0.2, 0.2])


def test_hand_worked_table_without_ties():
    metrics = verification_metrics(*NO_TIES)
    # FMR = FNMR = .25 at .6. Genuines above impostors: .9 all 4, .8 all 4, .6 three, .4 two: 13 of 16.
    assert (metrics.eer, metrics.eer_threshold, metrics.auc) == (0.25, 0.6, 13 / 16)
    # Means 2.7/4 = .675 and 1.7/4 = .425. Squares sum to 1.97 and .87, so variances .036875 and .036875.
    # Decimals such as .675 round in binary, by far less than 1e-12.
    assert metrics.genuine_mean == pytest.approx(0.675, abs=1e-12)
    assert metrics.impostor_mean == pytest.approx(0.425, abs=1e-12)
    assert metrics.genuine_sd == pytest.approx(0.036875**0.5, abs=1e-12)
    assert metrics.impostor_sd == pytest.approx(0.036875**0.5, abs=1e-12)
    assert metrics.fdr == pytest.approx(0.0625 / 0.07375, abs=1e-12)
    assert metrics.d_prime == pytest.approx(0.25 / 0.036875**0.5, abs=1e-12)
    assert (metrics.n_genuine, metrics.n_impostor) == (4, 4)


def test_hand_worked_table_with_ties():
    metrics = verification_metrics(*TIES)
    # Closest at .5: FMR 1/5, FNMR 1/4. AUC: .8 beats 5, each .5 beats 4 and ties 1, .2 ties 4: 5+4.5*2+2 = 16 of 20.
    assert (metrics.eer, metrics.eer_threshold) == (pytest.approx((0.2 + 0.25) / 2, abs=1e-15), 0.5)
    assert metrics.auc == 16 / 20


def test_of_two_equally_close_thresholds_the_lower_is_taken():
    # At infinity FMR 0, FNMR 1; at the only score FMR 1, FNMR 0: equally close.
    metrics = verification_metrics([0.5], [0.5])
    assert (metrics.eer, metrics.eer_threshold) == (0.5, 0.5)


def test_inverted_scores_have_eer_one_and_auc_zero():
    metrics = verification_metrics([0.0], [1.0])
    assert (metrics.eer, metrics.auc) == (1.0, 0.0)


def test_separated_scores_have_no_error():
    metrics = verification_metrics([0.8, 0.9], np.linspace(0, 0.5, 1000))
    assert (metrics.eer, metrics.fmr100, metrics.fmr1000, metrics.auc) == (0.0, 0.0, 0.0, 1.0)


def test_fmr1000_is_at_most_one_in_a_thousand():
    # 1,000 impostors 0..999: one may be accepted, so the threshold is above 998 and 998.5 is accepted.
    genuine = [997.5, 998.0, 998.5, 2000.0]
    assert verification_metrics(genuine, np.arange(1000)).fmr1000 == 0.5
    fnmr, threshold = fnmr_at_fmr(genuine, np.arange(1000), 0.001)
    assert (fnmr, threshold) == (0.5, 998.5)
    # Tied top impostors cannot be split: accepting 998.5 would accept two of them.
    tied = np.append(np.arange(998), [999, 999])
    assert verification_metrics(genuine, tied).fmr1000 == 0.75


def test_operating_point_reports_the_highest_threshold_of_its_fnmr():
    # FMR may be .5; FNMR is 0 for every threshold in (.2, .4], the highest score among them is .4.
    assert fnmr_at_fmr(*NO_TIES, 0.75) == (0.0, 0.4)


def test_operating_point_above_all_scores_rejects_everybody():
    assert fnmr_at_fmr([0.1, 0.2], [0.9] * 50 + [0.0] * 50, 0.1) == (1.0, np.inf)


def test_target_that_the_impostors_cannot_show_is_none_with_a_reason():
    metrics = verification_metrics([1.0], np.arange(99))
    assert metrics.fmr100 is None and metrics.fmr1000 is None
    assert "at least 100 are needed" in metrics.reasons["fmr100"]
    assert "at least 1000 are needed" in metrics.reasons["fmr1000"]
    assert verification_metrics([1.0], np.arange(100)).fmr100 is not None


@pytest.mark.parametrize(("n", "marked"), [(2999, {"fmr100", "fmr1000"}), (3000, {"fmr1000"}), (30000, set())])
def test_operating_point_is_imprecise_below_thirty_expected_errors(n, marked):
    assert set(verification_metrics([1.0], np.arange(n)).imprecise) == marked


def test_separation_of_constant_scores_is_none_with_a_reason():
    # Three times 0.1 has a rounded standard deviation of 1e-17; the fields must still be None.
    metrics = verification_metrics([0.7] * 3, [0.1] * 3)
    assert metrics.genuine_sd == metrics.impostor_sd == 0.0
    assert metrics.fdr is None and metrics.d_prime is None
    assert {"fdr", "d_prime"} <= set(metrics.reasons)


def test_separation_needs_only_one_variance():
    assert verification_metrics([1.0, 1.0], [0.0, 0.5]).fdr == pytest.approx(0.75**2 / 0.0625, abs=1e-12)


def test_fields_survive_strict_json():
    fields = dataclasses.asdict(verification_metrics(np.float32([0.5, 0.25]), np.float32([0.5, 0.125])))
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_two_gaussians_have_the_closed_forms():
    n, distance = 40_000, 1.5
    generator = np.random.default_rng(1)
    metrics = verification_metrics(generator.normal(distance, 1, n), generator.normal(0, 1, n))
    # Standard errors at n each: d' about sqrt(2/n + d'^2/(4n)) = .008, AUC < .5/sqrt(n) = .0025,
    # EER about sqrt(.25*.75/n) = .0021; four of each.
    assert metrics.d_prime == pytest.approx(distance, abs=0.032)
    assert metrics.auc == pytest.approx(norm.cdf(distance / 2**0.5), abs=0.01)
    assert metrics.eer == pytest.approx(norm.cdf(-distance / 2), abs=0.009)
    assert metrics.fdr == pytest.approx(metrics.d_prime**2 / 2, rel=1e-12)  # the same sums, rounding only


@pytest.mark.parametrize("decimals", [1, 6])
def test_auc_agrees_with_scikit_learn(decimals):
    generator = np.random.default_rng(decimals)
    genuine = generator.normal(1, 1, 300).round(decimals)
    impostor = generator.normal(0, 1, 700).round(decimals)
    truth = np.repeat([1, 0], [300, 700])
    expected = roc_auc_score(truth, np.concatenate([genuine, impostor]))
    # scikit-learn sums about a thousand rounded trapezia: a thousand times 1e-16.
    assert verification_metrics(genuine, impostor).auc == pytest.approx(expected, abs=1e-13)


@CHEAP
@given(QUARTERS, QUARTERS, st.sampled_from([0.5, 2.0, 8.0]), st.integers(-3, 3))
def test_figures_ignore_the_scale_and_origin_of_scores(genuine, impostor, scale, shift):
    plain = verification_metrics(genuine, impostor)
    moved = verification_metrics(np.array(genuine) * scale + shift, np.array(impostor) * scale + shift)
    assert (moved.eer, moved.auc, moved.fmr100) == (plain.eer, plain.auc, plain.fmr100)
    assert moved.eer_threshold == plain.eer_threshold * scale + shift
    if plain.fdr is not None:  # means and variances round differently after a shift
        assert moved.fdr == pytest.approx(plain.fdr, rel=1e-9, abs=1e-12)


@CHEAP
@given(QUARTERS, QUARTERS)
def test_swapping_the_classes_and_negating_scores_keeps_auc_and_swapping_alone_mirrors_it(genuine, impostor):
    auc = verification_metrics(genuine, impostor).auc
    assert verification_metrics(-np.array(impostor), -np.array(genuine)).auc == auc
    assert verification_metrics(impostor, genuine).auc == pytest.approx(1 - auc, abs=1e-15)  # one division


@CHEAP
@given(QUARTERS, QUARTERS, st.floats(0.01, 1))
def test_operating_point_is_the_lowest_fnmr_whose_fmr_keeps_the_target(genuine, impostor, target):
    if target < 1 / len(impostor):
        with pytest.raises(InputError, match="at least"):
            fnmr_at_fmr(genuine, impostor, target)
        return
    fnmr, threshold = fnmr_at_fmr(genuine, impostor, target)
    assert np.mean(np.array(impostor) >= threshold) <= target
    assert np.mean(np.array(genuine) < threshold) == pytest.approx(fnmr, abs=1e-15)
    curve = roc(genuine, impostor)
    assert fnmr == curve.fnmr[curve.fmr <= target].min()


@CHEAP
@given(QUARTERS, QUARTERS, st.sampled_from([np.nan, np.inf, -np.inf, 1e200]))
def test_figures_never_profit_from_an_unusable_score(genuine, impostor, bad):
    for arguments in ((genuine + [bad], impostor), (genuine, impostor + [bad])):
        with pytest.raises(InputError, match="1 unusable value"):
            verification_metrics(*arguments)


@pytest.mark.parametrize("compute", [verification_metrics, roc, lambda *sets: fnmr_at_fmr(*sets, 0.5)])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], r"shape \(0,\)"),
        ([[0.1, 0.2]], r"shape \(1, 2\)"),
        (0.5, r"shape \(\)"),
        (["0.5"], "type <U3"),
        ([True], "type bool"),
        ([1j], "type complex128"),
        ([0.1, np.nan], "nan at index 1"),
        ([[0.1], [0.1, 0.2]], "cannot be read"),
    ],
)
def test_bad_scores_are_refused_by_name(compute, bad, message):
    with pytest.raises(ValueError, match=f"^genuine .*{message}"):
        compute(bad, [0.1, 0.2])
    with pytest.raises(ValueError, match=f"^impostor .*{message}"):
        compute([0.1, 0.2], bad)


@pytest.mark.parametrize("target", [0, -0.1, 1.1, np.nan, "1", None])
def test_target_out_of_range_is_refused(target):
    with pytest.raises(InputError, match="^target is .* above 0 and at most 1"):
        fnmr_at_fmr([0.1], [0.1], target)


def test_target_below_one_impostor_is_refused():
    with pytest.raises(InputError, match="^target is 0.001, but 999 impostor scores cannot show"):
        fnmr_at_fmr([1.0], np.arange(999), 0.001)
