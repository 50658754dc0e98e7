"""What a report would read, train and cost: every path is opened, and a step of each training is measured here."""

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.chapters.costs import (
    Cost,
    Sizes,
    attribute_cost,
    audit_costs,
    evaluation_cost,
    eyes_cost,
    look_cost,
    start_cost,
)
from sface_lib.chapters.generation.launch import given_generator, make_trainer
from sface_lib.chapters.privacy.remedies import rates
from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.setspec import AUTHENTIC, SHIPPED, UNLABELLED
from sface_lib.chapters.study import open_persons, open_study
from sface_lib.chapters.synthetic import open_given, open_images
from sface_lib.chapters.training.launch import make_recipe
from sface_lib.chapters.training.plan import TrainingSet, plan_models
from sface_lib.data import FaceBatches, FaceSet, holds_bins, open_bins, read_protocol, select_images
from sface_lib.engine import make_accelerator, time_calls
from sface_lib.generators import draw
from sface_lib.population import shipped_faces
from sface_lib.recognition import RecognitionTrainer
from sface_lib.run.contents import files_of
from sface_lib.run.parameters import input_paths

MEASURED_PIXELS = 64 * 64**2  # In a batch, on a CPU; a GPU is measured at the batch asked for.
LEAST_STEPS = 10  # Of a training that is measured.
GIB = 2**30
FACES = ("authentic", "control", "held_out", "protocol_faces")


def dry_run(p: ReportParameters) -> Iterator[str]:
    """Lines that say what the report would read and cost; nothing is written.

    Raises
    ------
    SfaceError
        A path holds something else than it should, or what is asked for cannot be trained.
    """
    yield "Inputs:"
    yield from _describe_inputs(p)
    faces = open_study(p).select()
    faces = faces.subset(select_images(faces.require_labels(), p.min_images))
    yield f"  training: {len(faces):,} images of {len(faces.identities):,} identities, those of the pairs included"
    sets = _training_sets(p, faces)
    models = plan_models(p, sets, _filtered(p, sets))
    with tempfile.TemporaryDirectory() as work:
        trained = [*_generation(p, faces, Path(work))] if p.generates else []
        trained += _recognition(p, faces, len(models), Path(work)) if p.train else []
    costs = [*trained, *_notebooks(p, faces, sets, len(models))]
    device = make_accelerator(p.precision).device
    yield f"Work, by one process on this machine ({device}, {os.cpu_count()} cores):"
    for cost in costs:
        memory = "" if cost.gib is None else f", {cost.gib:.1f} GiB of memory"
        pace = _pace(cost.seconds)
        yield f"  {cost.what}: {cost.images:,} {cost.unit}, {pace}, {_duration(cost.total)}{memory}"
    yield f"In all: {_duration(sum(cost.total for cost in costs))}{_shared(costs, p.processes)}"
    yield "Not counted: figures, label shuffles, planted copies, comparisons of attributes."


def _duration(seconds: float) -> str:
    """In the largest unit that needs no decimals, or in hours."""
    if seconds < 100:
        return f"{seconds:.0f} seconds" if seconds >= 1.5 else "a second or less"
    return f"{seconds / 60:.0f} minutes" if seconds < 100 * 60 else f"{seconds / 3600:.1f} hours"


def _pace(seconds: float) -> str:
    """How many are done in a second, or how long one takes."""
    return f"{1 / seconds:,.0f} a second" if seconds < 1 else f"{seconds:.1f} seconds each"


def _shared(costs: Sequence[Cost], processes: int) -> str:
    """What several processes make of it."""
    if processes == 1:
        return ""
    seconds = sum(cost.total / (1 if cost.alone else processes) for cost in costs)
    return (
        f"; {_duration(seconds)} if {processes} processes share trainings and embeddings evenly, the rest being "
        "done by one process"
    )


def _describe_inputs(p: ReportParameters) -> Iterator[str]:
    paths = input_paths(p)
    specs = {f"synthetic {each.name}": each for each in p.synthetic}
    for name, path in sorted(paths.items()):
        contents = ""
        if name in specs or name in FACES:
            faces = open_images(specs[name]) if name in specs else open_persons(name, str(path))
            contents = f", {faces.kind}, {len(faces):,} images, {len(faces.identities):,} identities"
        elif name == "protocol":
            contents = _pairs(path)
        yield f"  {name}: {path}, {_size(path) / GIB:.2f} GiB{contents}"
    if not paths:
        yield "  the embedded population and what ships with it"


def _pairs(path: Path) -> str:
    protocols = open_bins(path)[1] if holds_bins(path) else {path.stem: read_protocol(path)}
    return ", " + ", ".join(f"{each}: {len(pairs):,} pairs" for each, pairs in protocols.items())


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in files_of(path)[1])


