"""How many classes are nearer to a training person than the floor explains: a lower bound, without names of labels.

A class template has its best score over the training persons and another over as many control persons; D is the first
less the second. Where both kinds of persons are of one distribution and the class follows none of them, D is as often
above t as below -t, however the pictures look: who trained is as if drawn at random. What N(D > t) has more than
N(D < -t), beyond what random halves of all these persons give at any t, are classes that follow a training person.

No class is left out by its score. Classes that do follow somebody also widen what random halves give, as all of them
change sides with their person: the bound is the lower for it, the more so the fewer persons they follow.
"""

import dataclasses
import math

import numpy as np

from sface_lib.errors import InputError
from sface_lib.privacy.power import FEWEST_NULL, alarm_threshold
from sface_lib.privacy.ranked import RankedPersons

DISTANCES = 201  # Values of t that are tried.


@dataclasses.dataclass(frozen=True, eq=False)
class LeakShare:
    """A lower bound on the share of classes that are nearer to a training person than the floor explains.

    Attributes
    ----------
    bound
        The share, from 0 on, at a confidence of `level`.
    classes, persons
        Of how many classes, and how many persons each gallery has.
    p_value
        Chance that random halves of the persons give as large a difference at any t.
    """

    bound: float
    level: float
    classes: int
    persons: int
    p_value: float

    @property
    def fewest_persons(self) -> int:
        """The smallest number of followed persons that can be found: L are all in one half in 2^-L of the draws."""
        return math.ceil(-math.log2(1 - self.level))


def distinct_persons(training: np.ndarray, control: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions, ascending, of the persons of two galleries that have no twin in the other: as many of both.

    Twins score higher than the best pair of the galleries does with probability 5 % where no person is in both: see
    `alarm_threshold`, whose null are the pairs within the galleries. Fewer than 400 of these show no tail, and nobody
    is left out. Where more are left of one gallery, those that go are drawn at random.

    Parameters
    ----------
    training, control
        Unit templates, float `[T, d]` and `[U, d]`, all of as many images.
    """
    pairs = [np.triu_indices(len(rows), 1) for rows in (training, control)]
    within = np.concatenate([(rows @ rows.T)[own] for rows, own in zip((training, control), pairs, strict=True)])
    scores, threshold = training @ control.T, np.inf
    if len(within) >= FEWEST_NULL:
        first = np.concatenate([pairs[0][0], len(training) + pairs[1][0]])
        threshold = alarm_threshold(within, first, scores.size)
    left = [np.flatnonzero((scores < threshold).all(axis)) for axis in (1, 0)]
    random = np.random.default_rng(seed)
    count = min(map(len, left))
    return tuple(np.sort(random.permutation(positions)[:count]) for positions in left)


def leak_share(training: np.ndarray, control: np.ndarray, level: float, exchanges: int, seed: int) -> LeakShare:
    """Bound the share of classes that follow a training person.

    The bound is the largest of [N(D > t) - N(D < -t) - c(t)] / K over t >= 0, with c(t) = q max(s(t), 1): s(t) is the
    standard deviation of the difference over random halves of the persons, and q the quantile `level` of its largest
    value over all t, each in units of max(s(t), 1).

    Parameters
    ----------
    training, control
        Scores of each class with the persons of both galleries, float `[K, T]` each; see `distinct_persons`.
    level
        Confidence: 0.95 for one judge; 1 - 0.05 / J where the largest of J judges' bounds is quoted.
    exchanges, seed
        Number and seed of the random halves.

    Raises
    ------
    InputError
        Not as many control as training persons, or fewer than two of either.
    """
    count = training.shape[1]
    if training.shape != control.shape or count < 2:
        raise InputError(
            f"{count} training and {control.shape[1]} control persons; give as many of both, at least two without a "
            "twin in the other gallery"
        )
    persons = RankedPersons(np.concatenate([training, control], axis=1))
    first, random = np.arange(2 * count) < count, np.random.default_rng(seed)
    halves = [first, *(random.permutation(first) for _ in range(exchanges))]
    differences = np.array([np.sort((persons.best(half) - persons.best(~half))[:, 0]) for half in halves])
    distances = np.quantile(np.abs(differences), np.linspace(0, 1, DISTANCES))
    more = np.array([_more_above(row, distances) for row in differences])
    scale = np.maximum(more[1:].std(0), 1)
    largest = (more / scale).max(1)
    # The halves as they are belong to what they are compared with, which makes the level hold for few of them, too.
    quantile = np.sort(largest)[math.ceil(level * len(largest)) - 1]
    return LeakShare(
        bound=max(0.0, float((more[0] - quantile * scale).max()) / len(training)),
        level=level,
        classes=len(training),
        persons=count,
        p_value=float(np.mean(largest >= largest[0] - 1e-12)),
    )


def _more_above(differences: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """N(D > t) - N(D < -t) at each distance t, of ascending differences."""
    above = len(differences) - np.searchsorted(differences, distances, "right")
    return above - np.searchsorted(differences, -distances, "left")
