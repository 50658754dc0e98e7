"""How often 95 % intervals hold the truth: of the link, of hit rates near 0 and 1, of accuracies and gaps over seeds.

*Link*: AUC and EER of five against five other images of the same persons; the truth is the pool's. *Hits*: rank-1
identification and the nearest image, of other images of the same persons (near 1) and of strangers (near 0); the truth
is the mean over all draws. Near 0 and 1 their intervals may be too wide, for few rates are possible there. *Accuracy*
of four models on pairs of persons, each trained three times: a seed scales every number of an embedding by chance, anew
in every draw; the truth is the mean over all draws. What its interval would hold without what seeds add is told,
without a bar.
"""

import numpy as np
from counting import Counted, coverage
from simulated_pool import Pool, flat, unit

from sface_lib.biometrics import Estimate, PairMean, accuracy_over_pairs, average, kfold_accuracy, seed_variances
from sface_lib.matching import bootstrap_comparison, compare_sets, compare_within
from sface_lib.privacy.identification import nearest_label, rank_1

COVERAGE_DRAWS, RESAMPLES, IMAGES = 1000, 200, 5
BANDS = {20: (0.92, 0.98), 50: (0.93, 0.97), 200: (0.93, 0.97)}
SEEDS, MODELS = 3, (0.0, 0.6, 0.8, 1.0)  # Noise that each model adds to the embeddings: its own weakness.
SEED_NOISE, FOLDS, PAIRS = 1.2, 5, 3
WITHOUT_SEEDS = "worst accuracy, what seeds add left out"


def intervals(
    pool: Pool, judge: str, draws: int = COVERAGE_DRAWS, persons: tuple[int, ...] = tuple(BANDS)
) -> list[Counted]:
    """Rows for each size and figure."""
    metrics = compare_within(*flat(pool.rows)).metrics()
    found = []
    for count in persons:
        of, band = f"{judge}, {count} persons", BANDS[count]
        links = [link_estimates(pool, count, i) for i in range(draws)]
        for name in ("auc", "eer"):
            estimates = [each[name] for each in links]
            found.append(coverage(f"{of}, link {name.upper()}", estimates, getattr(metrics, name), band))
        for figures, bar in ((hit_estimates, (band[0], 1.0)), (accuracy_estimates, band)):
            several = [figures(pool, count, i) for i in range(draws)]
            for name in several[0]:
                estimates = [each[name] for each in several]
                truth = float(np.mean([each.value for each in estimates]))
                own = None if name == WITHOUT_SEEDS else bar
                found.append(coverage(f"{of}, {name} ({truth:.3f})", estimates, truth, own))
    return found


def link_estimates(pool: Pool, count: int, seed: int) -> dict[str, Estimate]:
    """AUC and EER of five against five other images of persons at random."""
    rows = pool.draw(np.random.default_rng([1, count, seed]), count)
    sets = (*flat(rows[:, :IMAGES]), *flat(rows[:, IMAGES:]))
    return bootstrap_comparison(compare_sets(*sets), RESAMPLES, seed)


def hit_estimates(pool: Pool, count: int, seed: int) -> dict[str, Estimate]:
    """Shares of probes that find their label, of the persons themselves and of strangers."""
    random = np.random.default_rng([2, count, seed])
    rows = pool.draw(random, 2 * count)
    gallery, own, strangers = rows[:count, :IMAGES], rows[:count, IMAGES:], rows[count:, IMAGES:]
    found = {}
    for whose, probes in (("the persons'", own), ("strangers'", strangers)):
        given = *flat(probes), *flat(gallery), 1, RESAMPLES, seed
        found[f"rank 1 of {whose} images"] = rank_1(*given).estimate
        found[f"nearest to {whose} images"] = nearest_label(*given).estimate
    return found


def accuracy_estimates(pool: Pool, count: int, seed: int) -> dict[str, Estimate]:
    """Accuracies of the best and the worst of four models, and their gap, each trained with three seeds."""
    by_model = accuracies(pool, count, np.random.default_rng([3, count, seed]), MODELS)
    gaps = [[one - other for one, other in zip(by_model[0], each, strict=True)] for each in by_model[1:]]
    first, last = average(by_model[0]), average(by_model[-1])
    of_seeds = seed_variances(by_model)
    return {
        "best accuracy over 3 seeds": first.estimate(of_seeds[0]),
        "worst accuracy over 3 seeds": last.estimate(of_seeds[-1]),
        "gap over 3 seeds": average(gaps[-1]).estimate(seed_variances(gaps)[-1]),
        WITHOUT_SEEDS: last.estimate(),
    }


def accuracies(pool: Pool, count: int, random: np.random.Generator, models: tuple[float, ...]) -> list[list[PairMean]]:
    """Accuracy of models of so much noise, by their seeds, on pairs of persons at random."""
    rows, labels = flat(pool.draw(random, count)[:, : 2 * PAIRS])
    places = np.arange(len(rows)).reshape(count, PAIRS, 2)
    left = np.concatenate([places[..., 0], places[..., 0]]).ravel()  # Each with one of its person, and of the next.
    right = np.concatenate([places[..., 1], np.roll(places[..., 1], 1, axis=0)]).ravel()
    same, fold = labels[left] == labels[right], np.tile(np.arange(count * PAIRS) % FOLDS, 2)
    by_model = []
    for weakness in models:
        noise = weakness * random.standard_normal(rows.shape) / rows.shape[1] ** 0.5
        by_model.append([])
        for _ in range(SEEDS):
            seen = unit((rows + noise) * (1 + SEED_NOISE * random.standard_normal(rows.shape[1])))
            correct = kfold_accuracy((seen[left] * seen[right]).sum(1), same, fold).correct
            identities = labels[left], labels[right]
            by_model[-1].append(accuracy_over_pairs(correct, same, *identities, fold))
    return by_model
