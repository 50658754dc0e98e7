"""Error rates as standards report them: at fixed FMR, at thresholds of another benchmark, by group, in open sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import (
    Comparisons,
    ErrorRate,
    Scored,
    between_groups,
    error_rate,
    garbe,
    max_over_geometric_mean,
    open_set,
    within_groups,
)
from sface_lib.chapters.evaluation.breakdown import FEWEST_GROUPS
from sface_lib.chapters.evaluation.models import Evaluated, ModelEmbeddings
from sface_lib.matching import PooledComparisons, compare_within

TARGETS = (1e-2, 1e-3, 1e-4)
TRANSFERRED = TARGETS[:2]
GROUP_TARGET = 1e-3  # FMR over all pairs at which groups are compared.
SEARCHED = (0.1, 0.01)  # FPIRs at which open-set identification is reported.
FEWEST_SEARCHED = 40  # Persons with several images: of fewer than 20 enrolled, intervals of TPIR cover too much.
MOST_IMAGES = 14_000  # All their pairs, 9.8e7, are fewer than the 1e8 scores that are kept.
MOST_SUBJECTS = 2_000  # Impostor scores are counted for every pair of identities.


@dataclass(frozen=True, eq=False)
class RatesAt:
    """FNMR of each model's first seed at the FMR `fmr`, on `pairs`; None where impostors are too few for that FMR."""

    pairs: str
    fmr: float
    fnmr: Mapping[str, ErrorRate | None]


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """A model's error rates on all benchmarks, at the threshold of a given FMR on the first one.

    Attributes
    ----------
    rates
        Benchmark -> FMR and FNMR there; None for the FMR of the first, which set the threshold.
    """

    model: str
    fmr: float
    threshold: float
    rates: Mapping[str, tuple[ErrorRate | None, ErrorRate]]


@dataclass(frozen=True, eq=False)
class Differentials:
    """Error rates by group at one threshold for all; intervals treat it as fixed: see `biometrics.differentials`.

    Attributes
    ----------
    fmr_target
        FMR over all pairs at that threshold.
    fmr, fnmr
        Within each group.
    between
        FMR between every two groups, and within each, by (group, group) in alphabetical order.
    """

    fmr_target: float
    fmr: Mapping[str, ErrorRate]
    fnmr: Mapping[str, ErrorRate]
    between: Mapping[tuple[str, str], ErrorRate]

    @property
    def fmr_ratio(self) -> float | None:
        """Largest FMR of a group over the geometric mean of all; None where one is 0."""
        return max_over_geometric_mean([rate.value for rate in self.fmr.values()])

    @property
    def fnmr_ratio(self) -> float | None:
        """Largest FNMR of a group over the geometric mean of all; None where one is 0."""
        return max_over_geometric_mean([rate.value for rate in self.fnmr.values()])

    @property
    def garbe(self) -> float:
        """Gini aggregation rate (GARBE), FMR and FNMR weighted equally: 0 for equal groups, up to 1."""
        return garbe(*([rate.value for rate in kind.values()] for kind in (self.fmr, self.fnmr)))


@dataclass(frozen=True, eq=False)
class Pool:
    """What all pairs of the evaluated images show, by model.

    Attributes
    ----------
    images, subjects, genuine, impostor
        Numbers of images, identities and pairs of each kind.
    rates
        At each of `TARGETS`.
    differentials
        By compared model; one is missing where fewer than two groups have genuine and impostor pairs, with two persons
        or more in the genuine ones, or where all pairs are too few to show `GROUP_TARGET`.
    """

    images: int
    subjects: int
    genuine: int
    impostor: int
    rates: tuple[RatesAt, ...]
    differentials: Mapping[str, Differentials]


def on_benchmarks(evaluated: Evaluated) -> list[RatesAt]:
    """FNMR of the shown models on the pairs of each benchmark."""
    return [
        RatesAt(benchmark, target, {name: _at(models[name].first.scored, target) for name in evaluated.shown})
        for benchmark, models in evaluated.by_benchmark.items()
        for target in TARGETS
    ]


def _at(comparisons: Comparisons, target: float) -> ErrorRate | None:
    return comparisons.at(target) if comparisons.shows(target) else None


