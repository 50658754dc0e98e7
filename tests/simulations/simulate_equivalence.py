"""Claims of equivalence to chance: how often they are made with the truth beyond the margin, and without a link.

Training, control and synthetic classes are disjoint persons at random. *Beyond the margin*: 22 % of the classes are
images of their training persons, which leaves the truth of all claims 0.1 to 0.11 from chance. *No link*: as many
persons as the report asks for of the label-free link (`Claim.identities_for_equivalence`), so that four of five draws
should show equivalence; exact intervals cost some of them, and seven of ten are the bar.
"""

import math

import numpy as np
from counting import DRAWS, SHUFFLES, Counted, errors, power
from simulated_pool import Pool, flat

from sface_lib.biometrics import Estimate, templates
from sface_lib.matching import bootstrap_comparison, compare_sets
from sface_lib.privacy import Claim, label_free_link, membership, verdicts
from sface_lib.privacy.verdict import EQUIVALENCE_LEVEL, EQUIVALENT

IMAGES, RESAMPLES, MARGIN = 5, 200, 0.1
CLAIMS = ("same-label AUC", "label-free link", "membership of persons")
PERSONS, FLOOR = 215, 0.7  # The label-free share has an error of 0.5 / sqrt(n), and needs 2.926 of them within 0.1.
LINKED = 0.22


def equivalence(
    pool: Pool, judge: str, draws: int = DRAWS, persons: int = PERSONS, margin: float = MARGIN
) -> list[Counted]:
    """Rows for each claim, with the truth beyond the margin and at chance."""
    said = np.zeros((2, len(CLAIMS)), int)
    for i in range(draws):
        random = np.random.default_rng([persons, i])
        training, control, others = np.split(pool.draw(random, 3 * persons), 3)
        linked = random.permutation(persons) < math.ceil(LINKED * persons)
        shared = np.where(linked[:, None, None], training[:, :IMAGES], others[:, :IMAGES])
        for row, classes in enumerate((shared, others[:, :IMAGES])):
            said[row] += equivalent(training[:, :IMAGES], control[:, :IMAGES], classes, i, margin)
    found = []
    for name, beyond, none in zip(CLAIMS, *said.tolist(), strict=True):
        case = f"{judge}, {persons} persons, {name}"
        found.append(errors(f"{case}, truth beyond the margin", draws, beyond))
        found.append(power(f"{case}, no link", draws, none, FLOOR))
    return found


def equivalent(training: np.ndarray, control: np.ndarray, classes: np.ndarray, seed: int, margin: float) -> np.ndarray:
    """Whether each of `CLAIMS` is called equivalent to chance, bool `[3]`; rows are `[K, I, d]`."""
    drawn, own, unseen = (templates(*flat(part))[1] for part in (classes, training, control))
    auc = bootstrap_comparison(compare_sets(*flat(training), *flat(classes)), RESAMPLES, seed)["auc"]
    free = label_free_link(drawn, own, unseen, SHUFFLES, RESAMPLES, seed)
    owners = np.arange(2 * len(own)).reshape(2, -1)
    members = membership(drawn, own, owners[0], unseen, owners[1], SHUFFLES, RESAMPLES, seed)
    return np.array([_called(each, len(training), margin) for each in (auc, free.estimate, members.auc)])


def _called(found: Estimate, identities: int, margin: float) -> bool:
    """By the interval alone: the null neither rejects nor widens it."""
    span = found.interval(EQUIVALENCE_LEVEL)
    claim = Claim("", "", found.value, 0.5, span, 1.0, 0.01, True, margin, 0.0, identities)
    return verdicts([claim])[0].words.startswith(EQUIVALENT)
