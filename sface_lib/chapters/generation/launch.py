"""From the report's parameters to a trained generator: what notebook 02 and `sface generator train` share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sface_lib.chapters.generation.parameters import GenerationParameters, GeneratorTrainingParameters
from sface_lib.chapters.study import open_study, weights_file
from sface_lib.data import FaceBatches, FaceSet
from sface_lib.engine import from_first, launch, make_accelerator, read_description
from sface_lib.errors import InputError, WeightsError
from sface_lib.files import atomic_path, sha256_of_file
from sface_lib.generator.foreign import import_stylegan2
from sface_lib.generator.networks import GeneratorSpec
from sface_lib.generator.recipe import GeneratorRecipe
from sface_lib.generator.sampling import draw
from sface_lib.generator.training import GeneratorTrainer
from sface_lib.generator.weights import SHIPPED_PATH, TrainedPair, load_generator, load_pair, save_pair
from sface_lib.run.parameters import as_settings

GRID_CLASSES = 12
WEIGHTS_FILE = "generator.safetensors"
AnyParameters = GenerationParameters | GeneratorTrainingParameters


def make_recipe(p: AnyParameters) -> GeneratorRecipe:
    """The recipe that the parameters ask for."""
    return GeneratorRecipe(
        total_kimg=p.total_kimg,
        batch=p.generator_batch,
        learning_rate=p.generator_learning_rate,
        ema_half_life_kimg=p.ema_half_life_kimg,
        snapshot_kimg=p.snapshot_kimg,
        seed=p.seed,
        r1_gamma=p.r1_gamma,
        r1_interval_steps=p.r1_interval_steps,
        style_mixing=p.style_mixing,
        ada_target=p.ada_target,
        ada_kimg=p.ada_kimg,
        label_sampling=p.label_sampling,
    )


def make_start(p: AnyParameters, n_classes: int) -> tuple[GeneratorSpec, TrainedPair | None]:
    """The architecture, and the weights to go on from unless the parameters ask for none.

    Raises
    ------
    WeightsError
        The weights draw another size, have another number of classes than the set has identities, or cannot be read.
    """
    path = weights_file(p.generator_weights, SHIPPED_PATH)
    if path is None:
        widths = {"channel_base": p.generator_channel_base, "channel_max": p.generator_channel_max}
        return GeneratorSpec(n_classes, p.generator_resolution_px, **widths, noise=p.noise_injection), None
    start = open_pair(path, to_train=p.total_kimg > 0)
    spec = start.generator.spec
    if spec.resolution_px != p.generator_resolution_px:
        raise WeightsError(
            f"{path.name} draws {spec.resolution_px} px and generator_resolution_px is {p.generator_resolution_px}; "
            f"set generator_resolution_px={spec.resolution_px}, or generator_weights=none to train from the beginning"
        )
    # Class k stands for identity k: of the shipped generator the first identities are always the first classes.
    if spec.n_classes < n_classes or spec.n_classes > n_classes and path != SHIPPED_PATH:
        raise WeightsError(
            f"{path.name} has {spec.n_classes} classes and the set {n_classes} identities, and class k must be the "
            "k-th; give weights trained on these (sface generator train --selection), or generator_weights=none"
        )
    return spec, start


def open_pair(path: Path, to_train: bool) -> TrainedPair:
    """A generator, with its discriminator if it is to be trained: weights of this program, or a StyleGAN2-ADA `.pkl`.

    Raises
    ------
    WeightsError
        The file cannot be read, or holds no discriminator and training is to go on.
    """
    if path.suffix != ".pkl" and to_train:
        return load_pair(path)
    if path.suffix != ".pkl":
        generator = load_generator(path)
        facts = read_description(path)
        return TrainedPair(generator, None, facts.get("kimg", 0.0), 0.0, sha256_of_file(path))
    generator, discriminator = import_stylegan2(path)
    if to_train and discriminator is None:
        raise WeightsError(f"{path} holds no discriminator, so training cannot go on from it; set total_kimg=0")
    return TrainedPair(generator, discriminator, kimg=0.0, ada_p=0.0, fingerprint=sha256_of_file(path))


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
    spec, start = make_start(p, data.n_classes)
    out.mkdir(parents=True, exist_ok=True)
    trainer = GeneratorTrainer(data, spec, make_recipe(p), accelerator, out, start)
    trainer.train(grid_writer(out, data.n_classes))
    if accelerator.is_main_process:
        save_pair(target, trainer.pair())
    return target


def launch_generator(p: AnyParameters, out: Path, selection: Path) -> TrainedPair:
    """`train_generator` in `p.processes` processes that are started for it."""
    command = ["generator", "train", "--out", str(out), "--selection", str(selection)]
    launch(p.processes, [*command, *as_settings(p, GeneratorTrainingParameters)], out / "launch.log")
    return load_pair(out / WEIGHTS_FILE)


def grid_writer(folder: Path, n_classes: int) -> Callable[[GeneratorTrainer], None]:
    """What draws the same faces at every snapshot: one of each of some classes, or some where there are no classes."""
    if n_classes:
        classes = np.linspace(0, n_classes - 1, min(GRID_CLASSES, n_classes)).astype(int)
        indices = np.zeros(len(classes), int)
    else:
        classes, indices = np.zeros(GRID_CLASSES, int), np.arange(GRID_CLASSES)

    def write(trainer: GeneratorTrainer) -> None:
        row = draw(trainer.ema, trainer.accelerator, classes, indices, trainer.recipe.seed)
        with atomic_path(folder / f"grid-{trainer.step:09d}.npy") as path:
            np.save(path, row.numpy())

    return write