def elsewhere(evaluated: Evaluated) -> list[Elsewhere]:
    """The compared models on every benchmark at thresholds from the first; FMRs it cannot show are left out."""
    transferred = []
    for name in evaluated.compared:
        scored = {benchmark: models[name].first.scored for benchmark, models in evaluated.by_benchmark.items()}
        first_scored = scored[evaluated.first_benchmark]
        for target in TRANSFERRED:
            if first_scored.shows(target):
                threshold = first_scored.threshold(target)
                rates: dict[str, tuple[ErrorRate | None, ErrorRate]] = {
                    b: (error_rate(s.passed(threshold)), error_rate(s.missed(threshold))) for b, s in scored.items()
                }
                rates[evaluated.first_benchmark] = None, first_scored.at(target)
                transferred.append(Elsewhere(name, target, threshold, rates))
    return transferred


def pool(
    embedded: ModelEmbeddings, labels: np.ndarray | None, group: Mapping[int, str], evaluated: Evaluated, seed: int
) -> Pool | None:
    """All pairs of the evaluated images, or of as many whole identities as 14,000 images hold, at most 2,000.

    Parameters
    ----------
    labels
        Identity of each image, int64 `[N]`; None where it is not known.
    group
        Identity's label -> its group; empty where none is known.

    Returns
    -------
    None where the identities are not known, or fewer than two have several images.
    """
    if labels is None:
        return None
    kept = _whole_identities(labels, seed)
    identities, counts = np.unique(labels[kept], return_counts=True)
    if np.count_nonzero(counts > 1) < 2:
        return None
    rates: dict[float, dict[str, ErrorRate | None]] = {target: {} for target in TARGETS}
    differentials = {}
    for name in evaluated.shown:  # One at a time: its comparison holds up to 1e8 scores.
        comparisons = PooledComparisons(compare_within(embedded.first(name)[kept], labels[kept]))
        for target in TARGETS:
            rates[target][name] = _at(comparisons, target)
        if name in evaluated.compared and (by_group := _differentials(comparisons, group)):
            differentials[name] = by_group
    pairs, genuine = f"all of {len(kept):,} images", int((counts * (counts - 1) // 2).sum())
    return Pool(
        images=len(kept),
        subjects=len(identities),
        genuine=genuine,
        impostor=len(kept) * (len(kept) - 1) // 2 - genuine,
        rates=tuple(RatesAt(pairs, target, fnmr) for target, fnmr in rates.items()),
        differentials=differentials,
    )


def _whole_identities(
    labels: np.ndarray, seed: int, most_images: int = MOST_IMAGES, most_subjects: int = MOST_SUBJECTS
) -> np.ndarray:
    """Positions, int64, ascending: of all images, or, where those are too many, of some identities drawn at random."""
    identities, counts = np.unique(labels, return_counts=True)
    if len(labels) <= most_images and len(identities) <= most_subjects:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(identities))[:most_subjects]
    chosen = identities[order[np.cumsum(counts[order]) <= most_images]]
    return np.flatnonzero(np.isin(labels, chosen))


def _differentials(comparisons: PooledComparisons, group: Mapping[int, str]) -> Differentials | None:
    if not group or not comparisons.shows(GROUP_TARGET):
        return None
    threshold = comparisons.threshold(GROUP_TARGET)
    passed, missed = comparisons.passed(threshold), comparisons.missed(threshold)
    fmr, fnmr = within_groups(passed, group), within_groups(missed, group)
    names = sorted(name for name in set(fmr) & set(fnmr) if fnmr[name].subjects > 1)
    if len(names) < FEWEST_GROUPS:
        return None
    by_name = ({name: rates[name] for name in names} for rates in (fmr, fnmr))
    return Differentials(GROUP_TARGET, *by_name, between_groups(passed, group))


def open_sets(
    embedded: ModelEmbeddings, labels: np.ndarray | None, models: Sequence[str], seed: int
) -> dict[str, Scored]:
    """Open-set search of the evaluated images, by model, see `open_set`; empty with fewer than `FEWEST_SEARCHED`."""
    if labels is None or np.count_nonzero(np.unique(labels, return_counts=True)[1] > 1) < FEWEST_SEARCHED:
        return {}
    return {name: open_set(embedded.first(name), labels, seed) for name in models}
