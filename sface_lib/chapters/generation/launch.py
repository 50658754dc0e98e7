"""From the report's parameters to a trained generator: what notebook 02 and `sface generator train` share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from sface_lib.chapters.generation.parameters import GenerationParameters, GeneratorTrainingParameters
from sface_lib.chapters.study import open_study, weights_file
from sface_lib.data import FaceBatches, FaceSet
from sface_lib.engine import from_first, launch, make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.files import atomic_path
from sface_lib.generators import GENERATORS, SHIPPED_PATH, FaceGenerator, Trainer, draw, open_generator
from sface_lib.generators.contract import require_fit
from sface_lib.generators.opening import kimg_of, kind_of
from sface_lib.run.parameters import as_settings

GRID_CLASSES = 12
WEIGHTS_FILE = "generator.safetensors"
AnyParameters = GenerationParameters | GeneratorTrainingParameters


def given_weights(p: AnyParameters) -> Path | None:
    """The file of the weights that are given; None where a training begins with noise."""
    return weights_file(p.generator_weights, SHIPPED_PATH)


def given_generator(p: AnyParameters, n_classes: int) -> FaceGenerator:
    """The generator of the weights that are used as they are.

    Raises
    ------
    WeightsError
        The weights cannot be read, draw another size, or have another number of classes than the set has identities.
    """
    path = given_weights(p)
    generator = open_generator(path)
    require_fit(generator, path, p.generator_resolution_px, n_classes)
    return generator


def make_trainer(p: AnyParameters, data: FaceBatches, accelerator: Accelerator, folder: Path) -> Trainer:
    """A training of the kind of the given weights, or where none are given of `generator_kind`.

    Raises
    ------
    WeightsError
        The weights do not fit the set, or no training can go on from them.
    """
    weights = given_weights(p)
    name = p.generator_kind if weights is None else kind_of(weights)
    if GENERATORS[name].trainer is None:
        raise WeightsError(
            f"generators of the kind {name!r} are not trained here; give generator_weights, and total_kimg=0"
        )
    return GENERATORS[name].trainer(p, data, accelerator, folder, weights)


def kimg_before(p: AnyParameters) -> float:
    """Thousand images that the given weights had seen; 0 where none are given."""
    weights = given_weights(p)
    return 0.0 if weights is None else kimg_of(weights)


def training_images(
    p: GeneratorTrainingParameters, selection: str | Path | None = None
) -> tuple[FaceSet, tuple[tuple[str, str], ...]]:
    """The images that train, and (name, reason) of those that are left out because they can't be decoded.

    Of several processes the first looks for these.

    Raises
    ------
    BadImageError
        There are such images and `on_bad_image` is "stop"; it names all of them.
    """
    study = open_study(p)
    # Where bad images are skipped, what may train of the whole set is what is good of it.
    whole = p.on_bad_image == "skip" and selection is None
    looked_at = study.faces if whole else study.select(selection)
    looked_at.know(from_first(looked_at.inspect))
    return study.select() if whole else looked_at.usable(), looked_at.inspect().bad


def train_generator(
    p: GeneratorTrainingParameters,
    out: str | Path,
    selection: str | Path | None = None,
    faces: FaceSet | None = None,
) -> Path:
    """Train in a folder, on as many processes as were launched; give `out/generator.safetensors`.

    The folder keeps checkpoints, `log.jsonl`, and a grid of faces `grid-<step>.npy` for each snapshot. A run that was
    stopped goes on; a longer `total_kimg` prolongs a finished one.

    Parameters
    ----------
    selection, faces
        A file that says which images train, or these images themselves where they are open already.
    """
    if p.total_kimg == 0:
        raise InputError("total_kimg = 0 trains nothing; give a length above 0")
    out = Path(out)
    target = out / WEIGHTS_FILE
    accelerator = make_accelerator(p.precision)
    faces = training_images(p, selection)[0] if faces is None else faces
    data = FaceBatches(faces, p.generator_resolution_px)
    out.mkdir(parents=True, exist_ok=True)
    trainer = make_trainer(p, data, accelerator, out)
    trainer.train(grid_writer(out, data.n_classes, accelerator, p.seed))
    if accelerator.is_main_process:
        trainer.save(target)
    return target


def launch_generator(p: AnyParameters, out: Path, selection: Path) -> FaceGenerator:
    """`train_generator` in `p.processes` processes that are started for it."""
    command = ["generator", "train", "--out", str(out), "--selection", str(selection)]
    launch(p.processes, [*command, *as_settings(p, GeneratorTrainingParameters)], out / "launch.log")
    return open_generator(out / WEIGHTS_FILE)


def grid_writer(
    folder: Path, n_classes: int, accelerator: Accelerator, seed: int
) -> Callable[[int, FaceGenerator], None]:
    """What draws the same faces at every snapshot: one of each of some classes, or some where there are no classes."""
    if n_classes:
        classes = np.linspace(0, n_classes - 1, min(GRID_CLASSES, n_classes)).astype(int)
        indices = np.zeros(len(classes), int)
    else:
        classes, indices = np.zeros(GRID_CLASSES, int), np.arange(GRID_CLASSES)

    def write(step: int, generator: FaceGenerator) -> None:
        row = draw(generator, accelerator, classes, indices, seed)
        with atomic_path(folder / f"grid-{step:09d}.npy") as path:
            np.save(path, row.numpy())

    return write
