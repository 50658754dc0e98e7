"""Which recognition models are trained, on equal images for all that are compared, and their training."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sface_lib.chapters import handover
from sface_lib.chapters.setspec import AUTHENTIC, UNLABELLED
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.study import Study
from sface_lib.chapters.training.launch import launch_recognition, make_recipe, train_recognition
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.plan import PlannedModel, TrainingSet, plan_models
from sface_lib.chapters.training.results import TrainedModel, TrainingResults
from sface_lib.data import FaceBatches, FaceSet
from sface_lib.engine import read_log
from sface_lib.errors import ParameterError
from sface_lib.files import sha256_of_file
from sface_lib.recognition import ProtocolPairs, RecognitionModel, open_model, untrained_model


@dataclass(frozen=True, eq=False)
class Plan:
    """The models of a report and their training images.

    Attributes
    ----------
    sets
        "authentic", then the synthetic sets by their names.
    models
        Those to be trained, each baseline before the models that it teaches.
    too_few
        Those that have too few images for a batch, or images of one class alone.
    """

    sets: Mapping[str, TrainingSet]
    models: tuple[PlannedModel, ...]
    too_few: tuple[PlannedModel, ...] = ()

    def classes(self, model: PlannedModel) -> int | None:
        """How many classes its training images show; None where they have no labels."""
        labels = self.sets[model.images].faces.labels
        return None if labels is None else len(np.unique(labels[model.positions]))

    @cached_property
    def compared(self) -> tuple[PlannedModel, ...]:
        """The baseline, and CLS, KT and CL of the sets, of the first seed."""
        first = self.models[0].seed
        return tuple(model for model in self.models if model.compared and model.seed == first)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Names of the sets without labels."""
        return tuple(name for name, each in self.sets.items() if each.labels == UNLABELLED)


@dataclass(frozen=True)
class Training:
    """How a model was trained: seconds in this run, and its log, a row at each interval."""

    seconds: float
    log: tuple[Mapping[str, Any], ...]

    @property
    def accuracies(self) -> tuple[tuple[int, float], ...]:
        """Pairs of training step and accuracy in training; none without validation."""
        return tuple((row["step"], row["accuracy"]) for row in self.log if "accuracy" in row)


def open_plan(stage: Any, study: Study) -> Plan:
    """The plan of a stage, from the sets that earlier notebooks left."""
    sets = {AUTHENTIC: TrainingSet(study.training)}
    sets |= {each.name: TrainingSet(each.faces, each.labels) for each in study.synthetic}
    first, p = study.synthetic[0], stage.parameters
    filtered = handover.filtered_sets(stage, first.name) if p.train_filtered and first.labels != UNLABELLED else {}
    return make_plan(p, sets, filtered)


def make_plan(p: TrainingParameters, sets: Mapping[str, TrainingSet], filtered: Mapping[float, np.ndarray]) -> Plan:
    """See `plan_models`; what has too few images is set apart.

    Raises
    ------
    ParameterError
        `teach_sets` names an unknown set, or the sets have too few images in common for the baseline to be trained on.
    """
    planned = plan_models(p, sets, filtered)
    whole = Plan(sets, tuple(planned))
    enough = {m.file for m in planned if len(m.positions) >= p.recognition_batch and whole.classes(m) != 1}
    if planned[0].file not in enough:
        raise ParameterError(
            f"recognition_batch = {p.recognition_batch} is more than the {len(planned[0].positions)} images that each "
            "set gives where all are as large as the smallest; lower it, leave that set out, or set set_size=own"
        )
    return Plan(sets, *(tuple(m for m in planned if (m.file in enough) == wanted) for wanted in (True, False)))


def given_teacher(p: TrainingParameters) -> RecognitionModel | None:
    """The teacher that the user gave; None where the baseline of each seed teaches."""
    return None if p.teacher == BASELINE else open_model(p.teacher)


def train_all(
    stage: Any,
    plan: Plan,
    given: RecognitionModel | None,
    judged_on: tuple[FaceSet, ProtocolPairs] | None = None,
) -> dict[str, Training]:
    """Train every model and write its weights, and those of the untrained network; give the trainings by file.

    See `train_recognition` for `judged_on`.
    """
    p = stage.parameters
    untrained_model(make_recipe(p, p.seed)).save(stage.output("weights/untrained.safetensors"))
    decoded = {} if p.processes > 1 else decode(plan, p.recognition_resolution_px)
    baselines, done = {}, {}
    for model in plan.models:
        started, work = time.perf_counter(), stage.scratch(model.file)
        teacher = (given or baselines.get(model.seed)) if model.strategy != "CLS" else None
        how = (work, model.seed, teacher, judged_on)
        if decoded:
            used, data = decoded[model.images]
            data = data.subset(np.searchsorted(used, model.positions))
            trained = train_recognition(p, model.strategy, data, *how)
        else:
            faces = plan.sets[model.images].faces.subset(model.positions)
            trained = launch_recognition(p, model.strategy, faces, *how)
        trained.save(stage.output(weights_file(model)))
        if model.images == AUTHENTIC and model.compared:
            baselines[model.seed] = trained
        done[model.file] = Training(time.perf_counter() - started, tuple(read_log(work / "log.jsonl")))
    return done


def decode(plan: Plan, size_px: int) -> dict[str, tuple[np.ndarray, FaceBatches]]:
    """For each set the positions that any model learns from, ascending, and those images, decoded once for all."""
    found = {}
    for name, each in plan.sets.items():
        positions = [model.positions for model in plan.models if model.images == name]
        if positions:
            used = np.unique(np.concatenate(positions))
            found[name] = used, FaceBatches(each.faces.subset(used), size_px)
    return found


def validation_pairs(p: TrainingParameters, study: Study) -> tuple[FaceSet, ProtocolPairs] | None:
    """Images and pairs of the first benchmark, where validation judges on them."""
    if not p.validation_interval_steps or p.validation_identities:
        return None
    faces, benchmarks = study.evaluated
    return faces, next(iter(benchmarks.values()))


def weights_file(model: PlannedModel) -> str:
    """Where a model's weights lie, relative to the run folder."""
    return f"weights/{model.file}.safetensors"


def teacher_in_words(given: RecognitionModel | None) -> str:
    """Who teaches KT and CL."""
    return f"the model given ({given.description['trained_on']})" if given else "the authentic baseline of this run"


def results(
    stage: Any, plan: Plan, trainings: Mapping[str, Training], given: RecognitionModel | None
) -> TrainingResults:
    """What later chapters find."""
    p, first = stage.parameters, plan.models[0]
    return TrainingResults(
        training_images=len(first.positions),
        classes=plan.classes(first),
        steps=p.training_steps,
        batch=p.recognition_batch,
        models=tuple(
            TrainedModel(
                name=model.name,
                strategy=model.strategy,
                trained_on=model.images,
                per_class=model.per_class,
                fmr=model.fmr,
                seed=model.seed,
                file=weights_file(model),
                images=len(model.positions),
                classes=plan.classes(model),
                seconds=trainings[model.file].seconds,
                accuracies=trainings[model.file].accuracies,
            )
            for model in plan.models
        ),
        teacher=teacher_in_words(given),
        teacher_sha256=sha256_of_file(p.teacher if given else stage.output(weights_file(first))),
        backbone=p.backbone,
        model_px=p.recognition_resolution_px,
        image_px={name: each.faces.resolution for name, each in plan.sets.items()},
    )
