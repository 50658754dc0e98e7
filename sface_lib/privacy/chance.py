"""What chance looks like: the same scores, with the class labels of one set shuffled."""

import dataclasses

import numpy as np

from sface_lib.errors import InputError
from sface_lib.privacy.compare import Comparison


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffleTest:
    """AUC of a link against its null.

    Attributes
    ----------
    observed
        AUC under the true labels.
    null
        AUC under each shuffle, float64 `[B]`.
    p_value
        (1 + number of shuffles at or above the observed) / (1 + B).
    """

    observed: float
    null: np.ndarray
    p_value: float

    def band(self, level: float = 0.95) -> tuple[float, float]:
        """The central part of the null that holds `level` of it."""
        low, high = np.quantile(self.null, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def shuffle_test(comparison: Comparison, shuffles: int, seed: int) -> ShuffleTest:
    """Rename the classes of one set at random and see how often the link is as strong.

    Whole classes are permuted, so that images of one class stay together. The AUC of a permutation is exact: the
    rank sum of its genuine scores is a sum of entries of one identity-by-identity table of rank sums.

    Parameters
    ----------
    comparison
        What `compare_sets` gave.
    shuffles
        Number of permutations B.
    seed
        Of the permutations.

    Raises
    ------
    InputError
        Fewer than two classes that occur in both sets.
    """
    classes = np.unique(comparison.genuine_identity)
    if len(classes) < 2:
        raise InputError("a label shuffle needs at least two classes that occur in both sets")
    rank_sums, counts = _tables(comparison, classes)
    random = np.random.default_rng(seed)
    null = np.array([_auc(rank_sums, counts, random.permutation(len(classes))) for _ in range(shuffles)])
    observed = _auc(rank_sums, counts, np.arange(len(classes)))
    # The tolerance is above rounding and far below one pair: an equal AUC counts as reached.
    reached = int((null >= observed - 1e-12).sum())
    return ShuffleTest(observed, null, (1 + reached) / (1 + shuffles))


def _tables(comparison: Comparison, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of midranks and numbers of scores for each pair of classes, float64 `[K, K]`."""
    first = np.concatenate([comparison.genuine_identity, comparison.impostor_identity_a])
    second = np.concatenate([comparison.genuine_identity, comparison.impostor_identity_b])
    scores = np.concatenate([comparison.genuine, comparison.impostor])
    shared = np.isin(first, classes) & np.isin(second, classes)
    cell = np.searchsorted(classes, first[shared]) * len(classes) + np.searchsorted(classes, second[shared])
    ranks = _midranks(scores[shared])
    shape, size = (len(classes), len(classes)), len(classes) ** 2
    return np.bincount(cell, ranks, size).reshape(shape), np.bincount(cell, minlength=size).reshape(shape)


def _midranks(scores: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean rank, float64."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, np.diff(ordered) > 0))
    ends = np.append(starts[1:], len(ordered))
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks


def _auc(rank_sums: np.ndarray, counts: np.ndarray, permutation: np.ndarray) -> float:
    """Mann-Whitney AUC when class i of one set is called permutation[i] in the other."""
    rows = np.arange(len(permutation))
    n_genuine = counts[rows, permutation].sum()
    n_impostor = counts.sum() - n_genuine
    above = rank_sums[rows, permutation].sum() - n_genuine * (n_genuine + 1) / 2
    return float(above / (n_genuine * n_impostor))
