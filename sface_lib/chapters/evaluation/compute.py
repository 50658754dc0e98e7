"""The gap between authentic and synthetic training, whether it counts, and what later chapters find."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sface_lib.biometrics import Estimate, PairMean, average, seed_variances
from sface_lib.chapters.evaluation.models import Evaluated, ModelEmbeddings, ModelOnBenchmark
from sface_lib.chapters.evaluation.results import EvaluationResults, Gap, SetDifference
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.results import BY_LABELS, GIVEN, TrainingResults
from sface_lib.data import FaceSet
from sface_lib.files import sha256_of_file
from sface_lib.privacy.verdict import ALPHA, holm
from sface_lib.recognition import TRAINED_OUT, ProtocolPairs, late_spread

PLAN = "plans/evaluation.json"
MEAN = "mean"  # Stands for all benchmarks where one is named.
LOWEST_MEAN_ACCURACY = 0.85  # Of a baseline that is trained out.


@dataclass(frozen=True)
class BenchmarkGaps:
    """On a benchmark, or in the "mean": accuracy of the baseline, and each synthetic set's models' gaps to it."""

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
    given
        Whether it was trained elsewhere, where no curve is known.
    """

    late_spread: float | None
    mean_accuracy: float
    given: bool = False

    @property
    def trained_out(self) -> bool:
        """Whether a gap to it may be relied on."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not trained out, as sentences without a full stop; none where it is."""
        reasons = []
        if self.late_spread is None and not self.given:
            reasons.append("whether it had converged was not measured because validation was off")
        if self.late_spread is not None and self.late_spread >= TRAINED_OUT:
            reasons.append(f"the last third of its curve spreads {100 * self.late_spread:.1f} points")
        if self.mean_accuracy < LOWEST_MEAN_ACCURACY:
            reasons.append(f"its mean accuracy is {100 * self.mean_accuracy:.1f} %")
        return tuple(reasons)


def gaps(evaluated: Evaluated) -> tuple[BenchmarkGaps, ...]:
    """The gaps on each benchmark, and last in the mean where there are several benchmarks; none without a baseline.

    The mean of the benchmarks has an interval only where all show the same identities.
    """
    if not evaluated.has_baseline:
        return ()
    names = (BASELINE, *evaluated.synthetic, *evaluated.mixed)
    single = [_gaps(benchmark, names, [models], True) for benchmark, models in evaluated.by_benchmark.items()]
    if len(single) == 1:
        return tuple(single)
    paired = share_identities(evaluated.pairs.values())
    return (*single, _gaps(MEAN, names, list(evaluated.by_benchmark.values()), paired))


def _gaps(
    benchmark: str, names: Sequence[str], parts: Sequence[Mapping[str, ModelOnBenchmark]], paired: bool
) -> BenchmarkGaps:
    """`names` are those of the compared models, the baseline first."""
    baseline, *others = (_by_seed(name, parts) for name in names)
    differences = _differences([(baseline, each) for each in others])
    gaps_to_it = {name: _gap(each, paired) for name, each in zip(names[1:], differences, strict=True)}
    return BenchmarkGaps(benchmark, average(baseline).value, gaps_to_it)


def plan_differences(
    weights: Sequence[tuple[str, int, Path | str]], trained: TrainingResults, faces: FaceSet, pairs: Path
) -> dict[str, Any]:
    """The family of differences between sets, as JSON: fixed before any pair is scored; empty with fewer than two sets.

    `weights` is what is evaluated (name, seed, file), `pairs` the file of the evaluated pairs.
    """
    compared = (model for model in trained.models if model.compared and model.name != BASELINE)
    models = {model.name: model.trained_on for model in compared if model.strategy in BY_LABELS}
    if len(models) < 2:
        return {}
    plan = {
        "claims": [f"{one} minus {other}" for one, other in itertools.combinations(models.values(), 2)],
        "models": {f"{name}, seed {seed}": sha256_of_file(path) for name, seed, path in weights if name in models},
        "images": faces.fingerprint,
        "pairs": sha256_of_file(pairs),
        "alpha": ALPHA,
        "correction": "Holm, over all pairs of sets",
    }
    return {"accuracy in the mean of the benchmarks": plan}


def between_sets(evaluated: Evaluated) -> tuple[SetDifference, ...]:
    """CLS of each two sets on the same pairs, in the mean of the benchmarks; all of these are a family (Holm).

    None where fewer than two sets train CLS, or the benchmarks do not show the same identities, so that the mean has no
    interval.
    """
    parts, pairs = list(evaluated.by_benchmark.values()), list(itertools.combinations(evaluated.by_labels, 2))
    if not pairs or (len(parts) > 1 and not share_identities(evaluated.pairs.values())):
        return ()
    of = {name: _by_seed(name, parts) for name in evaluated.by_labels}
    differences = _differences([(of[one], of[other]) for one, other in pairs])
    p_values = holm([each.p_of_zero() for each in differences]).tolist()
    sets = [[evaluated.trained[name].trained_on for name in pair] for pair in pairs]
    return tuple(
        SetDifference(*names, _gap(each, True), p) for names, each, p in zip(sets, differences, p_values, strict=True)
    )


def _differences(pairs: Sequence[tuple[list[PairMean], list[PairMean]]]) -> list[Estimate]:
    """Of each two models, given by their seeds, the one minus the other, with what seeds add in common to all pairs.

    A network that was given has one seed, which is set against each of the other's.
    """
    by_seed = [[one - other for one, other in zip(*_as_many(*pair), strict=True)] for pair in pairs]
    return [average(own).estimate(seeds) for own, seeds in zip(by_seed, seed_variances(by_seed), strict=True)]


def _as_many(one: list[PairMean], other: list[PairMean]) -> tuple[list[PairMean], list[PairMean]]:
    seeds = max(len(one), len(other))
    return one * (seeds // len(one)), other * (seeds // len(other))


def _gap(difference: Estimate, paired: bool) -> Gap:
    if not paired:
        return Gap(difference.value, None, None)
    interval = difference.interval()
    return Gap(difference.value, interval.low, interval.high)


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


def baseline_training(evaluated: Evaluated) -> BaselineTraining | None:
    """How far the baseline of the first seed was trained, by its curve, and how accurate the baselines are."""
    if not evaluated.has_baseline:
        return None
    baseline = evaluated.trained[BASELINE]
    spread = late_spread(*zip(*baseline.accuracies, strict=True)) if baseline.accuracies else None
    return BaselineTraining(spread, evaluated.mean(BASELINE), baseline.strategy == GIVEN)


def results(
    faces: FaceSet,
    embedded: ModelEmbeddings,
    evaluated: Evaluated,
    gap_rows: Sequence[BenchmarkGaps],
    differences: Sequence[SetDifference],
    baseline: BaselineTraining | None,
) -> EvaluationResults:
    """What later chapters find."""
    return EvaluationResults(
        pairs={benchmark: len(own.same) for benchmark, own in evaluated.pairs.items()},
        folds=tuple(np.unique(evaluated.pairs[evaluated.first_benchmark].fold).tolist()),
        image_px=faces.resolution,
        model_px=dict(embedded.model_px),
        seeds=evaluated.seeds,
        accuracy={
            b: {name: model.accuracy for name, model in models.items()} for b, models in evaluated.by_benchmark.items()
        },
        mean_accuracy={name: evaluated.mean(name) for name in evaluated.names},
        gap={row.benchmark: dict(row.gaps) for row in gap_rows},
        between_sets=tuple(differences),
        baseline_late_spread=baseline.late_spread if baseline else None,
        doubts=baseline.reasons if baseline else (),
    )
