"""Nearest neighbours are those of the whole score matrix."""

import numpy as np

from sface_lib.matching import best_scores


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_best_score_of_each_row():
    a, b = (unit(np.random.default_rng(seed).standard_normal((rows, 8))) for seed, rows in ((0, 50), (1, 30)))
    np.testing.assert_allclose(best_scores(a, b), (a @ b.T).max(1), atol=1e-6)  # A float32 sum of eight products.
