"""The models: their embeddings of the evaluated images, and what each reaches on each benchmark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from accelerate import Accelerator

from sface_lib.biometrics import Estimate, PairMean, average, seed_variances
from sface_lib.chapters.evaluation.results import Accuracy
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.results import BY_LABELS, GIVEN, TrainedModel, TrainingResults
from sface_lib.data import FaceSet
from sface_lib.recognition import (
    PIXELS_PX,
    Evaluation,
    ProtocolPairs,
    embed_faces,
    evaluate,
    learnt,
    open_model,
    pixel_embeddings,
)

REFERENCES = ("raw pixels", "untrained")

Verdict = Literal["reference", "learnt", "did not learn"]


@dataclass(frozen=True, eq=False)
class ModelEmbeddings:
    """The evaluated images as every model sees them.

    Attributes
    ----------
    embeddings
        Model -> seed -> rows of unit length, float32 `[N, d]`; models and seeds in the order of their evaluation.
    model_px
        Model -> side of the images that it sees; None where that is not known.
    """

    embeddings: Mapping[str, Mapping[int, np.ndarray]]
    model_px: Mapping[str, int | None]

    def first(self, model: str) -> np.ndarray:
        """Embeddings by the model's first seed."""
        return next(iter(self.embeddings[model].values()))


