"""Who explains whom: how often a direction is found where there is none, and where there is one.

*Equal*: two samples of the persons of `balanced`, of whom neither a divergence nor a direction is to be found.
*Mirrored*: attributes of some persons against the opposite of those of others, so that both divergences are the same
though the sets differ in everything. *Narrow*: all persons against the half who show the fewest of the rare attributes;
the former explain the latter better than the reverse. *Global*: `balanced` against `global`, which have other shares of
age and ancestry. Labels are the classifier's.
"""

import numpy as np
from counting import ALPHA, DRAWS, SHUFFLES, Counted, errors, power
from simulated_pool import Annotated, set_of

from sface_lib.attributes.comparison import Direction, compare_all, direction
from sface_lib.attributes.names import exclusive_groups

RESAMPLES, RARE = 500, 0.15
SIZES = ((50, 50), (200, 200), (50, 200))


def attributes(
    balanced: Annotated, other: Annotated, draws: int = DRAWS, sizes: tuple[tuple[int, int], ...] = SIZES
) -> list[Counted]:
    """Rows for each two sizes; `other` is `global`."""
    alone, narrow, rows = _without_groups(balanced), _narrow(balanced), []
    for first, second in sizes:
        of, least = f"{first} against {second} persons", 0.8 if min(first, second) > 50 else 0.3

        def found(one: Annotated, two: Annotated, sign: int = 1, n: int = first, m: int = second) -> list[Direction]:
            return [_judged(one, two, n, m, sign, i) for i in range(draws)]

        equal, mirrored = found(balanced, balanced), found(alone, alone, -1)
        rows.append(errors(f"{of}, equal: divergence", draws, _different(equal)))
        rows.append(errors(f"{of}, equal: direction", draws, _explaining(equal, "first", "second")))
        rows.append(errors(f"{of}, mirrored: direction", draws, _explaining(mirrored, "first", "second")))
        thin = found(balanced, narrow)
        rows.append(power(f"{of}, narrow: direction", draws, _explaining(thin, "first"), least))
        rows.append(errors(f"{of}, narrow: wrong direction", draws, _explaining(thin, "second")))
        rows.append(power(f"{of}, global: divergence", draws, _different(found(balanced, other)), least))
    return rows


def _different(found: list[Direction]) -> int:
    return sum(each.p_value < ALPHA for each in found)


def _explaining(found: list[Direction], *names: str) -> int:
    """How often one of these explains the other better."""
    return sum(each.verdict.startswith(tuple(f"{name} explains" for name in names)) for each in found)


def _judged(one: Annotated, two: Annotated, first: int, second: int, sign: int, seed: int) -> Direction:
    """Persons of two distributions at random, nobody on both sides, the second ones' labels times `sign`."""
    random = np.random.default_rng([first, second, seed])
    b = random.choice(len(two.labels), second, replace=False)
    free = np.flatnonzero(~np.isin(one.persons, two.persons[b]))
    a = random.choice(free, first, replace=False)
    sets = [
        set_of("first", one.labels[a], one.persons[a], one.names),
        set_of("second", sign * two.labels[b], two.persons[b], two.names),
    ]
    return direction(*sets, compare_all(sets, True, SHUFFLES, seed)["first", "second"], RESAMPLES, seed)


def _without_groups(pool: Annotated) -> Annotated:
    """Without attributes that exclude one another, whose opposites are no persons'."""
    grouped = {i for group in exclusive_groups(pool.names) for i in group}
    alone = [i for i in range(len(pool.names)) if i not in grouped]
    return Annotated(tuple(pool.names[i] for i in alone), pool.labels[..., alone], pool.persons)


def _narrow(pool: Annotated) -> Annotated:
    """The half of the persons who show the fewest of the rare attributes."""
    present = pool.labels == 1
    rare = present.mean((0, 1)) < RARE
    half = np.argsort(present[..., rare].mean((1, 2)), kind="stable")[: len(present) // 2]
    return Annotated(pool.names, pool.labels[half], pool.persons[half])
