"""How often 95 % intervals hold the truth: of error rates at a fixed rate of the other error, and by group.

*Verification*: FNMR at a FMR of 1 % and 0.1 % over all pairs of five images of each person; the truth is the pool's.
*By group*: FMR and FNMR among the women and among the men of these persons at one threshold that was fixed before, that
of the pool's FMR of 0.1 %; the truth is the pool's. *Open set*: TPIR at a FPIR of 10 % and 1 %, of which the truth is
the mean over all draws, as it depends on the number of enrolled persons; 20 persons, of whom ten would be enrolled, are
too few for the report. *Membership*: TPR at a FPR of 1 %, of images of persons whose other images are unseen, where
synthetic images of these persons are moved half the way to training images; and of persons against as many others,
where classes of strangers are moved 40 % of the way to training persons. The truth is the mean over all draws.

Where a rate is within 5 % of 0 or 1 its interval may be too wide, for few rates are possible there. What the report
marks as not precise in most draws, as fewer than 30 errors of 30 persons are behind it or behind its threshold, is
marked here, too; its bar is the same.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from counting import Counted, coverage
from simulate_intervals import BANDS, COVERAGE_DRAWS, IMAGES
from simulated_pool import Pool, flat, unit

from sface_lib.biometrics import ErrorRate, Estimate, open_set, within_groups
from sface_lib.biometrics.metrics import ERRORS_FOR_PRECISION
from sface_lib.chapters.evaluation.rates import FEWEST_SEARCHED, SEARCHED
from sface_lib.matching import PooledComparisons, compare_within
from sface_lib.privacy.membership import membership

TARGETS, GROUP_TARGET = (1e-2, 1e-3), 1e-3
FPR, MOVE, MOVE_OF_PERSONS, RESAMPLES, SHUFFLES = 0.01, 0.5, 0.4, 200, 1
TRAINING = 3  # Images of each person that train, and as many that do not; the rest are drawn.
NEAR_END = 0.05  # Of a rate, to 0 or 1.


def rates(
    pool: Pool, judge: str, draws: int = COVERAGE_DRAWS, persons: tuple[int, ...] = tuple(BANDS)
) -> list[Counted]:
    """Rows for each size and figure."""
    threshold, truths = of_pool(pool)
    found = []
    for count in persons:
        several: dict[str, list[tuple[Estimate, bool]]] = {}
        for i in range(draws):
            for name, estimate, precise in figures(pool, count, i, threshold):
                several.setdefault(name, []).append((estimate, precise))
        for name, drawn in several.items():
            estimates = [estimate for estimate, _ in drawn]
            truth = truths.get(name, float(np.mean([estimate.value for estimate in estimates])))
            marked = "" if np.mean([precise for _, precise in drawn]) >= 0.5 else ", not precise"
            low, high = BANDS[count]
            band = low, 1.0 if min(truth, 1 - truth) < NEAR_END else high
            found.append(coverage(f"{judge}, {count} persons, {name} ({truth:.3g}){marked}", estimates, truth, band))
    return found


def of_pool(pool: Pool) -> tuple[float, dict[str, float]]:
    """The threshold for groups, and the true rates that do not depend on a set's size."""
    rows = pool.rows[:, :IMAGES]
    whole = compare_within(*flat(rows))
    metrics, impostors = whole.metrics(), whole.impostors
    above = np.cumsum(impostors.counts[::-1])[::-1]
    threshold = float(impostors.edges[np.argmax(above <= GROUP_TARGET * above[0])])
    truths = {named(target): value for target, value in zip(TARGETS, (metrics.fmr100, metrics.fmr1000), strict=True)}
    for chosen in (women(pool), ~women(pool)):
        comparisons = PooledComparisons(compare_within(*flat(rows[chosen])))
        truths |= {name: rate.value for name, rate in by_gender(comparisons, women(pool)[chosen], threshold)}
    return threshold, truths


def figures(pool: Pool, count: int, seed: int, threshold: float) -> Iterator[tuple[str, Estimate, bool]]:
    """Names, estimates and whether they are precise, of persons at random."""
    random = np.random.default_rng([4, count, seed])
    chosen = random.choice(len(pool.rows), 3 * count, replace=False)
    rows, unseen, strangers = np.split(pool.of(chosen, random), 3)
    comparisons = PooledComparisons(compare_within(*flat(rows[:, :IMAGES])))
    shown = [(named(target), comparisons.at(target)) for target in TARGETS if comparisons.shows(target)]
    shown += by_gender(comparisons, women(pool)[chosen[:count]], threshold)
    yield from ((name, rate.estimate, rate.imprecise is None) for name, rate in shown)
    if count >= FEWEST_SEARCHED:
        searched = open_set(*flat(rows), seed)
        for fpir in (fpir for fpir in SEARCHED if searched.shows(fpir)):
            rate = searched.at(fpir)
            yield f"TPIR at FPIR {fpir:.0%}", rate.complement, rate.imprecise is None
    yield from members(rows, unseen, strangers, seed)


def members(
    rows: np.ndarray, unseen: np.ndarray, strangers: np.ndarray, seed: int
) -> Iterator[tuple[str, Estimate, bool]]:
    """TPR of images and of persons, where there are as many others as show the rate; rows are `[K, I, d]`."""
    training, held_out, own = np.split(rows, [TRAINING, 2 * TRAINING], axis=1)
    drawn = unit((1 - MOVE) * own + MOVE * training[:, [0]])
    moved = unit((1 - MOVE_OF_PERSONS) * strangers[:, :IMAGES] + MOVE_OF_PERSONS * rows[:, IMAGES:])
    centres, mine, theirs = (unit(part.mean(1)) for part in (moved, rows[:, :IMAGES], unseen[:, :IMAGES]))
    owners = np.arange(2 * len(rows)).reshape(2, -1)
    of_images = flat(drawn)[0], *flat(training), *flat(held_out)
    of_persons = centres, mine, owners[0], theirs, owners[1]
    for name, sets in (("images", of_images), ("persons", of_persons)):
        if FPR * len(sets[-1]) >= 1:
            found = membership(*sets, SHUFFLES, RESAMPLES, seed)
            yield f"TPR of {name} at FPR {FPR:.0%}", found.tpr, int(FPR * found.others) >= ERRORS_FOR_PRECISION


def by_gender(
    comparisons: PooledComparisons, is_woman: np.ndarray, threshold: float
) -> Iterable[tuple[str, ErrorRate]]:
    """Names and rates of women and of men, of whom bool `[K]` says which are women."""
    group = dict(enumerate(np.where(is_woman, "women", "men").tolist()))
    for kind, counts in (("FMR", comparisons.passed(threshold)), ("FNMR", comparisons.missed(threshold))):
        for name, rate in within_groups(counts, group).items():
            yield f"{kind} among {name}", rate


def women(pool: Pool) -> np.ndarray:
    """Who is one, bool `[P]`."""
    return np.char.startswith(pool.groups, "women")


def named(target: float) -> str:
    """The name of FNMR at a FMR."""
    return f"FNMR at FMR {target:g}"
