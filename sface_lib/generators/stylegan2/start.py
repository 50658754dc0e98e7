"""StyleGAN2 as a kind of generator: opened, saved, and trained by the report's parameters."""

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from sface_lib.data import FaceBatches
from sface_lib.engine import read_description
from sface_lib.errors import WeightsError
from sface_lib.files import sha256_of_file
from sface_lib.generators.contract import GeneratorKind, require_fit
from sface_lib.generators.stylegan2.foreign import import_stylegan2
from sface_lib.generators.stylegan2.networks import GeneratorSpec
from sface_lib.generators.stylegan2.recipe import GeneratorRecipe
from sface_lib.generators.stylegan2.training import GeneratorTrainer
from sface_lib.generators.stylegan2.weights import (
    GENERATOR,
    PAIR,
    TrainedPair,
    load_generator,
    load_pair,
    save_generator,
)


def make_recipe(p: Any) -> GeneratorRecipe:
    """The recipe that the parameters of notebook 02 ask for."""
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


def make_start(p: Any, weights: Path | None, n_classes: int) -> tuple[GeneratorSpec, TrainedPair | None]:
    """The architecture, and what to go on from where weights are given.

    Raises
    ------
    WeightsError
        The weights do not fit the set (see `require_fit`), or a training cannot go on from them.
    """
    if weights is None:
        widths = {"channel_base": p.generator_channel_base, "channel_max": p.generator_channel_max}
        return GeneratorSpec(n_classes, p.generator_resolution_px, **widths, noise=p.noise_injection), None
    start = open_pair(weights, to_train=True)
    require_fit(start.generator, weights, p.generator_resolution_px, n_classes)
    return start.generator.spec, start


def make_trainer(
    p: Any, data: FaceBatches, accelerator: Accelerator, folder: Path, weights: Path | None
) -> GeneratorTrainer:
    """A training by the parameters of notebook 02, from given weights or from noise."""
    spec, start = make_start(p, weights, data.n_classes)
    return GeneratorTrainer(data, spec, make_recipe(p), accelerator, folder, start)


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


STYLEGAN2 = GeneratorKind(
    load=lambda path, to_train: open_pair(path, to_train).generator.eval().requires_grad_(False),
    save=save_generator,
    trainer=make_trainer,
    file_kinds=(GENERATOR, PAIR),
)
