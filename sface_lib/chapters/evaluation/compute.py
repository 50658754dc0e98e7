"""The gap between authentic and synthetic training, whether it counts, and what later chapters find."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import Estimate, PairMean, average, seed_variances
from sface_lib.chapters.evaluation.models import Embedded, Evaluated, ModelOnBenchmark
from sface_lib.chapters.evaluation.results import EvaluationResults, Gap
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.plan import COMPARED
from sface_lib.chapters.training.results import TrainingResults
from sface_lib.data import FaceSet
from sface_lib.recognition import TRAINED_OUT, ProtocolPairs, late_spread

MEAN = "mean"  # Stands for all benchmarks where one is named.
LOWEST_MEAN_ACCURACY = 0.85  # Of a baseline that is trained out.


@dataclass(frozen=True)
class BenchmarkGaps:
    """On a benchmark, or in the "mean": accuracy of the baseline, and the gap of CLS, KT and CL to it."""

    benchmark: str
    baseline: float
    gaps: Mapping[str, Gap]


@dataclass(frozen=True)
class BaselineTraining:
    """How far the baseline is trained.

    Attributes
    ----------
    late_spread
        Largest minus smallest accuracy in the last third of its training; None where that was not taken.
    mean_accuracy
        Over the benchmarks.
    """

    late_spread: float | None
    mean_accuracy: float

    @property
    def trained_out(self) -> bool:
        """Whether a gap to it may be relied on."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not trained out, as sentences without a full stop; none where it is."""
        reasons = []
        if self.late_spread is None:
            reasons.append("its curve was not taken in this profile (validation_interval_steps)")
        elif self.late_spread >= TRAINED_OUT:
            reasons.append(f"the last third of its curve spreads {100 * self.late_spread:.1f} points")
        if self.mean_accuracy < LOWEST_MEAN_ACCURACY:
            reasons.append(f"its mean accuracy is {100 * self.mean_accuracy:.1f} %")
        return tuple(reasons)


def gaps(evaluated: Evaluated) -> tuple[BenchmarkGaps, ...]:
    """The gaps on each benchmark, and last in the mean where there are several benchmarks.

    The mean of the benchmarks has an interval only where all show the same identities.
    """
    single = [_gaps(benchmark, [models], True) for benchmark, models in evaluated.found.items()]
    if len(single) == 1:
        return tuple(single)
    return (*single, _gaps(MEAN, list(evaluated.found.values()), share_identities(evaluated.pairs.values())))


def _gaps(benchmark: str, parts: Sequence[Mapping[str, ModelOnBenchmark]], paired: bool) -> BenchmarkGaps:
    baseline, *others = (_by_seed(name, parts) for name in COMPARED)
    by_seed = [[one - other for one, other in zip(baseline, each, strict=True)] for each in others]
    differences = {
        name: average(own).estimate(seeds)
        for name, own, seeds in zip(COMPARED[1:], by_seed, seed_variances(by_seed), strict=True)
    }
    return BenchmarkGaps(
        benchmark,
        average(baseline).value,
        {name: _gap(each, paired) for name, each in differences.items()},
    )


def _gap(found: Estimate, paired: bool) -> Gap:
    if not paired:
        return Gap(found.value, None, None)
    interval = found.interval()
    return Gap(found.value, interval.low, interval.high)


def _by_seed(name: str, parts: Sequence[Mapping[str, ModelOnBenchmark]]) -> list[PairMean]:
    """A model's accuracy by each of its seeds, in the mean of some benchmarks."""
    evaluations = zip(*(models[name].evaluations for models in parts), strict=True)
    return [average([each.mean for each in of_one_seed]) for of_one_seed in evaluations]


def share_identities(pairs: Iterable[ProtocolPairs]) -> bool:
    """Whether the pairs of all benchmarks show the same identities, and these are known."""
    pairs = list(pairs)
    if not all((own.left_identity >= 0).all() for own in pairs):
        return False
    return len({np.unique(np.stack([own.left_identity, own.right_identity])).tobytes() for own in pairs}) == 1


def baseline_training(evaluated: Evaluated, trained: TrainingResults) -> BaselineTraining:
    """How far the baseline of the first seed was trained, by its curve, and how accurate the baselines are."""
    curve = next(model.accuracies for model in trained.models if model.name == BASELINE)
    return BaselineTraining(late_spread(*zip(*curve, strict=True)) if curve else None, evaluated.mean(BASELINE))


def results(
    faces: FaceSet,
    embedded: Embedded,
    evaluated: Evaluated,
    gap_rows: Sequence[BenchmarkGaps],
    baseline: BaselineTraining,
) -> EvaluationResults:
    """What later chapters find."""
    return EvaluationResults(
        pairs={benchmark: len(own.same) for benchmark, own in evaluated.pairs.items()},
        folds=tuple(np.unique(evaluated.pairs[evaluated.first_benchmark].fold).tolist()),
        image_px=faces.resolution,
        model_px=dict(embedded.model_px),
        seeds=len(embedded.embeddings[BASELINE]),
        accuracy={b: {name: model.accuracy for name, model in models.items()} for b, models in evaluated.found.items()},
        mean_accuracy={name: evaluated.mean(name) for name in evaluated.names},
        gap={row.benchmark: dict(row.gaps) for row in gap_rows},
        baseline_late_spread=baseline.late_spread,
        doubts=baseline.reasons,
    )
