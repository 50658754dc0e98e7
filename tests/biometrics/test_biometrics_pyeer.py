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
    # PyEER takes the better of the two thresholds beside the crossing, which lie a step of either rate apart.
    assert found.eer == pytest.approx(pyeer.get_eer_values(fmr, fnmr)[-1], abs=1 / 2000)
    moments = [value for part in scores for value in (part.mean(), part.std())]
    assert found.d_prime == pytest.approx(pyeer.get_decidability_value(*moments))
    for target in (0.1, 0.01, 0.001):
        assert fnmr_at_fmr(*scores, target)[0] == pyeer.get_fmr_op(fmr, fnmr, target)[1]
    assert (found.fmr100, found.fmr1000) == tuple(pyeer.get_fmr_op(fmr, fnmr, t)[1] for t in (0.01, 0.001))
