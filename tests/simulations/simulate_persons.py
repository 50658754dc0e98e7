"""Claims about persons: the label-free link, membership of persons, and exposure by group.

Training, control and synthetic classes are disjoint persons at random, so that neither link nor membership may be
called above or below chance; for power, the images of each class are moved toward unseen images of a training person.
Exposure is of classes that are moved alike, in groups at random; for power, one half is moved and the other not.
"""

import numpy as np
from counting import ALPHA, DRAWS, SHUFFLES, Counted, errors, power
from simulated_pool import Pool, flat, unit

from sface_lib.biometrics import templates
from sface_lib.matching import compare_sets
from sface_lib.privacy import holm, label_free_link, membership
from sface_lib.privacy.exposure import exposure_by_group, exposures

IMAGES = 5
MOVES = {50: 0.5, 200: 0.5}  # Persons -> how far synthetic images are moved toward training persons.
CLAIMS = ("label-free link", "membership of persons", "exposure by group", "any of them after Holm")
CASES, FLOOR = len(CLAIMS) * len(MOVES) * 2, 0.8


def persons(pool: Pool, judge: str, draws: int = DRAWS, sizes: tuple[int, ...] = tuple(MOVES)) -> list[Counted]:
    """Rows for each size and claim, without a link and with one."""
    found = []
    for count in sizes:
        rejected = np.zeros((2, len(CLAIMS)), int)
        for i in range(draws):
            random = np.random.default_rng([count, i])
            drawn = pool.draw(random, 3 * count)
            training, control, others = np.split(drawn, 3)
            toward = training[:, IMAGES:]
            moved = unit((1 - MOVES[count]) * others[:, :IMAGES] + MOVES[count] * toward)
            halves = random.permutation(np.repeat([0, 1], [count // 2, count - count // 2]))
            uneven = np.where(halves[:, None, None] == 0, moved, others[:, :IMAGES])
            for row, (classes, exposed) in enumerate(((others[:, :IMAGES], moved), (moved, uneven))):
                p = claims(training[:, :IMAGES], control[:, :IMAGES], classes, exposed, halves, i)
                rejected[row, :3] += p <= ALPHA
                rejected[row, 3] += (holm(p) <= ALPHA).any()
        for name, none, some in zip(CLAIMS, *rejected.tolist(), strict=True):
            case = f"{judge}, {count} persons, {name}"
            found.append(errors(f"{case}, no link", draws, none, CASES))
            found.append(power(f"{case}, moved by {100 * MOVES[count]:.0f} %", draws, some, FLOOR))
    return found


def claims(training, control, classes, exposed, halves: np.ndarray, seed: int) -> np.ndarray:
    """P-values of the three claims, float64 `[3]`; rows are `[K, I, d]`."""
    drawn, own, unseen = (templates(*flat(part))[1] for part in (classes, training, control))
    free = label_free_link(drawn, own, unseen, SHUFFLES, 100, seed)
    owners = np.arange(2 * len(own)).reshape(2, -1)
    members = membership(drawn, own, owners[0], unseen, owners[1], SHUFFLES, 100, seed)
    of_each = exposures(compare_sets(*flat(training), *flat(exposed)).blocks)
    groups = exposure_by_group(of_each.to_numpy(), halves, SHUFFLES, 100, seed)
    return np.array([free.test.p_two_sided, members.test.p_two_sided, groups.test.p_value])
