"""Figures with their sampling variance, and intervals from it; the identity bootstrap, which gives most variances.

The bootstrap draws persons with replacement: identity i gets the weight w_i, the number of times it was drawn. A
genuine pair of i weighs w_i, an impostor pair of i and j weighs w_i w_j. Two copies of one person never meet as
impostors.

The interval of a rate is that of Korn and Graubard ("Confidence Intervals for Proportions with Small Expected Number of
Positive Counts Estimated from Survey Data", 1998): Clopper and Pearson's for as many independent trials as would have
that variance. It is never empty, is skewed as rates near 0 or 1 are, and covers where percentiles of the draws do not
(`tests/simulations`). Other figures get Student's.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from sface_lib.biometrics import checks
from sface_lib.errors import InputError


@dataclass(frozen=True)
class Interval:
    """An interval [low, high] of `level`."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class SeedVariance:
    """What training with other seeds adds to the variance of a mean over seeds.

    Attributes
    ----------
    variance
        What it adds to the variance over identities.
    observed
        The same with what seeds and identities do together, which that variance has already.
    degrees
        Degrees of freedom of `observed`.
    """

    variance: float
    observed: float
    degrees: int


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure from a sample of identities.

    Attributes
    ----------
    value
        The figure.
    variance
        Of its sampling; NaN where too few resamples gave the figure to tell.
    identities
        How many the sample has.
    is_rate
        Whether it lies between 0 and 1, such as an EER or an AUC; a difference or a mean score doesn't.
    seeds
        What seeds add to its variance; None where that is not known, or nothing was trained.
    draws
        float64 [R], what it was in each draw of a bootstrap, if the variance is one's.
    """

    value: float
    variance: float
    identities: int
    is_rate: bool = True
    seeds: SeedVariance | None = None
    draws: np.ndarray | None = None

    @classmethod
    def of_draws(cls, value: float, draws: np.ndarray, identities: int, is_rate: bool = True) -> "Estimate":
        """A figure and what it was in each draw of a bootstrap, float64 [R]; NaN where a draw gives none.

        A bootstrap's variance divides by n, an unbiased one by n - 1.
        """
        usable, variance = draws[~np.isnan(draws)], np.nan
        if usable.size * 2 >= draws.size and identities > 1:
            variance = float(np.var(usable)) * identities / (identities - 1)
        return cls(value, variance, identities, is_rate, draws=draws)

    def interval(self, level: float = 0.95) -> Interval:
        """The interval of a level.

        Raises
        ------
        InputError
            The variance is not known, or there are fewer than two identities.
        """
        level = checks.share("level", level, one_allowed=False)
        variance, degrees = self._spread()
        quantile = float(special.stdtrit(degrees, (1 + level) / 2))
        if self.is_rate:
            low, high = _rate_interval(self.value, variance, self.identities, level, quantile)
        else:
            reach = quantile * variance**0.5
            low, high = self.value - reach, self.value + reach
        return Interval(low, high, level)

    def p_of_zero(self) -> float:
        """Two-sided p, by Student's t, that a difference is 0; raises `InputError` as `interval` does."""
        variance, degrees = self._spread()
        if variance == 0:
            return float(self.value == 0)
        return float(2 * special.stdtr(degrees, -abs(self.value) / variance**0.5))

    def _spread(self) -> tuple[float, float]:
        """Variance over identities and seeds, and its degrees of freedom."""
        if self.identities < 2:
            raise InputError(f"an interval needs two identities at least, and there are {self.identities}")
        if np.isnan(self.variance):
            raise InputError(
                "fewer than half of the resamples held both genuine and impostor pairs; give scores of more identities"
            )
        own = variance = self.variance
        degrees = self.identities - 1.0
        if self.seeds is not None and own + self.seeds.variance > 0:
            variance = own + self.seeds.variance
            # Satterthwaite's degrees of freedom of a sum of two estimated variances.
            parts = own**2 / degrees + self.seeds.observed**2 / self.seeds.degrees
            degrees = max(1.0, variance**2 / parts)
        return variance, degrees


def _rate_interval(value: float, variance: float, identities: int, level: float, quantile: float):
    """Clopper and Pearson's ends for the trials that have this variance, or for the identities where there is none."""
    value, tail = min(max(value, 0.0), 1.0), (1 - level) / 2
    spread = value * (1 - value)
    trials = spread / variance if spread > 0 and variance > 0 else identities
    trials *= (special.ndtri((1 + level) / 2) / quantile) ** 2
    hits, misses = value * trials, (1 - value) * trials
    low = float(special.betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return low, high


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
    return Estimate.of_draws(float(values.mean()), draws, len(values), is_rate)


def small_codes(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The labels of both sides as codes below a number that is not much larger than theirs; equal ones stay equal.

    Labels that are such codes already stay as they are: millions of them need no sorting.
    """
    if len(left) and min(left.min(), right.min()) >= 0 and (most := int(max(left.max(), right.max()))) < 4 * len(left):
        return left, right, most + 1
    return identity_indices([left, right])


def identity_indices(labels: list[np.ndarray]) -> tuple:
    """Return each array of labels as indices into their sorted union, and then the size of the union."""
    identities = np.unique(np.concatenate([np.unique(part) for part in labels]))
    return *(np.searchsorted(identities, part) for part in labels), identities.size
