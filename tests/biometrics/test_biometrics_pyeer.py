"""The same scores by PyEER, which biometricians use: github.com/manuelaguadomtz/pyeer."""

import numpy as np
import pytest
from pyeer import eer_stats as pyeer

from sface_lib.biometrics import fnmr_at_fmr, roc, verification_metrics


@pytest.fixture(scope="module")
def scores():
    """Of which 1 %, 0.1 % and 10 % of the impostors are whole numbers."""
    random = np.random.default_rng(0)
    return random.normal(0.5, 0.15, 2000), random.normal(0.0, 0.15, 20_000)


def test_error_rates_at_every_score_are_pyeers(scores):
    thresholds, fmr, fnmr = pyeer.calculate_roc(*scores)
    own = roc(*scores)
    # Ours begins with infinity, at which nothing is accepted.
    np.testing.assert_array_equal(own.threshold[1:][::-1], thresholds)
    np.testing.assert_allclose(own.fmr[1:][::-1], fmr, atol=1e-15)
    np.testing.assert_allclose(own.fnmr[1:][::-1], fnmr, atol=1e-15)


def test_figures_are_pyeers_to_its_rounding(scores):
    _, fmr, fnmr = pyeer.calculate_roc(*scores)
    found = verification_metrics(*scores)
    assert found.auc == pytest.approx(pyeer.calculate_roc_auc(fmr, fnmr), abs=1e-9)
    moments = [value for part in scores for value in (part.mean(), part.std())]
    assert found.d_prime == pytest.approx(pyeer.get_decidability_value(*moments))
    for target in (0.1, 0.01, 0.001):
        assert fnmr_at_fmr(*scores, target)[0] == pyeer.get_fmr_op(fmr, fnmr, target)[1]
    assert (found.fmr100, found.fmr1000) == tuple(pyeer.get_fmr_op(fmr, fnmr, t)[1] for t in (0.01, 0.001))


def beside_the_crossing(own):
    """FMR and FNMR at the last threshold with FNMR <= FMR and at the first with FNMR >= FMR, by ascending threshold."""
    fmr, fnmr = own.fmr[::-1], own.fnmr[::-1]
    places = np.flatnonzero(fnmr <= fmr)[-1], np.flatnonzero(fnmr >= fmr)[0]
    return [(fmr[at], fnmr[at]) for at in places]


@pytest.mark.parametrize("seed", range(20))
def test_pyeers_eer_is_that_of_the_threshold_with_the_smaller_sum_and_ours_of_the_smaller_difference(seed):
    """PyEER's is FVC2000's (Maio et al., 2002): of both thresholds at the crossing, where FMR + FNMR is smaller.

    Ours takes the one where they are closest, so that the two differ by less than a step of either rate.
    """
    random = np.random.default_rng(seed)
    scores = random.normal(0.5, 0.3, 200), random.normal(0.0, 0.3, 700)
    _, fmr, fnmr = pyeer.calculate_roc(*scores)
    points = beside_the_crossing(roc(*scores))
    means = [sum(point) / 2 for point in points]
    closest = min(points, key=lambda point: abs(point[0] - point[1]).round(12))  # Of a tie the lower.
    assert pyeer.get_eer_values(fmr, fnmr)[-1] == pytest.approx(min(means), abs=1e-15)  # Rounding.
    assert verification_metrics(*scores).eer == pytest.approx(sum(closest) / 2, abs=1e-15)
