"""Counted impostors give the metrics of the scores, within brackets that hold them."""

import numpy as np
import pytest

from sface_lib.biometrics import BinnedImpostors, binned_metrics, binned_roc, roc, verification_metrics
from sface_lib.errors import InputError


def binned(impostor: np.ndarray, edges: np.ndarray) -> BinnedImpostors:
    return BinnedImpostors(edges, np.histogram(impostor, edges)[0], float(impostor.mean()), float(impostor.std()))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("bins", [7, 50, 1000])
def test_the_brackets_hold_the_metrics_of_the_scores_themselves(seed, bins):
    random = np.random.default_rng(seed)
    digits = int(random.integers(1, 6))  # Few digits make ties.
    genuine = np.round(random.normal(random.uniform(0, 1), 0.3, int(random.integers(3, 200))), digits)
    impostor = np.round(random.normal(0, 0.3, int(random.integers(120, 3000))), digits)
    exact = verification_metrics(genuine, impostor)
    metrics, brackets = binned_metrics(genuine, binned(impostor, np.linspace(-3, 3, bins + 1)))
    for name in ("eer", "auc", "fmr100", "fmr1000"):
        value, bracket = getattr(exact, name), brackets[name]
        if value is None:
            assert bracket is None and getattr(metrics, name) is None
        else:
            assert bracket[0] - 1e-12 <= value <= bracket[1] + 1e-12
    for name in ("genuine_mean", "impostor_mean", "impostor_sd", "fdr", "d_prime"):
        assert getattr(metrics, name) == pytest.approx(getattr(exact, name), rel=1e-9)
    assert (metrics.n_genuine, metrics.n_impostor) == (exact.n_genuine, exact.n_impostor)


def test_fine_bins_leave_nothing_open():
    random = np.random.default_rng(0)
    genuine, impostor = random.normal(0.5, 0.2, 500), random.normal(0, 0.2, 100_000)
    exact = verification_metrics(genuine, impostor)
    found, brackets = binned_metrics(genuine, binned(impostor, np.linspace(-2, 2, 40_001)))
    assert found.eer == pytest.approx(exact.eer, abs=1e-3) and found.auc == pytest.approx(exact.auc, abs=1e-5)
    assert brackets["auc"][1] - brackets["auc"][0] < 1e-3
    curve, true = binned_roc(genuine, binned(impostor, np.linspace(-2, 2, 40_001))), roc(genuine, impostor)
    at = np.linspace(-0.5, 1, 20)
    for one, other in ((curve.fmr, true.fmr), (curve.fnmr, true.fnmr)):
        found, expected = (np.interp(at, c.threshold[:0:-1], r[:0:-1]) for c, r in ((curve, one), (true, other)))
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_counts_beyond_whole_numbers_of_64_bits_are_summed():
    """3e13 impostors and 3e5 genuines have more pairs than fit: two normals one apart give 0.76."""
    edges = np.linspace(-6, 6, 2001)
    middle = (edges[:-1] + edges[1:]) / 2
    counts = np.rint(3e13 * np.exp(-(middle**2) / 2) / np.exp(-(middle**2) / 2).sum()).astype(np.int64)
    genuine = 1 + np.random.default_rng(0).standard_normal(300_000)
    metrics = binned_metrics(genuine, BinnedImpostors(edges, counts, 0.0, 1.0))[0]
    assert metrics.auc == pytest.approx(0.76025, abs=2e-3) and metrics.eer == pytest.approx(0.30854, abs=3e-3)


def test_unusable_bins_are_refused():
    with pytest.raises(InputError, match="edges of the bins must ascend"):
        binned_metrics([0.5], BinnedImpostors(np.array([0.0, 0.0]), np.array([3]), 0.0, 1.0))
    with pytest.raises(InputError, match="hold no impostor score"):
        binned_metrics([0.5], BinnedImpostors(np.array([0.0, 1.0]), np.array([0]), 0.0, 1.0))
