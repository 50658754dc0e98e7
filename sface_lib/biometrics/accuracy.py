"""Accuracy over pairs of persons, and its sampling variance.

A pair's part in the error is how far it pulls the accuracy from its mean. The variance is the sum of the products of
the parts of every two pairs that have a person in common (Aronow, Samii and Assenova, "Cluster-Robust Variance
Estimation for Dyadic Data", 2015). A bootstrap of identities, whose impostor pairs weigh w_i w_j, makes it too large
where each person is in a few pairs only, as on benchmarks: three times the impostors' part where each is in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.intervals import Estimate, SeedVariance, small_codes
from sface_lib.errors import InputError

FEWEST_SEEDS = 5  # From here on a model's own seeds tell their variance.


@dataclass(frozen=True, eq=False)
class PairMean:
    """A mean over pairs, such as an accuracy, or a sum of such means: a difference, an average over benchmarks.

    Attributes
    ----------
    value
        The figure.
    left, right
        Identities of the pairs' two sides, int64 [N], equal for a genuine pair. Where identities are not known a pair
        is one of its own, on both sides.
    part
        What each pair adds to the error, float64 [N]; the sum is 0.
    identities
        How many it rests on: the fewer of those in genuine and in impostor pairs.
    is_rate
        Whether it lies between 0 and 1.
    distinct
        Whether every couple of persons stands in one row.
    """

    value: float
    left: np.ndarray
    right: np.ndarray
    part: np.ndarray
    identities: int
    is_rate: bool = True
    distinct: bool = False

    def __sub__(self, other: "PairMean") -> "PairMean":
        """The difference of two models on the same pairs, or on pairs of the same identities."""
        return _combined((self, other), (1.0, -1.0), is_rate=False)

    def estimate(self, seeds: SeedVariance | None = None) -> Estimate:
        """The figure with its variance, and with what seeds add to it."""
        return Estimate(self.value, self._variance(), self.identities, self.is_rate, seeds)

    def _variance(self) -> float:
        """Not below what independent couples of persons would give, a genuine pair being a couple of one person."""
        low, high, count = small_codes(self.left, self.right)
        of_couple = self.part
        if not self.distinct:
            couples, index = np.unique(np.minimum(low, high) * count + np.maximum(low, high), return_inverse=True)
            of_couple = np.bincount(index, self.part)
            low, high = np.divmod(couples, count)
        of_person = np.bincount(low, of_couple, count)
        apart = low != high
        of_person += np.bincount(high[apart], of_couple[apart], count)
        # A couple of two persons is in the sums of both, and must count once.
        variance = float((of_person**2).sum() - (of_couple[apart] ** 2).sum())
        correction = self.identities / max(1, self.identities - 1)
        return correction * max(variance, float((of_couple**2).sum()))


def average(means: Sequence[PairMean]) -> PairMean:
    """The average of several means: of models of several seeds, or of one model on benchmarks that share identities."""
    return _combined(means, [1 / len(means)] * len(means), means[0].is_rate)


def seed_variances(by_model: Sequence[Sequence[PairMean]]) -> list[SeedVariance | None]:
    """For each of some models, with a figure for each of its seeds, what seeds add to the variance of its average.

    Which persons a seed does better on is in the variance between seeds and in the variance over persons; it counts
    once. A model with fewer than five seeds gets what all models with several have in common, with the degrees of
    freedom of all: one variance where the figures are differences, and one share of p (1 - p) where they are rates,
    since a rate near 0 or 1 varies less. None with one seed, where it is not known.
    """
    parts = [_between_seeds(means) if len(means) > 1 else np.zeros(2) for means in by_model]
    degrees = [len(means) - 1 for means in by_model]
    scales = [_scale(average(means)) for means in by_model]
    common = sum(parts) / max(np.finfo(float).tiny, float(np.dot(degrees, scales)))
    variances: list[SeedVariance | None] = []
    for own, own_degrees, scale in zip(parts, degrees, scales, strict=True):
        alone = own_degrees + 1 >= FEWEST_SEEDS
        added, observed = (own / own_degrees if alone else common * scale) / (own_degrees + 1)
        known = SeedVariance(max(0.0, added), observed, own_degrees if alone else sum(degrees))
        variances.append(known if own_degrees else None)
    return variances


def _scale(mean: PairMean) -> float:
    return mean.value * (1 - mean.value) if mean.is_rate else 1.0


def _between_seeds(means: Sequence[PairMean]) -> np.ndarray:
    """Sum of squares between seeds, float64 [2]: without what persons give to it, and with that."""
    whole = average(means)
    apart = [mean - whole for mean in means]
    observed = sum(each.value**2 for each in apart)
    return np.array([observed - sum(each.estimate().variance for each in apart), observed])


def _combined(means: Sequence[PairMean], weights: Sequence[float], is_rate: bool) -> PairMean:
    return PairMean(
        value=float(sum(weight * each.value for weight, each in zip(weights, means, strict=True))),
        left=np.concatenate([each.left for each in means]),
        right=np.concatenate([each.right for each in means]),
        part=np.concatenate([weight * each.part for weight, each in zip(weights, means, strict=True)]),
        identities=min(each.identities for each in means),
        is_rate=is_rate,
    )


def accuracy_over_pairs(
    correct: np.ndarray,
    same: np.ndarray,
    left_identity: np.ndarray | None = None,
    right_identity: np.ndarray | None = None,
    fold: np.ndarray | None = None,
) -> PairMean:
    """Return the share of pairs that are judged rightly, and what each adds to its error.

    Parameters
    ----------
    correct, same
        bool [N]: whether each pair was judged rightly, and whether it is genuine.
    left_identity, right_identity
        Integer identities [N] of the two faces, equal exactly where `same`. None where they are not known: then pairs
        count as independent, pairs of one person, too.
    fold
        Integer fold ids [N]: each fold counts equally, as in `KfoldAccuracy.mean`. None: each pair does.

    Raises
    ------
    InputError
        Unusable arrays, or one kind of pair only.

    Notes
    -----
    How many of the pairs are genuine is the benchmark's choice and not part of the error. Thresholds stay those behind
    `correct`: they are not chosen again.
    """
    same = checks.flags("same", same, np.size(same))
    correct = checks.flags("correct", correct, same.size)
    checks.both_classes("same", same)
    importance = _importance(None if fold is None else checks.labels("fold", fold, same.size), same.size)
    if left_identity is None or right_identity is None:
        left = right = np.arange(same.size)
    else:
        left = checks.labels("left_identity", left_identity, same.size)
        right = checks.labels("right_identity", right_identity, same.size)
        _require_agreement(same, left, right)
    part, identities = np.empty(same.size), []
    for kind in (same, ~same):
        mean = np.average(correct[kind], weights=importance[kind])
        part[kind] = importance[kind] * (correct[kind] - mean)
        identities.append(len(np.union1d(left[kind], right[kind])))
    return PairMean(float(importance @ correct), left, right, part, min(identities))


def _require_agreement(same: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    wrong = np.flatnonzero((left == right) != same)
    if wrong.size:
        raise InputError(
            f"same disagrees with left_identity and right_identity at {wrong.size} pair(s), the first at index "
            f"{wrong[0]}; give True exactly where the two identities are equal."
        )


def _importance(fold: np.ndarray | None, n_pairs: int) -> np.ndarray:
    """Return each pair's part in the accuracy, float64 [N], summing to 1."""
    if fold is None:
        return np.full(n_pairs, 1 / n_pairs)
    _, which, sizes = np.unique(fold, return_inverse=True, return_counts=True)
    return 1 / (sizes.size * sizes[which])
