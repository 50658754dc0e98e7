"""Accuracy on a verification benchmark: each fold is judged at the threshold that suits the others."""

from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.errors import InputError


@dataclass(frozen=True, eq=False)
class KfoldAccuracy:
    """Accuracy over F folds of N pairs.

    Attributes
    ----------
    mean, sd
        Mean of the folds' accuracies in [0, 1], and their standard deviation (ddof = 0).
    per_fold
        float64 [F], accuracy of each fold.
    thresholds
        float64 [F], the threshold at which each fold was judged.
    folds
        int64 [F], ids of the folds, ascending.
    correct
        bool [N], whether each pair was judged rightly at the threshold of its fold.
    """

    mean: float
    sd: float
    per_fold: np.ndarray
    thresholds: np.ndarray
    folds: np.ndarray
    correct: np.ndarray


def kfold_accuracy(scores: np.ndarray, same: np.ndarray, fold: np.ndarray) -> KfoldAccuracy:
    """Judge each fold at the threshold that is most accurate on the other folds.

    Parameters
    ----------
    scores
        Real scores [N].
    same
        bool [N], True for a genuine pair.
    fold
        Integer fold ids [N], arbitrary, at least two distinct.

    Raises
    ------
    InputError
        Unusable arrays, fewer than two folds, or folds that leave only one kind of pair to choose on.

    Notes
    -----
    The protocol is LFW's View 2 (Huang et al., Labeled Faces in the Wild, 2007). A threshold lies midway
    between neighbouring scores of the other folds. Of equally accurate ones it is the one in the widest
    gap, then the lowest; accepting all pairs, or none, must be strictly more accurate to be chosen.

    Examples
    --------
    >>> kfold_accuracy([0.9, 0.1, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1]).mean
    1.0
    """
    scores = checks.scores("scores", scores)
    same = checks.flags("same", same, scores.size)
    fold = checks.labels("fold", fold, scores.size)
    checks.both_classes("same", same)
    folds = np.unique(fold)
    if folds.size < 2:
        raise InputError(f"fold holds one id only ({folds[0]}); give at least two folds.")
    order = np.argsort(scores, kind="stable")
    ascending, same_sorted, fold_sorted = scores[order], same[order], fold[order]
    thresholds = np.empty(folds.size)
    for at, held_out in enumerate(folds):
        kept = fold_sorted != held_out
        checks.both_classes(f"same, outside fold {held_out},", same_sorted[kept])
        thresholds[at] = _best_threshold(ascending[kept], same_sorted[kept])
    which = np.searchsorted(folds, fold)
    correct = (scores >= thresholds[which]) == same
    per_fold = np.bincount(which, weights=correct) / np.bincount(which)
    return KfoldAccuracy(float(per_fold.mean()), float(per_fold.std()), per_fold, thresholds, folds, correct)


def _best_threshold(ascending: np.ndarray, same: np.ndarray) -> float:
    """Return the most accurate threshold for sorted scores [N] by the tie rule of `kfold_accuracy`."""
    # With the k lowest rejected, impostors among them and genuines above them are right.
    right = np.concatenate([[0], np.cumsum(np.where(same, -1, 1))]) + np.count_nonzero(same)
    gap = np.diff(ascending)
    between = np.flatnonzero(gap > 0)
    inner = right[between + 1].max(initial=-1)
    if max(right[0], right[-1]) > inner:
        return float(ascending[0] if right[0] >= right[-1] else np.nextafter(ascending[-1], np.inf))
    best = between[right[between + 1] == inner]
    below = best[np.argmax(gap[best])]
    middle = ascending[below] / 2 + ascending[below + 1] / 2
    return float(middle if middle > ascending[below] else ascending[below + 1])
