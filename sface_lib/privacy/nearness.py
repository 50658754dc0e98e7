"""Is a set nearer to the training persons than another set that never saw them? A difference in differences.

Where control and training persons are of different distributions, a set may be nearer to one kind than to the other
without any of it leaking. So what it is nearer to training than to control persons by is held against the same of a set
whose generator never saw the training persons. What is left says that the set is nearer to the training set, never that
it is nearer to its persons: a generator that learned no more than their distribution makes it, too.
"""

import dataclasses

import numpy as np

from sface_lib.biometrics import Estimate, bootstrap_samples, checks
from sface_lib.errors import InputError
from sface_lib.privacy.chance import Tested, against_null
from sface_lib.privacy.ranked import RankedPersons

FEWEST_PERSONS, FEWEST_CLASSES = 4, 2  # Half of the persons still have a best and a second-best.


@dataclasses.dataclass(frozen=True, eq=False)
class NearnessDifference:
    """How much nearer a set is to the training persons than an unexposed set is.

    Attributes
    ----------
    best
        Mean best score over training less over control persons, of the set less of the unexposed one.
    lead
        The same of the best score less the second-best person's, which a shift of distribution moves less.
    auc
        Chance that a class of the set has a higher best score over training persons than one of the unexposed set.
    classes, persons
        Of how many classes of both sets, and how many persons each gallery has.
    """

    best: Tested
    lead: Tested
    auc: Estimate
    classes: int
    persons: int


def nearness_difference(
    classes: np.ndarray,
    unexposed: np.ndarray,
    training: np.ndarray,
    control: np.ndarray,
    resamples: int,
    seed: int,
) -> NearnessDifference:
    """Hold a set against an unexposed one.

    Draws take classes with replacement, and half the persons of both galleries without: a person drawn twice is no
    other person, so that the best score over a bootstrap of persons would be too low. Half of them vary by as much as
    all of them would from one sample to another. Chance is what draws differ from the whole by.

    Parameters
    ----------
    classes, unexposed
        Unit templates of both sets, float `[K, d]` and `[L, d]`, of as many images each. Of more classes, as many as
        the other set has are drawn at random.
    training, control
        Unit templates of persons, float `[T, d]` and `[T, d]`, of as many images each.

    Raises
    ------
    InputError
        Not as many control as training persons, fewer than four of either, or fewer than two classes.
    """
    names = ("classes", "unexposed", "training", "control")
    classes, unexposed, training, control = (
        checks.embeddings(name, rows).astype(np.float64)
        for name, rows in zip(names, (classes, unexposed, training, control), strict=True)
    )
    count, persons = min(len(classes), len(unexposed)), len(training)
    if len(control) != persons or not can_be_held_against(classes, unexposed, training):
        raise InputError(
            f"{persons} training and {len(control)} control persons, {len(classes)} classes and {len(unexposed)} of "
            f"the unexposed set; give as many of both kinds of persons, at least {FEWEST_PERSONS}, and two classes"
        )
    random = np.random.default_rng(seed)
    sets = [rows[np.sort(random.permutation(len(rows))[:count])] for rows in (classes, unexposed)]
    galleries = [[RankedPersons(rows @ persons.T) for persons in (training, control)] for rows in sets]
    everyone, half = np.ones(persons, bool), np.arange(persons) < persons // 2
    drawn = np.empty((resamples, 2))
    for i in range(resamples):
        chosen = [random.permutation(half) for _ in range(2)]
        rows = [random.integers(0, count, count) for _ in range(2)]
        drawn[i] = _difference(galleries, chosen, rows)
    every = np.arange(count)
    differences = _difference(galleries, [everyone] * 2, [every] * 2)
    best = [own.best(everyone)[:, 0] for own, _ in galleries]
    return NearnessDifference(
        *(_tested(value, draws, count) for value, draws in zip(differences, drawn.T, strict=True)),
        auc=bootstrap_samples(best[0], every, best[1], every, resamples, seed=seed)["auc"],
        classes=count,
        persons=persons,
    )


def can_be_held_against(classes: np.ndarray, unexposed: np.ndarray, training: np.ndarray) -> bool:
    """Whether there are classes and persons enough for `nearness_difference`."""
    return min(len(classes), len(unexposed)) >= FEWEST_CLASSES and len(training) >= FEWEST_PERSONS


def _difference(galleries, chosen: list[np.ndarray], rows: list[np.ndarray]) -> np.ndarray:
    """The differences in differences of the best score and of its lead, float64 `[2]`."""
    means = []
    for own, drawn in zip(galleries, rows, strict=True):
        over = [gallery.best(part, 2)[drawn] for gallery, part in zip(own, chosen, strict=True)]
        first, lead = (over[0] - over[1])[:, 0].mean(), (np.diff(over[1]) - np.diff(over[0])).mean()
        means.append((first, lead))
    return np.subtract(*means)


def _tested(value: float, draws: np.ndarray, classes: int) -> Tested:
    """A difference whose chance is 0, spread as its draws are about the whole."""
    estimate = Estimate.of_draws(float(value), draws, classes, is_rate=False)
    return Tested(estimate, against_null(float(value), draws - draws.mean()), 2 * classes)
