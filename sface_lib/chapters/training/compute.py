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
from sface_lib.chapters.training.results import GIVEN, TrainedModel, TrainingResults
from sface_lib.data import FaceBatches, FaceSet, join
from sface_lib.engine import read_log
from sface_lib.errors import ParameterError, RunError
from sface_lib.files import sha256_of_file
from sface_lib.recognition import STRATEGIES, ProtocolPairs, RecognitionModel, open_model, untrained_model

NORM_IMAGES = 64  # Whose statistics the untrained network's norms take.


@dataclass(frozen=True, eq=False)
class Plan:
    """The models of a report and their training images.

    Attributes
    ----------
    sets
        "authentic", then the synthetic sets by their names; each of authentic faces alone may have a model, too.
    models
        Those to be trained, each baseline before the models that it teaches.
    too_few
        Those that have too few images for a batch, or images of one class alone.
    """

    sets: Mapping[str, TrainingSet]
    models: tuple[PlannedModel, ...]
    too_few: tuple[PlannedModel, ...] = ()

    def images(self, model: PlannedModel) -> FaceSet:
        """Its training images."""
        faces = self.sets[model.images].faces if model.mix is None else self.mixed[model.images]
        return faces.subset(model.positions)

    @cached_property
    def mixed(self) -> dict[str, FaceSet]:
        """By the sets that are mixed: their images, and behind them the authentic ones, as other identities."""
        names = dict.fromkeys(model.images for model in self.models if model.mix is not None)
        return {name: join({each: self.sets[each].faces for each in (name, AUTHENTIC)}) for name in names}

    def classes(self, model: PlannedModel) -> int | None:
        """How many classes its training images show; None where they have no labels."""
        own = self.sets[model.images].faces.labels
        if own is None:
            return None
        positions, beyond = model.positions, model.positions[model.positions >= len(own)] - len(own)
        authentic = np.unique(self.sets[AUTHENTIC].faces.labels[beyond]) if len(beyond) else ()
        return len(np.unique(own[positions[positions < len(own)]])) + len(authentic)

    @property
    def given(self) -> dict[str, str]:
        """Weights of the networks that were given, by the set that they were trained on."""
        return {name: each.model for name, each in self.sets.items() if each.model}

    @cached_property
    def compared(self) -> tuple[PlannedModel, ...]:
        """The baseline, and CLS, KT and CL of the sets, of the first seed."""
        return tuple(model for model in self.models if model.compared and model.seed == self.models[0].seed)

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
    first, p = study.synthetic[0], stage.parameters
    models = {each.name: each.model for each in p.synthetic}
    sets = {AUTHENTIC: TrainingSet(study.training, model=p.baseline_model)}
    sets |= {each.name: TrainingSet(each.faces, each.labels, models[each.name]) for each in study.synthetic}
    filters = p.train_filtered and first.labels != UNLABELLED
    if filters and not stage.has_finished("03_privacy"):
        raise RunError(
            "train_filtered = True trains on what notebook 03_privacy leaves of the first set, and that has not "
            "finished here; run it first, or set train_filtered = False"
        )
    return make_plan(p, sets, handover.filtered_sets(stage, first.name) if filters else {})


def make_plan(p: TrainingParameters, sets: Mapping[str, TrainingSet], filtered: Mapping[float, np.ndarray]) -> Plan:
    """See `plan_models`; what has too few images is set apart.

    Raises
    ------
    ParameterError
        `teach_sets` names an unknown set, the sets have too few images in common for the first model to be trained on,
        or nothing is trained and nothing given.
    """
    if not p.has_models:
        raise ParameterError(
            "train = False and no model is given (baseline_model, or a set's model in a study file), so that notebooks "
            "04 and 05 have nothing to do; go on with notebook 06, or set train = True"
        )
    planned = plan_models(p, sets, filtered)
    whole = Plan(sets, tuple(planned))
    enough = {m.file for m in planned if len(m.positions) >= p.recognition_batch and whole.classes(m) != 1}
    if planned and planned[0].file not in enough:
        raise ParameterError(
            f"recognition_batch = {p.recognition_batch} is more than the {len(planned[0].positions)} images that each "
            "set gives where all are as large as the smallest; lower it, leave that set out, or set set_size=own"
        )
    return Plan(sets, *(tuple(m for m in planned if (m.file in enough) == wanted) for wanted in (True, False)))


def given_teacher(p: TrainingParameters) -> RecognitionModel | None:
    """The teacher that the user gave, or the baseline if that was given; None where that of each seed teaches."""
    path = _teacher_file(p)
    return open_model(path) if path and p.train else None


