"""Which of two sets explains the other: the difference of their two divergences, by a studentised bootstrap.

A divergence of few identities comes out too large, and unevenly in the two directions where the sets differ in size or
in shares; resampling does the same again. The draws' t statistics, each by its own standard error, show by how much:
the difference is corrected by their median, and the interval is theirs (Efron and Tibshirani, "An Introduction to the
Bootstrap" (1993), section 12.5).
"""

import dataclasses

import numpy as np

from sface_lib.attributes.divergence import directed_divergences
from sface_lib.attributes.tally import PSEUDO_COUNT, Tally, drawn_together, require_units
from sface_lib.biometrics import Interval

LEVEL = 0.95
SMALLEST_ERROR = 1e-12  # Below it nothing varies.


@dataclasses.dataclass(frozen=True)
class Asymmetry:
    """How much worse b explains a than a explains b.

    Attributes
    ----------
    forward, backward
        KL(a || b) and KL(b || a), in nats, each the sum over the variables as if they were independent.
    difference
        Forward minus backward, corrected for the small number of identities.
    interval
        Its 95 % interval.
    """

    forward: float
    backward: float
    difference: float
    interval: Interval


def asymmetry(a: Tally, b: Tally, resamples: int, seed: int, pseudo_count: float = PSEUDO_COUNT) -> Asymmetry:
    """Compare the two directions of divergence between two sets; an identity that both share is drawn for both.

    Raises
    ------
    InputError
        A set has one unit.
    """
    require_units(a)
    require_units(b)
    weights = [np.vstack([np.ones(each.shape[1]), each]) for each in drawn_together(a, b, resamples, seed)]
    p, q = (tally.shares(w, pseudo_count) for tally, w in zip((a, b), weights, strict=True))
    found = directed_divergences(p, q, a.starts)
    totals = found.forward.sum(1), found.backward.sum(1)
    differences, errors = totals[0] - totals[1], _standard_errors(a, b, weights, (p, q))
    moved, spread = differences[1:] - differences[0], np.maximum(errors[1:], SMALLEST_ERROR)
    quantiles = np.quantile(moved / spread, [(1 + LEVEL) / 2, 0.5, (1 - LEVEL) / 2])
    low, middle, high = (float(differences[0] - errors[0] * t) for t in quantiles)
    return Asymmetry(float(totals[0][0]), float(totals[1][0]), middle, Interval(low, high, LEVEL))


def _standard_errors(a: Tally, b: Tally, weights: list[np.ndarray], shares: tuple[np.ndarray, np.ndarray]):
    """Linearised, of the difference in each draw, `[R]`: from what each unit adds to it."""
    p, q = shares
    odds = np.log(p / q)
    slopes = odds + 1 + q / p, odds - 1 - p / q  # Of the difference, by p and by q.
    added = [
        _added(*each) * np.sqrt(len(each[0].units) / (len(each[0].units) - 1))
        for each in zip((a, b), weights, shares, slopes, strict=True)
    ]
    variance = sum((w * x**2).sum(1) for w, x in zip(weights, added, strict=True))
    if a.by_identity and b.by_identity:
        _, in_a, in_b = np.intersect1d(a.units, b.units, return_indices=True)
        variance = variance + 2 * (weights[0][:, in_a] * added[0][:, in_a] * added[1][:, in_b]).sum(1)
    return np.sqrt(np.maximum(variance, 0))


def _added(tally: Tally, weights: np.ndarray, shares: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """What each unit adds to a function of the shares with these slopes, `[R, U]`."""
    images = np.maximum(tally.known(weights), 1)
    of_value = slopes / np.repeat(images, tally.sizes, axis=-1)
    of_image = np.add.reduceat(slopes * shares, tally.starts, axis=-1) / images
    known = np.add.reduceat(tally.counts, tally.starts, axis=-1)
    return of_value @ tally.counts.T - of_image @ known.T
