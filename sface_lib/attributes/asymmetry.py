"""Which of two sets explains the other: the difference of their two divergences, by a studentised bootstrap.

With few identities a divergence is biased upward, and by different amounts in the two directions where the sets differ
in size or in shares; resampling adds the same bias once more. The t statistics of the bootstrap draws, each with its
own standard error, show how large it is: the difference is corrected by their median, and the interval is the
bootstrap-t interval (Efron and Tibshirani, "An Introduction to the
Bootstrap" (1993), section 12.5).
"""

import dataclasses

import numpy as np

from sface_lib.attributes.divergence import directed_divergences
from sface_lib.attributes.tally import PSEUDO_COUNT, Tally, drawn_together, require_units
from sface_lib.biometrics import Interval

LEVEL = 0.95
SMALLEST_ERROR = 1e-12  # Floor of a draw's standard error, where nothing varies.


@dataclasses.dataclass(frozen=True)
class Asymmetry:
    """How much worse b explains a than a explains b.

    Attributes
    ----------
    forward, backward
        KL(a || b) and KL(b || a), in nats, each summed over the variables as if these were independent; not corrected
        for bias, unlike `difference`.
    difference
        Forward minus backward, in nats, corrected for the bias of few identities.
    interval
        Its 95 % interval.
    """

    forward: float
    backward: float
    difference: float
    interval: Interval


def asymmetry(a: Tally, b: Tally, resamples: int, seed: int, pseudo_count: float = PSEUDO_COUNT) -> Asymmetry:
    """Compare the two directions of divergence between two sets; an identity in both is drawn for both together.

    Parameters
    ----------
    a, b
        Counts over the same variables, such as `tally_variables` gives.
    pseudo_count
        Added to the count of each value, above 0: see `Tally.shares`.

    Raises
    ------
    InputError
        A set has only one unit, an identity or an image.
    """
    require_units(a)
    require_units(b)
    weights = [np.vstack([np.ones(draws.shape[1]), draws]) for draws in drawn_together(a, b, resamples, seed)]
    p, q = (tally.shares(w, pseudo_count) for tally, w in zip((a, b), weights, strict=True))
    divergences = directed_divergences(p, q, a.starts)
    totals = divergences.forward.sum(1), divergences.backward.sum(1)
    differences, errors = totals[0] - totals[1], _standard_errors(a, b, weights, (p, q))
    shifts, draw_errors = differences[1:] - differences[0], np.maximum(errors[1:], SMALLEST_ERROR)
    quantiles = np.quantile(shifts / draw_errors, [(1 + LEVEL) / 2, 0.5, (1 - LEVEL) / 2])
    low, middle, high = (float(differences[0] - errors[0] * t) for t in quantiles)
    return Asymmetry(float(totals[0][0]), float(totals[1][0]), middle, Interval(low, high, LEVEL))


def _standard_errors(a: Tally, b: Tally, weights: list[np.ndarray], shares: tuple[np.ndarray, np.ndarray]):
    """Linearised standard error of the difference in each draw, `[1 + R]`, from the influence of each unit."""
    p, q = shares
    odds = np.log(p / q)
    slopes = odds + 1 + q / p, odds - 1 - p / q  # Of the difference, by p and by q.
    added = [
        _added(tally, *of_tally) * np.sqrt(len(tally.units) / (len(tally.units) - 1))
        for tally, *of_tally in zip((a, b), weights, shares, slopes, strict=True)
    ]
    variance = sum((w * x**2).sum(1) for w, x in zip(weights, added, strict=True))
    if a.by_identity and b.by_identity:
        _, in_a, in_b = np.intersect1d(a.units, b.units, return_indices=True)
        variance = variance + 2 * (weights[0][:, in_a] * added[0][:, in_a] * added[1][:, in_b]).sum(1)
    return np.sqrt(np.maximum(variance, 0))


def _added(tally: Tally, weights: np.ndarray, shares: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Influence of each unit on a function of the shares whose partial derivatives are `slopes`, `[R, U]`."""
    images = np.maximum(tally.known(weights), 1)
    of_value = slopes / np.repeat(images, tally.sizes, axis=-1)
    of_image = np.add.reduceat(slopes * shares, tally.starts, axis=-1) / images
    known = np.add.reduceat(tally.counts, tally.starts, axis=-1)
    return of_value @ tally.counts.T - of_image @ known.T