@dataclass(frozen=True, eq=False)
class ModelOnBenchmark:
    """What a model reaches on a benchmark: its evaluations, one for each seed, the mean of them, and the verdict.

    The interval of `estimate` tells how the accuracy varies with the identities and, where there are several seeds,
    with the seed.
    """

    evaluations: tuple[Evaluation, ...]
    estimate: Estimate
    verdict: Verdict

    @property
    def mean(self) -> PairMean:
        """The accuracy over pairs, in the mean of the seeds."""
        return average([each.mean for each in self.evaluations])

    @property
    def first(self) -> Evaluation:
        """The evaluation of the first seed."""
        return self.evaluations[0]

    @cached_property
    def accuracy(self) -> Accuracy:
        """Mean and standard deviation (ddof = 0) over seeds, with the interval and the verdict."""
        interval = self.estimate.interval()
        over_seeds = float(np.std([each.accuracy.mean for each in self.evaluations]))
        return Accuracy(self.estimate.value, over_seeds, interval.low, interval.high, self.verdict)

    @property
    def sd_over_folds(self) -> float:
        """Standard deviation over folds, mean of the seeds."""
        return float(np.mean([each.accuracy.sd for each in self.evaluations]))

    @property
    def share_correct(self) -> np.ndarray:
        """Share of the seeds that judge each pair rightly, float64 `[P]`."""
        return np.mean([each.accuracy.correct for each in self.evaluations], 0)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Every model on every benchmark: benchmark -> pairs, and benchmark -> model -> what it reaches.

    `trained` has how each model was trained, whatever its seed, but for the references and a teacher that was given.
    """

    pairs: Mapping[str, ProtocolPairs]
    by_benchmark: Mapping[str, Mapping[str, ModelOnBenchmark]]
    trained: Mapping[str, TrainedModel]

    @property
    def first_benchmark(self) -> str:
        """The one that the sentences name."""
        return next(iter(self.pairs))

    @property
    def names(self) -> tuple[str, ...]:
        """All models."""
        return tuple(self.by_benchmark[self.first_benchmark])

    @property
    def shown(self) -> tuple[str, ...]:
        """The models without those of the sweep over images per class."""
        swept = {name for name, model in self.trained.items() if model.per_class is not None}
        return tuple(name for name in self.names if name not in swept)

    @property
    def compared(self) -> tuple[str, ...]:
        """The baseline, and CLS, KT and CL of each synthetic set."""
        return tuple(name for name, model in self.trained.items() if model.compared)

    @property
    def synthetic(self) -> tuple[str, ...]:
        """Those of them that learnt from synthetic images."""
        return tuple(name for name in self.compared if name != BASELINE)

    @property
    def by_labels(self) -> tuple[str, ...]:
        """CLS of each synthetic set, or the network that was given with it."""
        return tuple(name for name in self.synthetic if self.trained[name].strategy in BY_LABELS)

    @property
    def mixed(self) -> tuple[str, ...]:
        """Those that learnt from synthetic images with a share of authentic ones, in the order of their training."""
        return tuple(name for name, model in self.trained.items() if model.mix is not None)

    @property
    def main(self) -> str:
        """The one that stands for all where one is looked at closely: CLS of the first set, or the only model."""
        return (self.by_labels or self.synthetic or self.compared)[0]

    @property
    def has_baseline(self) -> bool:
        """Whether a network of authentic faces was trained or given."""
        return BASELINE in self.trained

    @property
    def seeds(self) -> int:
        """Of the models that were trained here; 1 where all were given."""
        return max(len(self.by_benchmark[self.first_benchmark][name].evaluations) for name in self.compared)

    def mean(self, model: str) -> float:
        """Mean accuracy of a model over the benchmarks."""
        return float(np.mean([models[model].estimate.value for models in self.by_benchmark.values()]))


def weights_to_evaluate(stage: Any, trained: TrainingResults) -> list[tuple[str, int, Path | str]]:
    """Name, seed and file of each network: the untrained one, the trained ones, and a teacher that was given."""
    p = stage.parameters
    files = [("untrained", p.seed, stage.input("weights/untrained.safetensors"))]
    for model in trained.models:
        given = model.strategy == GIVEN
        files.append((model.name, model.seed, model.file if given else stage.input(model.file)))
    return [*files, *([("teacher given", p.seed, p.teacher)] if p.teacher != BASELINE else [])]


def embed_all(
    faces: FaceSet, weights: Iterable[tuple[str, int, Path | str]], accelerator: Accelerator, seed: int
) -> ModelEmbeddings:
    """Embed the images by raw pixels, which stand under `seed`, and by each network in turn.

    Raises
    ------
    InputError
        A file of weights cannot be opened.
    """
    embeddings, model_px = {"raw pixels": {seed: pixel_embeddings(faces)}}, {"raw pixels": PIXELS_PX}
    for name, own_seed, path in weights:
        model = open_model(path)
        embeddings.setdefault(name, {})[own_seed] = embed_faces(model, faces, accelerator)
        model_px[name] = model.spec.size_px
    return ModelEmbeddings(embeddings, model_px)


def evaluate_all(embedded: ModelEmbeddings, pairs: Mapping[str, ProtocolPairs], trained: TrainingResults) -> Evaluated:
    """Judge every model on the pairs of every benchmark.

    Raises
    ------
    InputError
        See `evaluate`.
    """
    by_benchmark = {}
    for benchmark, own in pairs.items():
        evaluations = {
            name: [evaluate(rows, own) for rows in by_seed.values()] for name, by_seed in embedded.embeddings.items()
        }
        by_benchmark[benchmark] = pool_seeds(evaluations)
    return Evaluated(pairs, by_benchmark, _first_seeds(trained))


def _first_seeds(trained: TrainingResults) -> dict[str, TrainedModel]:
    models: dict[str, TrainedModel] = {}
    for model in trained.models:
        models.setdefault(model.name, model)
    return models


def pool_seeds(evaluations: Mapping[str, Sequence[Evaluation]]) -> dict[str, ModelOnBenchmark]:
    """The models of one benchmark, both references among them, each from the evaluations of its seeds."""
    by_seed = [[each.mean for each in evaluations_of_seeds] for evaluations_of_seeds in evaluations.values()]
    estimates = {
        name: average(means).estimate(seeds)
        for name, means, seeds in zip(evaluations, by_seed, seed_variances(by_seed), strict=True)
    }
    return {
        name: ModelOnBenchmark(tuple(evaluations_of_seeds), estimates[name], verdict(name, estimates))
        for name, evaluations_of_seeds in evaluations.items()
    }


def verdict(model: str, estimates: Mapping[str, Estimate]) -> Verdict:
    """Whether a model learnt: its lower bound is above the accuracy of both references."""
    if model in REFERENCES:
        return "reference"
    return "learnt" if learnt(estimates[model], [estimates[reference] for reference in REFERENCES]) else "did not learn"


def share_correct(evaluated: Evaluated) -> dict[str, dict[str, np.ndarray]]:
    """Benchmark -> compared model -> share of its seeds that judge each pair rightly, float64 `[P]`."""
    return {
        benchmark: {name: models[name].share_correct for name in evaluated.compared}
        for benchmark, models in evaluated.by_benchmark.items()
    }
