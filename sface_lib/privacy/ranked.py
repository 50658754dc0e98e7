"""The persons of a gallery by their score with each class, so that the best of any part of it needs no new product."""

import numpy as np

DEPTH = 12  # Best persons of a class that are sorted: all of them miss a random half once in 4,096 draws.


class RankedPersons:
    """Scores of classes with persons, float64 `[K, T]`, T >= 2."""

    def __init__(self, scores: np.ndarray):
        self.scores, depth = scores, min(DEPTH, scores.shape[1])
        order = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        rows = np.arange(len(scores))[:, None]
        self._persons = order[rows, np.argsort(-scores[rows, order], axis=1, kind="stable")]
        self._best = scores[rows, self._persons]

    def best(self, part: np.ndarray, count: int = 1) -> np.ndarray:
        """Each class's `count` best scores over a part of the persons, descending: bool `[T]` -> float64 `[K, count]`.

        The part has as many persons at least.
        """
        scores, rows = np.empty((len(self.scores), count)), np.arange(len(self.scores))
        left = part[self._persons]
        seen = left.sum(1)
        for k in range(count):
            first = left.argmax(1)
            scores[:, k] = self._best[rows, first]
            left[rows, first] = False
        for row in np.flatnonzero(seen < count):
            scores[row] = np.sort(self.scores[row, part])[::-1][:count]
        return scores
