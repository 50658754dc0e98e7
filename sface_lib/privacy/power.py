"""Would planted copies be found? An alarm that sets without copies don't raise, and how often copies raise it.

A copy of a training image is far nearer to that image than to any other, however much its face resembles the person's
others. So the alarm looks at the ratio of the angles to the second nearest and to the nearest training image (Lowe's
ratio of neighbours, 2004), and sounds where the largest of a set is above what a set of this size without copies passes
with probability 5 %. Where d and d' are the distances to the nearest two of many points that fill D dimensions,
(d / d')^D is uniform, and so the logarithm of the ratio exponential. Its mean comes from the tail of a null: images
that copy nothing, degraded to the generator's sharpness. The threshold of a larger set than they make is extrapolated,
up to four times their number. That this holds over draws of persons is counted in `tests/simulations`.

Two nulls answer two questions. Images of persons who trained nothing: is an image nearer to one training image than a
stranger's comes? A likeness of a training person may be, as a copy is. Other images of the training persons: is it
nearer than another picture of that person comes? Then it is a copy.

An image that trained twice, or nearly so, is near to both, and copies of it raise no alarm.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.stats import binomtest

from sface_lib.errors import InputError
from sface_lib.matching import nearest_scores
from sface_lib.privacy.verdict import ALPHA, POWER

TAIL, FEWEST_TAIL = 0.02, 20  # The tail is the larger of both, a share of the null and a number of its images.
FEWEST_NULL = 400
MOST_EXTRAPOLATED = 4  # Images of a set, for each of the null.
SHARES = (0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01)
DRAWS = 400
LEAST_ANGLE = 1e-3  # Radians: below, angles are the rounding of float32 scores.


def neighbour_ratio(images: np.ndarray, training: np.ndarray) -> np.ndarray:
    """How much nearer images are to one training image than to all others.

    Parameters
    ----------
    images, training
        Unit embeddings, float `[N, d]` and `[M, d]`, M >= 2.

    Returns
    -------
    The logarithm of the angle to the second nearest training image over that to the nearest, float64 `[N]`, from 0 on.

    Examples
    --------
    >>> neighbour_ratio(np.eye(3)[:1], np.array([[0.8, 0.6, 0], [0, 0, 1]])).round(3)
    array([0.892])
    """
    best = nearest_scores(images, training, 2).astype(np.float64)
    nearest, second = np.maximum(np.arccos(np.clip(best, -1, 1)), LEAST_ANGLE).T
    return np.log(second / nearest)


def alarm_threshold(null: np.ndarray, null_identity: np.ndarray, set_size: int) -> float | None:
    """The ratio that the largest of `set_size` images without copies passes with probability 5 %.

    Parameters
    ----------
    null, null_identity
        `neighbour_ratio` of images that copy none of the training set, float `[N]`, N >= 400, and their persons.
    set_size
        Number of synthetic images.

    Returns
    -------
    None where the set is larger than four times the null: not calibrated at this size.

    Notes
    -----
    The largest 2 % of the values, 20 at least, are taken as exponential above the next one. Their mean excess is known
    no better than the k persons behind them allow, and a new value passes t mean excesses with probability
    (1 + t / k)^-k.

    Raises
    ------
    InputError
        Too few images to know the tail.
    """
    if len(null) < FEWEST_NULL:
        raise InputError(
            f"{len(null)} images without copies do not show the tail of their ratios; give at least {FEWEST_NULL}"
        )
    if set_size > MOST_EXTRAPOLATED * len(null):
        return None
    order = np.argsort(null, kind="stable")
    values = np.asarray(null, np.float64)[order]
    count = max(FEWEST_TAIL, int(len(values) * TAIL))
    start, tail = values[-count - 1], values[-count:]
    persons = len(np.unique(np.asarray(null_identity)[order[-count:]]))
    passed = (1 - (1 - ALPHA) ** (1 / set_size)) / (count / len(values))
    return float(start + (tail - start).mean() * persons * (passed ** (-1 / persons) - 1))


@dataclasses.dataclass(frozen=True)
class Power:
    """How often an alarm is raised.

    Attributes
    ----------
    alteration, share
        What the planted copies went through, and their share of the set; "none" and 0 for sets without.
    set_size
        Images of each set.
    rate
        Share of sets with an alarm.
    low, high
        95 % interval (Wilson): for copies over the images that were copied; without copies over draws of the null's
        persons, which says nothing of others.
    """

    alteration: str
    share: float
    set_size: int
    rate: float
    low: float
    high: float


def silence(null: np.ndarray, null_identity: np.ndarray, seed: int) -> Power:
    """How often sets without copies raise the alarm, in 400 draws: nominally in 5 %.

    Each draw halves the persons of the null: one half gives the threshold, and images of the other one set. Sets are
    so small, 5 % of a half, that the threshold lies among the values of the null and is not extrapolated: what it holds
    beyond them, draws of the same persons cannot show.
    """
    random, identities = np.random.default_rng(seed), np.unique(null_identity)
    alarms, size = 0, max(1, int(ALPHA * len(null) / 2))
    for _ in range(DRAWS):
        first = np.isin(null_identity, random.permutation(identities)[: len(identities) // 2])
        threshold = alarm_threshold(null[first], null_identity[first], size)
        alarms += random.permutation(null[~first])[:size].max() >= threshold
    test = binomtest(int(alarms), DRAWS)
    span = test.proportion_ci(method="wilson")
    return Power("none", 0.0, size, test.statistic, span.low, span.high)


def power_table(
    threshold: float, copies: Mapping[str, np.ndarray], set_size: int, shares: tuple[float, ...] = SHARES
) -> list[Power]:
    """How often sets with copies raise the alarm.

    Of n copies that each raise it with probability q, one at least does with probability 1 - (1 - q)^n. What the rest
    of a set might add to the alarms is left out.

    Parameters
    ----------
    threshold
        From `alarm_threshold`.
    copies
        For each alteration `neighbour_ratio` of altered copies of training images.
    set_size
        Images of a set.
    shares
        Shares of planted copies; the nearest whole number of images is planted, at least one.
    """
    numbers = sorted({max(1, round(share * set_size)) for share in shares})
    powers = []
    for name, values in copies.items():
        raised = binomtest(int((values >= threshold).sum()), len(values))
        span = raised.proportion_ci(method="wilson")
        for number in numbers:
            rates = (1 - (1 - q) ** number for q in (raised.statistic, span.low, span.high))
            powers.append(Power(name, number / set_size, set_size, *rates))
    return powers


def can_show_tail(null_identity: np.ndarray) -> bool:
    """Whether half of these persons have images enough for `alarm_threshold`."""
    counts = np.sort(np.unique(null_identity, return_counts=True)[1])
    return bool(counts[: len(counts) // 2].sum() >= FEWEST_NULL)


def detectable_share(table: list[Power], leave_out: tuple[str, ...] = ("blend 70/30",)) -> float | None:
    """The smallest planted share found in 80 % of sets whatever the alteration; None where none is."""
    cases = [row for row in table if row.alteration not in leave_out]
    for share in sorted({row.share for row in cases}):
        if all(row.rate >= POWER for row in cases if row.share == share):
            return share
    return None
