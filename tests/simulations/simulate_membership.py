"""Membership of images: synthetic images are unseen ones of the training persons, moved toward training images.

A generator that drew the persons and copied no image is the case without a move.
"""

import numpy as np
from counting import ALPHA, DRAWS, SHUFFLES, Counted, errors, power
from simulated_pool import Pool, flat, unit

from sface_lib.privacy import membership_of_images

MEMBERS, OTHERS = 5, 2  # Images of each person that train, and that do not; the rest are unseen.
# Persons -> how far synthetic images are moved toward training images, and what share of draws must show it.
COPYING = {50: {0.0: None, 0.4: 0.8}, 200: {0.0: None, 0.25: 0.8}}
CASES = 4  # Without copies: two judges, two sizes.


def membership(pool: Pool, judge: str, draws: int = DRAWS, persons: tuple[int, ...] = tuple(COPYING)) -> list[Counted]:
    """A row for each size and each move."""
    found = []
    for count in persons:
        for way, floor in COPYING[count].items():
            draw = (pool.draw(np.random.default_rng([count, i]), count) for i in range(draws))
            rejected = sum(membership_p(rows, way, seed=i) <= ALPHA for i, rows in enumerate(draw))
            case = f"{judge}, {count} persons, " + (f"moved by {100 * way:.0f} %" if way else "nothing copied")
            found.append(power(case, draws, rejected, floor) if way else errors(case, draws, rejected, cases=CASES))
    return found


def membership_p(rows: np.ndarray, way: float, seed: int) -> float:
    """Two-sided p of rows `[K, I, d]`, whose images beyond the first seven become the synthetic ones."""
    members, others, unseen = np.split(rows, [MEMBERS, MEMBERS + OTHERS], axis=1)
    synthetic = unit((1 - way) * unseen + way * members[:, : unseen.shape[1]])
    both = *flat(members), *flat(others)
    return membership_of_images(flat(synthetic)[0], *both, SHUFFLES, 100, seed).test.p_two_sided