class _Noise(FaceBatches):
    """As many images and classes as the real set, of noise."""

    def __init__(self, labels: np.ndarray, size_px: int):
        self.labels, self.n_classes, self.size_px = torch.from_numpy(labels), int(labels.max()) + 1, size_px
        self.labelled, self.fingerprint = True, "noise"
        self._noise = torch.randint(256, (64, 3, size_px, size_px), dtype=torch.uint8)
        self._pixels = self._noise

    def images(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        indices = torch.as_tensor(np.asarray(indices))
        return self._noise[indices % len(self._noise)], self.labels[indices]


def _notebooks(p: ReportParameters, faces: FaceSet, sets: Mapping[str, TrainingSet], trained: int) -> Iterator[Cost]:
    """What is done to whole sets in notebooks, each of which is one process."""
    study, accelerator = open_study(p), make_accelerator(p.precision)
    sizes, given = Sizes.of(p, study, faces), [name for name, each in sets.items() if each.model]
    yield start_cost(p)
    yield look_cost(study)
    if eyes := eyes_cost(p, sets):
        yield eyes
    yield from audit_costs(p, study, sets, sizes, accelerator)
    if p.has_models:
        yield evaluation_cost(p, study, trained + len(given), sizes, accelerator)
    if annotation := attribute_cost(p, study, sets, sizes, accelerator):
        yield annotation


def _generation(p: ReportParameters, faces: FaceSet, work: Path) -> Iterator[Cost]:
    """Training and sampling of the generator."""
    accelerator = make_accelerator(p.precision)
    if p.total_kimg:
        batch = _measured(p.generator_batch, p.generator_resolution_px, accelerator)
        noise = _Noise(faces.labels, p.generator_resolution_px)
        trainer = make_trainer(p.model_copy(update={"generator_batch": batch}), noise, accelerator, work)
        seconds = trainer.measure_step().seconds / batch
        yield Cost("training of the generator", int(1000 * p.total_kimg), seconds)
        generator = trainer.generator
    else:
        generator = given_generator(p, len(faces.identities)).to(accelerator.device)
    classes, zeros = np.arange(16) % (generator.n_classes or 1), np.zeros(16, int)
    seconds = time_calls(lambda: draw(generator, accelerator, classes, zeros, p.seed)) / 16
    yield Cost("synthetic images", p.images_per_class * len(faces.identities), seconds, alone=True)


def _recognition(p: ReportParameters, faces: FaceSet, models: int, work: Path) -> Iterator[Cost]:
    """Training of all recognition models; what KT and CL take beyond CLS, the teacher's look, is left out."""
    accelerator = make_accelerator(p.precision)
    asked = make_recipe(p, p.seed)
    batch = _measured(asked.batch, asked.size_px, accelerator)
    recipe = dataclasses.replace(asked, batch=batch, gradient_accumulation_steps=1, steps=max(asked.steps, LEAST_STEPS))
    trainer = RecognitionTrainer(_Noise(faces.labels, asked.size_px), "CLS", recipe, accelerator, work)
    step = trainer.measure_step()
    weights = sum(v.numel() * v.element_size() for m in (trainer.network, trainer.objective) for v in m.parameters())
    micro_batch = asked.batch / (p.processes * asked.gradient_accumulation_steps)
    gib = (3 * weights + step.saved_bytes * micro_batch / recipe.batch) / GIB
    yield Cost(
        f"training of {models} recognition models", models * asked.steps * asked.batch, step.seconds / recipe.batch, gib
    )


def _training_sets(p: ReportParameters, faces: FaceSet) -> dict[str, TrainingSet]:
    """The training images of all models; of the generator's set, which is not there yet, their number alone."""
    drawn = np.repeat(np.arange(len(faces.identities)), p.images_per_class)
    sets = {AUTHENTIC: TrainingSet(faces, model=p.baseline_model)}
    for each in p.synthetic:
        if each.generated:
            images = SimpleNamespace(labels=drawn)
        elif each.path == SHIPPED:
            images = shipped_faces("unexposed")
        else:
            images = open_given(each, faces.identities, p.identity_order).faces
        sets[each.name] = TrainingSet(images, each.labels, each.model)
    return sets


def _filtered(p: ReportParameters, sets: Mapping[str, TrainingSet]) -> dict[float, np.ndarray]:
    """As if the filters took nothing."""
    first = sets[p.synthetic[0].name]
    asked = rates(p) if p.train_filtered and first.labels != UNLABELLED else ()
    return {fmr: np.arange(len(first.faces.labels)) for fmr in asked}


def _measured(batch: int, size_px: int, accelerator: Accelerator) -> int:
    return batch if accelerator.device.type != "cpu" else min(batch, max(4, MEASURED_PIXELS // size_px**2))
