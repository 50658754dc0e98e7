"""Would planted copies be found? An alarm that sets without copies don't raise, and how often copies raise it.

A copy of a training image is far nearer to that image than to any other, however much its face resembles the person's
others. So the alarm looks at the ratio of the angles to the second nearest and to the nearest training image (Lowe's
ratio of neighbours, 2004), and sounds where the largest of a set is above what a set of this size without copies passes
with probability 5 %. Where d and d' are the distances to the nearest two of many points that fill D dimensions,
(d / d')^D is uniform, and so the logarithm of the ratio exponential. Its mean comes from the tail of unseen persons'
images, degraded to the generator's sharpness, and the threshold of a larger set than they make is extrapolated. Whether
that holds is shown by the alarms among sets without copies, of as many images as there are.

An image that trained twice, or nearly so, is near to both, and copies of it raise no alarm.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from sface_lib.errors import InputError
from sface_lib.privacy.stream import nearest_scores
from sface_lib.privacy.verdict import ALPHA, POWER

TAIL = 0.05
FEWEST_TAIL = 20
SHARES = (0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01)
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
    """
    best = nearest_scores(images, training, 2).astype(np.float64)
    nearest, second = np.maximum(np.arccos(np.clip(best, -1, 1)), LEAST_ANGLE).T
    return np.log(second / nearest)


def alarm_threshold(null: np.ndarray, null_identity: np.ndarray, set_size: int) -> float:
    """The ratio that the largest of `set_size` images without copies passes with probability 5 %.

    Parameters
    ----------
    null, null_identity
        `neighbour_ratio` of images that copy none of the training set, float `[N]`, N >= 400, and their persons.
    set_size
        Number of synthetic images.

    Notes
    -----
    Above the 95 % quantile the values are taken as exponential. The mean excess is known no better than the k persons
    in the tail allow, and a new value passes t mean excesses with probability (1 + t / k)^-k.

    Raises
    ------
    InputError
        Too few images to know the tail.
    """
    order = np.argsort(null, kind="stable")
    values = np.asarray(null, np.float64)[order]
    count = int(len(values) * TAIL)
    if count < FEWEST_TAIL:
        raise InputError(
            f"{len(values)} images without copies do not show the tail of their ratios; give at least "
            f"{round(FEWEST_TAIL / TAIL)}"
        )
    start, tail = values[-count - 1], values[-count:]
    persons = len(np.unique(np.asarray(null_identity)[order[-count:]]))
    passed = (1 - (1 - ALPHA) ** (1 / set_size)) / (count / len(values))
    return float(start + (tail - start).mean() * persons * (passed ** (-1 / persons) - 1))


@dataclasses.dataclass(frozen=True)
class Power:
    """How often an alarm was raised.

    Attributes
    ----------
    alteration, share
        What the planted copies went through, and their share of the set; "none" and 0 for sets without.
    set_size
        Images of each set.
    alarms, draws
        Sets with an alarm, and sets.
    low, high
        95 % interval of the share of alarms over such draws (Wilson). All draws are of the same unseen persons and
        the same copies: it says nothing of others.
    """

    alteration: str
    share: float
    set_size: int
    alarms: int
    draws: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Share of sets with an alarm."""
        return self.alarms / self.draws


def power_table(
    null: np.ndarray,
    null_identity: np.ndarray,
    copies: Mapping[str, np.ndarray],
    set_size: int,
    draws: int,
    seed: int,
    shares: tuple[float, ...] = SHARES,
) -> list[Power]:
    """Draw sets without copies and with some, and count the alarms.

    In every draw the unseen persons are halved anew: one half gives the threshold. Images of the other half, none
    twice, make a set without copies, so that it may be smaller than `set_size`; its threshold is that of its own size.
    Copies, drawn anew with replacement, are planted in sets of `set_size`; what the rest of such a set might add to the
    alarms is left out.

    Parameters
    ----------
    null, null_identity
        `neighbour_ratio` and identity of each degraded image of an unseen person, `[N]`.
    copies
        For each alteration that of altered copies of training images.
    set_size
        Images of a set.
    draws, seed
        Number of sets for each case, and seed.
    shares
        Shares of planted copies; the nearest whole number of images is planted, at least one.

    Raises
    ------
    InputError
        Too few images of unseen persons.
    """
    random = np.random.default_rng(seed)
    identities = np.unique(null_identity)
    thresholds, without, sizes = np.empty(draws), np.empty(draws, bool), np.empty(draws)
    for i in range(draws):
        first = np.isin(null_identity, random.permutation(identities)[: len(identities) // 2])
        half = null[first], null_identity[first]
        thresholds[i] = alarm_threshold(*half, set_size)
        drawn = random.permutation(null[~first])[:set_size]
        sizes[i] = len(drawn)
        without[i] = drawn.max() >= alarm_threshold(*half, len(drawn))
    found = [_counted("none", 0.0, int(np.median(sizes)), without)]
    numbers = sorted({max(1, round(share * set_size)) for share in shares})
    for name, values in copies.items():
        for number in numbers:
            planted = random.choice(values, (draws, number)).max(1)
            found.append(_counted(name, number / set_size, set_size, planted >= thresholds))
    return found


def can_show_tail(null_identity: np.ndarray) -> bool:
    """Whether half of these unseen persons have images enough for `alarm_threshold`."""
    counts = np.sort(np.unique(null_identity, return_counts=True)[1])
    return int(counts[: len(counts) // 2].sum() * TAIL) >= FEWEST_TAIL


def detectable_share(table: list[Power], leave_out: tuple[str, ...] = ("none", "blend 70/30")) -> float | None:
    """The smallest planted share found in 80 % of sets whatever the alteration; None where none is."""
    cases = [row for row in table if row.alteration not in leave_out]
    for share in sorted({row.share for row in cases}):
        if all(row.rate >= POWER for row in cases if row.share == share):
            return share
    return None


def _counted(alteration: str, share: float, set_size: int, alarms: np.ndarray) -> Power:
    count, draws = int(alarms.sum()), len(alarms)
    z = 1.959964
    centre = (count + z * z / 2) / (draws + z * z)
    reach = z / (draws + z * z) * np.sqrt(count * (draws - count) / draws + z * z / 4)
    low, high = float(max(0, centre - reach)), float(min(1, centre + reach))
    return Power(alteration, share, set_size, count, draws, low, high)
