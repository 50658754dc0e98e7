"""Who is exposed: persons one by one against control persons, and exposure by the number of training images.

*Persons*: training, control and synthetic classes are disjoint persons at random, five images each. Where no one is
exposed, a person may be called by the corrected p in 5 % of the draws. Where classes are moved 70 % of the way to some
of the training persons, 5 % of those called may be others, in the mean over draws, and half of the exposed must be
called. With as many control as training persons it takes some twenty who are exposed, whatever the set's size: the
smallest p is 1 of all control persons.

*Number of images*: persons have two to eight training images, at random. Without a dependence, classes are not moved,
or all alike; with one, the farther, the more training images their person has.
"""

import numpy as np
from counting import ALPHA, DRAWS, SHUFFLES, Averaged, Counted, errors, power
from simulated_pool import Pool, flat, unit

from sface_lib.matching import compare_sets
from sface_lib.privacy.exposure import exposed_persons, exposure_by_images, exposures, of_equal_images

IMAGES = 5
EXPOSED = {50: 30, 200: 40}  # Persons -> how many of them are exposed.
MOVE, FOUND = 0.7, 0.5  # How far their classes are moved, and what share of them must be called.
MOVED_ALIKE = 0.3
FEWEST, MOST = 2, 8  # Training images.
STEEPNESS, FLOOR = 0.5, 0.8  # How much farther the classes of persons with the most images are moved.


def exposure(
    pool: Pool, judge: str, draws: int = DRAWS, sizes: tuple[int, ...] = tuple(EXPOSED)
) -> list[Counted | Averaged]:
    """Rows for each size: persons one by one, then the number of images."""
    return [row for count in sizes for part in (persons, by_images) for row in part(pool, judge, draws, count)]


def persons(pool: Pool, judge: str, draws: int, count: int) -> list[Counted | Averaged]:
    """Who is called where no one is exposed, and where some are."""
    exposed, silent = EXPOSED[count], 0
    false, found = [], []
    for i in range(draws):
        drawn = pool.draw(np.random.default_rng([5, count, i]), 3 * count)
        training, control, classes = np.split(drawn, 3)
        sets = flat(training[:, :IMAGES]), flat(control[:, :IMAGES])
        silent += called(classes[:, :IMAGES], *sets).any()
        moved = classes[:, :IMAGES].copy()
        moved[:exposed] = unit((1 - MOVE) * moved[:exposed] + MOVE * training[:exposed, IMAGES:])
        said = called(moved, *sets)
        false.append(said[exposed:].sum() / max(1, said.sum()))
        found.append(said[:exposed].mean())
    of = f"{judge}, {count} persons"
    some = f"{of}, {exposed} of them exposed"
    return [
        errors(f"{of}, no one exposed: any person called", draws, silent),
        Averaged(f"{some}: share of false ones among those called", false, at_most=ALPHA),
        Averaged(f"{some}: share of the exposed that is called", found, at_least=FOUND),
    ]


def called(classes: np.ndarray, training: tuple, control: tuple) -> np.ndarray:
    """Whom a set of classes `[K, I, d]` exposes, bool `[T]`."""
    return (exposed_persons(flat(classes), training, control)["p_corrected"] <= ALPHA).to_numpy()


def by_images(pool: Pool, judge: str, draws: int, count: int) -> list[Counted]:
    """Whether exposure rises with the number of training images."""
    rejected = dict.fromkeys(("not moved", "moved alike", "moved farther with more images"), 0)
    for i in range(draws):
        random = np.random.default_rng([6, count, i])
        training, others = np.split(pool.draw(random, 2 * count), 2)
        images = random.integers(FEWEST, MOST + 1, count)
        kept = np.arange(training.shape[1]) < images[:, None]
        labels = np.repeat(np.arange(count), images)
        ways = 0.0, MOVED_ALIKE, STEEPNESS * ((images - FEWEST) / (MOST - FEWEST))[:, None, None]
        for name, way in zip(rejected, ways, strict=True):
            classes = unit((1 - way) * others[:, :FEWEST] + way * training[:, MOST:])
            of_each = exposures(of_equal_images(compare_sets(training[kept], labels, *flat(classes)).blocks))
            rejected[name] += exposure_by_images(of_each.to_numpy(), images, SHUFFLES, i).p_two_sided <= ALPHA
    case = f"{judge}, {count} persons, exposure by number of images, classes"
    *none, (name, some) = rejected.items()
    found = [errors(f"{case} {each}", draws, number) for each, number in none]
    return [*found, power(f"{case} {name}", draws, some, FLOOR)]
