"""Identity bootstrap: persons are drawn with replacement, and their pairs weigh as often as they were drawn.

Identity i gets the weight w_i, the number of times it was drawn. A genuine pair of i weighs w_i, an impostor
pair of i and j weighs w_i w_j. Two copies of one person never meet as impostors. Intervals are percentiles.
"""

from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.errors import InputError

BLOCK_WEIGHTS = 4_000_000  # pair weights held at a time, 32 MB


@dataclass(frozen=True)
class Interval:
    """A percentile interval [low, high] of `level`, from as many `resamples` as could be judged."""

    low: float
    high: float
    level: float
    resamples: int


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure, and what it was in each draw of a bootstrap, float64 [R]; NaN where a draw gives none."""

    value: float
    draws: np.ndarray

    def interval(self, level: float = 0.95) -> Interval:
        """The central `level` of the draws."""
        return percentile_interval(self.draws, level)


def identity_weights(n_identities: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each identity is drawn, float64 [resamples, n_identities]; every row sums to n_identities.

    Raises
    ------
    InputError
        A count below 1 or a negative seed.
    """
    n_identities = checks.integer("n_identities", n_identities, 1)
    resamples = checks.integer("resamples", resamples, 1)
    generator = np.random.default_rng(checks.integer("seed", seed, 0))
    shares = np.full(n_identities, 1 / n_identities)
    return generator.multinomial(n_identities, shares, size=resamples).astype(np.float64)


def bootstrap_mean(values: np.ndarray, resamples: int, seed: int) -> Estimate:
    """The mean of one value an identity, float [K], and its draws."""
    return Estimate(float(values.mean()), identity_weights(len(values), resamples, seed) @ values / len(values))


def accuracy_interval(
    correct: np.ndarray,
    same: np.ndarray,
    left_identity: np.ndarray,
    right_identity: np.ndarray,
    fold: np.ndarray | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the identity-bootstrap interval of an accuracy; see `accuracy_estimate`."""
    level = checks.share("level", level, one_allowed=False)
    return accuracy_estimate(correct, same, left_identity, right_identity, fold, resamples, seed).interval(level)


def accuracy_estimate(
    correct: np.ndarray,
    same: np.ndarray,
    left_identity: np.ndarray | None = None,
    right_identity: np.ndarray | None = None,
    fold: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Return an accuracy and what it is in each draw of the identity bootstrap.

    Two models' draws on the same pairs with the same seed are of the same identities: their difference, draw by draw,
    is the paired bootstrap of the difference.

    Parameters
    ----------
    correct, same
        bool [N]: whether each pair was judged rightly, and whether it is genuine.
    left_identity, right_identity
        Integer identities [N] of the two faces, equal exactly where `same`. None where they are not known: then pairs
        are drawn instead of identities, which takes pairs of one person for independent.
    fold
        Integer fold ids [N]: each fold counts equally, as in `KfoldAccuracy.mean`. None: each pair does.

    Raises
    ------
    InputError
        Unusable arrays, one kind of pair only, or too few identities to resample.

    Notes
    -----
    Genuine and impostor pairs each keep their original share of the total, so that the mix of the two
    does not wander with the draw. Thresholds stay those behind `correct`: they are not chosen again.
    """
    same = checks.flags("same", same, np.size(same))
    correct = checks.flags("correct", correct, same.size)
    checks.both_classes("same", same)
    importance = _importance(None if fold is None else checks.labels("fold", fold, same.size), same.size)
    if left_identity is None or right_identity is None:
        parts = _drawn_pairs(same, resamples, seed)
    else:
        parts = _drawn_identities(same, left_identity, right_identity, resamples, seed)
    draws = np.zeros(checks.integer("resamples", resamples, 1))
    for part, weights, first, second in parts:
        draws += importance[part].sum() * _weighted_share(weights, first, second, correct[part], importance[part])
    return Estimate(float(importance @ correct), draws)


def _drawn_identities(same: np.ndarray, left_identity, right_identity, resamples: int, seed: int) -> list[tuple]:
    """For genuine and for impostor pairs: which they are, weights of identities, and the one or two of each pair."""
    left, right, n_identities = identity_indices(
        [
            checks.labels("left_identity", left_identity, same.size),
            checks.labels("right_identity", right_identity, same.size),
        ]
    )
    wrong = np.flatnonzero((left == right) != same)
    if wrong.size:
        raise InputError(
            f"same disagrees with left_identity and right_identity at {wrong.size} pair(s), the first at index "
            f"{wrong[0]}; give True exactly where the two identities are equal."
        )
    weights = identity_weights(n_identities, resamples, seed)
    return [(same, weights, left[same], None), (~same, weights, left[~same], right[~same])]


def _drawn_pairs(same: np.ndarray, resamples: int, seed: int) -> list[tuple]:
    """The same with a weight for each pair, drawn among those of its kind."""
    counts = np.count_nonzero(same), np.count_nonzero(~same)
    drawn = (identity_weights(count, resamples, 2 * seed + kind) for kind, count in enumerate(counts))
    return [
        (part, weights, np.arange(count), None)
        for part, weights, count in zip((same, ~same), drawn, counts, strict=True)
    ]


def identity_indices(labels: list[np.ndarray]) -> tuple:
    """Return each array of labels as indices into their sorted union, and then the size of the union."""
    identities = np.unique(np.concatenate([np.unique(part) for part in labels]))
    return *(np.searchsorted(identities, part) for part in labels), identities.size


def percentile_interval(values: np.ndarray, level: float) -> Interval:
    """Return the central `level` of values [R]; NaN marks a draw without genuine or without impostor pairs."""
    usable = values[~np.isnan(values)]
    if usable.size * 2 < values.size:
        raise InputError(
            f"only {usable.size} of {values.size} resamples held both genuine and impostor pairs; "
            "give scores of more identities."
        )
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, usable.size)


def _importance(fold: np.ndarray | None, n_pairs: int) -> np.ndarray:
    """Return each pair's part in the accuracy, float64 [N], summing to 1."""
    if fold is None:
        return np.full(n_pairs, 1 / n_pairs)
    _, which, sizes = np.unique(fold, return_inverse=True, return_counts=True)
    return 1 / (sizes.size * sizes[which])


def _weighted_share(weights, left, right, correct, importance) -> np.ndarray:
    """Return the weighted share of correct pairs in each resample [R]; NaN where all weights are 0."""
    columns = np.stack([importance * correct, importance], axis=1)
    sums = np.empty((len(weights), 2))
    block = max(1, BLOCK_WEIGHTS // left.size)
    for start in range(0, len(weights), block):
        drawn = weights[start : start + block]
        pair_weights = drawn[:, left] if right is None else drawn[:, left] * drawn[:, right]
        sums[start : start + block] = pair_weights @ columns
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(weights), np.nan), where=sums[:, 1] > 0)
