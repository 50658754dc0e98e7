"""The alarm for copies: sets without copies, of strangers and of the training persons, and sets with one copy.

Against strangers' images, the alarm must be silent on strangers; other images of the training persons raise it (told,
without a bar), as they are likenesses. Against other images of the training persons it must be silent on those. A copy
is a training image, altered as the report alters it, planted once in a set of the size that is named; an exact one must
be found, and of the others it is told how often they are.
"""

import numpy as np
from counting import DRAWS, Counted, errors, most_errors, power
from simulated_pool import Pool

from sface_lib.privacy.power import alarm_threshold, neighbour_ratio

STRANGERS = {"training": 200, "null": 200}  # Persons, ten images each.
SAME_PERSONS = 1000  # Four images of each train, one is in the null, and five are drawn.
SIZES = (50, 400, 4000)
AT_LIMIT = 8000  # Four images for each of the null.
FEWEST_ALARMS = 8  # In 400 sets of 400: fewer would not be a test of 5 %.
CASES = 2 * 7
SURELY_FOUND, FLOOR = "exact copy", 0.95  # What other alterations leave of a copy is told.


def copies(
    pool: Pool,
    judge: str,
    draws: int = DRAWS,
    sizes: tuple[int, ...] = (*SIZES, AT_LIMIT),
    strangers: dict[str, int] = STRANGERS,
) -> list[Counted]:
    """Rows for each null and size, without copies and with one."""
    alarms: dict[str, np.ndarray] = {}
    for i in range(draws):
        random = np.random.default_rng(i)
        for name, rang in (
            *against_strangers(pool, random, sizes, strangers),
            *against_same_persons(pool, random, sizes),
        ):
            alarms.setdefault(name, np.zeros(draws, bool))[i] = rang
    found = []
    for name, rang in alarms.items():
        case, count = f"{judge}, {name}", int(rang.sum())
        if "one copy" in name and name.endswith(SURELY_FOUND):
            found.append(power(case, draws, count, FLOOR))
        elif "one copy" in name or "likenesses" in name:
            found.append(Counted(case, draws, count))
        elif name == "against strangers, 400 strangers":
            fewest = round(FEWEST_ALARMS * draws / DRAWS)
            found.append(Counted(case, draws, count, at_most=most_errors(draws), at_least=fewest))
        else:
            found.append(errors(case, draws, count, CASES if str(AT_LIMIT) in name else 1))
    return found


def against_strangers(
    pool: Pool, random: np.random.Generator, sizes: tuple[int, ...], strangers: dict[str, int]
) -> list[tuple[str, bool]]:
    """Names of cases, and whether the alarm rang: all images of some persons train."""
    people = random.permutation(len(pool.rows))
    training, null, others = np.split(people, np.cumsum(list(strangers.values())))
    rows, width = pool.rows, pool.rows.shape[2]
    trained = rows[training].reshape(-1, width)
    values = neighbour_ratio(rows[null].reshape(-1, width), trained)
    identity = np.repeat(null, rows.shape[1])
    drawn = neighbour_ratio(rows[others[: max(sizes) // rows.shape[1]]].reshape(-1, width), trained)
    found = []
    for size in sizes:
        threshold = alarm_threshold(values, identity, size)
        found.append((f"against strangers, {size:,} strangers", drawn[:size].max() >= threshold))
        found += planted(pool, random, training, trained, threshold, f"against strangers, one copy in {size:,}")
    return found


def against_same_persons(pool: Pool, random: np.random.Generator, sizes: tuple[int, ...]) -> list[tuple[str, bool]]:
    """Names of cases, and whether the alarm rang: four images of each of 1,000 persons train."""
    count = min(SAME_PERSONS, len(pool.rows) - STRANGERS["null"])
    people, strangers = np.split(random.permutation(len(pool.rows))[: count + STRANGERS["null"]], [count])
    trained, null, drawn = np.split(pool.rows[people], [4, 5], axis=1)
    trained = trained.reshape(-1, trained.shape[2])
    values, drawn = (neighbour_ratio(part.reshape(-1, part.shape[2]), trained) for part in (null, drawn))
    unseen = neighbour_ratio(pool.rows[strangers].reshape(-1, pool.rows.shape[2]), trained)
    found, drawn = [], random.permutation(drawn)
    for size in (size for size in sizes if size <= len(drawn)):
        threshold = alarm_threshold(values, people, size)
        found.append((f"against the same persons, {size:,} other images", drawn[:size].max() >= threshold))
        found += planted(pool, random, people, trained, threshold, f"against the same persons, one copy in {size:,}")
    first = alarm_threshold(unseen, np.repeat(strangers, pool.rows.shape[1]), sizes[0])
    found.append((f"against strangers, {sizes[0]} likenesses", drawn[: sizes[0]].max() >= first))
    return found


def planted(pool: Pool, random, training: np.ndarray, trained: np.ndarray, threshold: float, name: str) -> list:
    """For each alteration whether a copy of one training image, chosen at random, rings the alarm."""
    copied = training[training < pool.copies[next(iter(pool.copies))].shape[0]]
    person = random.choice(copied)
    rows = np.array([copies[person] for copies in pool.copies.values()])
    rang = neighbour_ratio(rows, trained) >= threshold
    return [(f"{name}, {alteration}", bool(each)) for alteration, each in zip(pool.copies, rang, strict=True)]