def _teacher_file(p: TrainingParameters) -> str:
    """Weights of a teacher that was given, which the baseline may be; empty without one."""
    return p.baseline_model if p.teacher == BASELINE else p.teacher


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
    write_untrained(stage, plan.sets[AUTHENTIC].faces)
    decoded = {} if p.processes > 1 else decode(plan, p.recognition_resolution_px)
    baselines, done = {}, {}
    for model in plan.models:
        started, work = time.perf_counter(), stage.scratch(model.file)
        teacher = (given or baselines.get(model.seed)) if STRATEGIES[model.strategy].needs_teacher else None
        how = (work, model.seed, teacher, judged_on)
        if decoded:
            used, data = decoded[source_of(model)]
            data = data.subset(np.searchsorted(used, model.positions))
            trained = train_recognition(p, model.strategy, data, *how)
        else:
            trained = launch_recognition(p, model.strategy, plan.images(model), *how)
        trained.save(stage.output(weights_file(model)))
        if model.images == AUTHENTIC and model.compared:
            baselines[model.seed] = trained
        done[model.file] = Training(time.perf_counter() - started, tuple(read_log(work / "log.jsonl")))
    return done


def write_untrained(stage: Any, faces: FaceSet) -> None:
    """Write the weights of the untrained network, its norms measured on some images of a set."""
    p = stage.parameters
    some = np.linspace(0, len(faces) - 1, min(NORM_IMAGES, len(faces))).astype(np.int64)
    model = untrained_model(make_recipe(p, p.seed), faces.load(some, size_px=p.recognition_resolution_px))
    model.save(stage.output("weights/untrained.safetensors"))


def decode(plan: Plan, size_px: int) -> dict[tuple[str, bool], tuple[np.ndarray, FaceBatches]]:
    """For each source the positions that any model learns from, ascending, and those images, decoded once for all."""
    asked: dict[tuple[str, bool], list[PlannedModel]] = {}
    for model in plan.models:
        asked.setdefault(source_of(model), []).append(model)
    batches = {}
    for (name, mixed), models in asked.items():
        used = np.unique(np.concatenate([model.positions for model in models]))
        faces = plan.mixed[name] if mixed else plan.sets[name].faces
        batches[name, mixed] = used, FaceBatches(faces.subset(used), size_px)
    return batches


def source_of(model: PlannedModel) -> tuple[str, bool]:
    """Whose images it learns from, and whether they are mixed with authentic ones."""
    return model.images, model.mix is not None


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


def teacher_sha256(stage: Any, plan: Plan) -> str | None:
    """SHA-256 of the teacher's weights, of the first seed where there are several; None where nobody is taught."""
    p = stage.parameters
    if not any(STRATEGIES[model.strategy].needs_teacher for model in plan.models):
        return None
    return sha256_of_file(_teacher_file(p) or stage.output(weights_file(plan.models[0])))


def results(
    stage: Any, plan: Plan, trainings: Mapping[str, Training], given: RecognitionModel | None
) -> TrainingResults:
    """What later chapters find."""
    p = stage.parameters
    return TrainingResults(
        steps=p.training_steps,
        batch=p.recognition_batch,
        models=(
            *(_given(name, path, plan.sets[name], p.seed) for name, path in plan.given.items()),
            *(_told(model, plan.classes(model), weights_file(model), trainings[model.file]) for model in plan.models),
        ),
        teacher=teacher_in_words(given),
        teacher_sha256=teacher_sha256(stage, plan),
        backbone=p.backbone,
        model_px=p.recognition_resolution_px,
        image_px={name: each.faces.resolution for name, each in plan.sets.items()},
    )


def _given(name: str, path: str, learnt_from: TrainingSet, seed: int) -> TrainedModel:
    faces = learnt_from.faces
    model = PlannedModel(GIVEN, name, np.arange(len(faces)), seed)
    return _told(model, len(faces.identities) or None, path, Training(0.0, ()), sha256_of_file(path))


def _told(
    model: PlannedModel, classes: int | None, file: str, training: Training, sha256: str | None = None
) -> TrainedModel:
    return TrainedModel(
        name=model.name,
        strategy=model.strategy,
        taught=model.strategy != GIVEN and STRATEGIES[model.strategy].needs_teacher,
        trained_on=model.images,
        per_class=model.per_class,
        fmr=model.fmr,
        mix=model.mix,
        seed=model.seed,
        file=file,
        sha256=sha256,
        images=len(model.positions),
        classes=classes,
        seconds=training.seconds,
        accuracies=training.accuracies,
    )
