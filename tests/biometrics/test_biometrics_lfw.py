"""The whole package on the 6,000 pairs of LFW, embedded by a public MobileFaceNet."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sface_lib.biometrics import (
    accuracy_over_pairs,
    bootstrap_metrics,
    kfold_accuracy,
    roc,
    verification_metrics,
)


@pytest.fixture(scope="module")
def lfw(real_data):
    """Scores, flags, identities and folds (6..15, not 0..9) of the pairs."""
    stored = np.load(real_data / "lfw_mobilefacenet_embeddings.npz")
    faces = stored["embeddings"].astype(np.float64)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    _, identity = np.unique([name.split("/")[0] for name in stored["names"]], return_inverse=True)
    left, right = stored["left"], stored["right"]
    return {
        "scores": np.einsum("nd,nd->n", faces[left], faces[right]),
        "same": stored["same"],
        "left": identity[left],
        "right": identity[right],
        "fold": np.repeat(np.arange(6, 16), 600),  # pairs stand in the order of the official file
    }


def test_lfw_auc_and_curve_agree_with_scikit_learn(lfw):
    scores, same = lfw["scores"], lfw["same"]
    metrics = verification_metrics(scores[same], scores[~same])
    assert metrics.auc == pytest.approx(0.99731, abs=5e-6)  # as stated beside the data, five decimals
    assert metrics.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-12)  # rounding only
    curve = roc(scores[same], scores[~same])
    fpr, tpr, threshold = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_array_equal(curve.threshold, threshold)
    np.testing.assert_allclose(curve.fmr, fpr, rtol=0, atol=1e-15)  # the same quotients
    np.testing.assert_allclose(curve.tmr, tpr, rtol=0, atol=1e-15)


def test_lfw_ten_fold_accuracy_is_the_published_one(lfw):
    result = kfold_accuracy(lfw["scores"], lfw["same"], lfw["fold"])
    # 98.68 % from the pixels; embeddings stored in half precision and another tie rule move a pair or two.
    assert result.mean == pytest.approx(0.9868, abs=0.0005)
    assert result.sd == pytest.approx(0.0048, abs=0.0005)


def test_lfw_intervals_hold_the_figures(lfw):
    scores, same, left, right = (lfw[name] for name in ("scores", "same", "left", "right"))
    result = kfold_accuracy(scores, same, lfw["fold"])
    interval = accuracy_over_pairs(result.correct, same, left, right, lfw["fold"]).estimate().interval()
    assert interval.low < result.mean < interval.high
    metrics = verification_metrics(scores[same], scores[~same])
    found = bootstrap_metrics(scores[same], left[same], scores[~same], left[~same], right[~same], resamples=200)
    for name, estimate in found.items():
        assert estimate.interval().low < getattr(metrics, name) < estimate.interval().high, name
