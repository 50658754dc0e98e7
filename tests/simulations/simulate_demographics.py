"""A link by labels within groups: class k is another person of the gender and ancestry of training person k.

Nothing but demographics is shared, so that no statistic may call it a link to the person. It is called one where groups
are not known (told, without a bar), and may be where a classifier calls them. For power, the images of the class are
moved toward images of the training person that the generator did not see.
"""

import numpy as np
import pandas as pd
from counting import ALPHA, DRAWS, SHUFFLES, Counted, errors, power
from simulated_pool import Pool, flat, unit

from sface_lib.matching import compare_sets
from sface_lib.privacy import auc_table, holm, shuffle_test
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.identification import nearest_label, rank_1

IMAGES = 5  # Of each person and of each class.
PERSONS = (50, 200)
STATISTICS = ("same-label AUC", "rank 1", "nearest image", "any of them after Holm")
CASES = len(STATISTICS) * len(PERSONS) * 2  # By two judges.
# Persons -> how far images are moved toward the training person's, and what share of draws must show it.
MOVES = {50: (0.2, 0.8), 200: (0.15, 0.8)}


def demographics(pool: Pool, judge: str, draws: int = DRAWS, persons: tuple[int, ...] = PERSONS) -> list[Counted]:
    """Rows for each size: by the groups that are known, by those that are called, by none; and with a link."""
    found = []
    for count in persons:
        of, (way, floor) = f"{judge}, {count} persons", MOVES[count]
        rejected = {name: np.zeros(len(STATISTICS), int) for name in ("known", "called", "none", "linked")}
        for i in range(draws):
            random = np.random.default_rng([count, i])
            people = random.choice(len(pool.rows), count, replace=False)
            training, unseen = np.split(pool.of(people, random), [IMAGES], axis=1)
            drawn = pool.of(pool.like(people, random), random)[:, :IMAGES]
            moved = unit((1 - way) * drawn + way * unseen[:, :IMAGES])
            known, called = pd.Series(pool.groups[people]), pd.Series(pool.called[people])
            for name, synthetic, groups in (
                ("known", drawn, known),
                ("called", drawn, called),
                ("none", drawn, None),
                ("linked", moved, known),
            ):
                rejected[name] += link_rejected(training, synthetic, groups, i)
        for i, statistic in enumerate(STATISTICS):
            case = f"{of}, {statistic}"
            found += [
                errors(f"{case}, groups known", draws, int(rejected["known"][i]), CASES),
                power(f"{case}, moved by {100 * way:.0f} %", draws, int(rejected["linked"][i]), floor),
                Counted(f"{case}, groups as called", draws, int(rejected["called"][i])),
                Counted(f"{case}, groups not known", draws, int(rejected["none"][i])),
            ]
    return found


def link_rejected(training: np.ndarray, synthetic: np.ndarray, groups: pd.Series | None, seed: int) -> np.ndarray:
    """Whether each of `STATISTICS` is above chance on two-sided tests of 5 %, bool `[4]`."""
    sets = *flat(synthetic), *flat(training)
    kept = exchangeable(np.arange(len(training)), groups)
    table = auc_table(compare_sets(*flat(training), *flat(synthetic)).among(kept).blocks)
    tests = [
        shuffle_test(table, SHUFFLES, seed, groups),
        *(hits(*sets, SHUFFLES, 100, seed, groups=groups).test for hits in (rank_1, nearest_label)),
    ]
    p, above = np.array([t.p_two_sided for t in tests]), np.array([t.observed > t.null.mean() for t in tests])
    return np.append(above & (p <= ALPHA), (above & (holm(p) <= ALPHA)).any())
