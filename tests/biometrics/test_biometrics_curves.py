"""The ROC and DET curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from sface_lib.biometrics import roc
from sface_lib.biometrics.curves import accepted_counts, decisive_counts
from sface_lib.biometrics.metrics import summarise
from sface_lib.errors import InputError

TENTHS = st.lists(st.integers(-10, 10).map(lambda k: k / 10), min_size=1, max_size=30)


def assert_agrees_with_scikit_learn(genuine, impostor):
    truth = np.repeat([1, 0], [len(genuine), len(impostor)])
    fpr, tpr, threshold = roc_curve(truth, np.concatenate([genuine, impostor]), drop_intermediate=False)
    curve = roc(genuine, impostor)
    np.testing.assert_array_equal(curve.threshold, threshold)
    # The same quotients of whole numbers; 1 - FNMR rounds once more.
    np.testing.assert_allclose(curve.fmr, fpr, rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.tmr, tpr, rtol=0, atol=1e-15)


def test_hand_worked_curve_with_ties():
    # Accepted at inf, .8, .5, .2: genuine 0 1 3 4 of 4, impostor 0 0 1 5 of 5.
    curve = roc([0.8, 0.5, 0.5, 0.2], [0.5, 0.2, 0.2, 0.2, 0.2])
    assert curve.threshold.tolist() == [np.inf, 0.8, 0.5, 0.2]
    assert curve.fmr.tolist() == [0, 0, 0.2, 1]
    assert curve.fnmr.tolist() == [1, 0.75, 0.25, 0]
    assert curve.tmr.tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_curve_agrees_with_scikit_learn(decimals):
    generator = np.random.default_rng(decimals)
    assert_agrees_with_scikit_learn(
        generator.normal(1, 1, 200).round(decimals), generator.normal(0, 1, 500).round(decimals)
    )


@settings(max_examples=60, deadline=None)
@given(TENTHS, TENTHS)
def test_curve_is_monotone_and_spans_both_ends(genuine, impostor):
    curve = roc(genuine, impostor)
    assert (np.diff(curve.threshold) < 0).all()
    assert (np.diff(curve.fmr) >= 0).all() and (np.diff(curve.fnmr) <= 0).all()
    assert (curve.fmr[0], curve.fnmr[0], curve.fmr[-1], curve.fnmr[-1]) == (0, 1, 1, 0)
    assert_agrees_with_scikit_learn(genuine, impostor)


@settings(max_examples=60, deadline=None)
@given(TENTHS, TENTHS, st.integers(2, 50))
def test_thinned_curve_keeps_its_ends_and_only_its_own_points(genuine, impostor, n):
    curve = roc(genuine, impostor)
    thin = curve.thin(n)
    assert thin.threshold.size <= n
    at = np.flatnonzero(np.isin(curve.threshold, thin.threshold))
    assert at[0] == 0 and at[-1] == curve.threshold.size - 1
    np.testing.assert_array_equal(thin.fmr, curve.fmr[at])
    np.testing.assert_array_equal(thin.fnmr, curve.fnmr[at])


def test_thinned_curve_keeps_every_decade_of_fmr():
    generator = np.random.default_rng(0)
    thin = roc(generator.normal(2, 1, 1000), generator.normal(0, 1, 100_000)).thin(60)
    decades = np.floor(np.log10(thin.fmr[thin.fmr > 0]))
    assert {-5, -4, -3, -2, -1} <= set(decades.tolist())


def test_thinning_to_one_point_is_refused():
    with pytest.raises(InputError, match="^n is 1; give an integer of at least 2"):
        roc([0.5], [0.1]).thin(1)


@pytest.mark.parametrize("single", [False, True])
def test_the_decisive_thresholds_give_the_metrics_of_all_of_them(single):
    """The plain way, every threshold, is the reference; few digits make ties, and some sets are the wrong way round."""
    for seed in range(400):
        random = np.random.default_rng(seed)
        digits = int(random.integers(0, 5))
        genuine = np.round(random.normal(random.uniform(-1.5, 2), 0.5, int(random.integers(1, 60))), digits)
        impostor = np.round(random.normal(0, 0.5, int(random.integers(1, 200))), digits)
        if single:
            genuine, impostor = (part.astype(np.float32).astype(np.float64) for part in (genuine, impostor))
        moments = (0.0, 1.0), (0.0, 1.0)
        assert summarise(decisive_counts(genuine, impostor), *moments) == summarise(
            accepted_counts(genuine, impostor), *moments
        )
