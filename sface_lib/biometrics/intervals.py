"""Identity bootstrap: persons are drawn with replacement, and their pairs weigh as often as they were drawn.

Identity i gets the weight w_i, the number of times it was drawn. A genuine pair of i weighs w_i, an impostor
pair of i and j weighs w_i w_j. Two copies of one person never meet as impostors.

The draws give the standard error. The interval of a rate is that of Korn and Graubard ("Confidence Intervals for
Proportions with Small Expected Number of Positive Counts Estimated from Survey Data", 1998): Clopper and Pearson's for
as many independent trials as would have that error. It is never empty, is skewed as rates near 0 or 1 are, and covers
where percentiles of the draws do not (`tests/simulations`). Other figures get Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sface_lib.biometrics import checks
from sface_lib.errors import InputError

BLOCK_WEIGHTS = 4_000_000  # pair weights held at a time, 32 MB


FEWEST_SEEDS = 5  # From here on a model's own seeds tell their variance.


@dataclass(frozen=True)
class Interval:
    """An interval [low, high] of `level`, from as many `resamples` as could be judged."""

    low: float
    high: float
    level: float
    resamples: int


@dataclass(frozen=True)
class SeedVariance:
    """What training with other seeds adds to the variance of a mean over seeds, and its degrees of freedom."""

    variance: float
    degrees: int


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure, and what it was in each draw of a bootstrap.

    Attributes
    ----------
    value
        The figure.
    draws
        float64 [R]; NaN where a draw gives none.
    identities
        How many were drawn from.
    is_rate
        Whether it lies between 0 and 1, such as an EER or an AUC; a difference or a mean score doesn't.
    seeds
        What seeds add to its variance; None where that is not known, or nothing was trained.
    """

    value: float
    draws: np.ndarray
    identities: int
    is_rate: bool = True
    seeds: SeedVariance | None = None

    def interval(self, level: float = 0.95) -> Interval:
        """The interval of a level.

        Raises
        ------
        InputError
            Fewer than half of the draws give a figure, or there are fewer than two identities.
        """
        level = checks.share("level", level, one_allowed=False)
        usable = judged(self.draws)
        if self.identities < 2:
            raise InputError(f"an interval needs two identities at least, and there are {self.identities}")
        # The bootstrap divides by n, an unbiased variance by n - 1.
        own = float(np.var(usable)) * self.identities / (self.identities - 1)
        variance, degrees = own, self.identities - 1.0
        if self.seeds is not None and own + self.seeds.variance > 0:
            variance = own + self.seeds.variance
            # Satterthwaite's degrees of freedom of a sum of two estimated variances.
            parts = own**2 / degrees + self.seeds.variance**2 / self.seeds.degrees
            degrees = variance**2 / parts
        quantile = float(stats.t.ppf((1 + level) / 2, degrees))
        if self.is_rate:
            low, high = _rate_interval(self.value, variance, self.identities, level, quantile)
        else:
            reach = quantile * variance**0.5
            low, high = self.value - reach, self.value + reach
        return Interval(low, high, level, usable.size)


def _rate_interval(value: float, variance: float, identities: int, level: float, quantile: float):
    """Clopper and Pearson's ends for the trials that have this variance, or for the identities where there is none."""
    value, tail = min(max(value, 0.0), 1.0), (1 - level) / 2
    spread = value * (1 - value)
    trials = spread / variance if spread > 0 and variance > 0 else identities
    trials *= (stats.norm.ppf((1 + level) / 2) / quantile) ** 2
    hits, misses = value * trials, (1 - value) * trials
    low = float(stats.beta.ppf(tail, hits, misses + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, misses)) if misses > 0 else 1.0
    return low, high


def seed_variances(by_model: Sequence[Sequence[float]]) -> list[SeedVariance | None]:
    """For each of some models, with a figure for each of its seeds, what seeds add to the variance of its mean.

    A model with fewer than five seeds gets the variance that all models with several have in common, with the degrees
    of freedom of all; None with one seed, where it is not known.
    """
    several = [np.asarray(values, np.float64) for values in by_model if len(values) > 1]
    degrees = sum(len(values) - 1 for values in several)
    common = sum(float(((values - values.mean()) ** 2).sum()) for values in several) / max(1, degrees)
    found: list[SeedVariance | None] = []
    for values in by_model:
        count = len(values)
        if count >= FEWEST_SEEDS:
            found.append(SeedVariance(float(np.var(values, ddof=1)) / count, count - 1))
        else:
            found.append(SeedVariance(common / count, degrees) if count > 1 else None)
    return found


def judged(draws: np.ndarray) -> np.ndarray:
    """The draws that give a figure; raises `InputError` where those are fewer than half."""
    usable = draws[~np.isnan(draws)]
    if usable.size * 2 < draws.size:
        raise InputError(
            f"only {usable.size} of {draws.size} resamples held both genuine and impostor pairs; "
            "give scores of more identities."
        )
    return usable


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


def bootstrap_mean(values: np.ndarray, resamples: int, seed: int, is_rate: bool = True) -> Estimate:
    """The mean of one value an identity, float [K], and its draws; values of a rate lie between 0 and 1."""
    draws = identity_weights(len(values), resamples, seed) @ values / len(values)
    return Estimate(float(values.mean()), draws, len(values), is_rate)


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
    draws, units = np.zeros(checks.integer("resamples", resamples, 1)), min(part[1].shape[1] for part in parts)
    for part, weights, first, second in parts:
        draws += importance[part].sum() * _weighted_share(weights, first, second, correct[part], importance[part])
    return Estimate(float(importance @ correct), draws, units)


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
