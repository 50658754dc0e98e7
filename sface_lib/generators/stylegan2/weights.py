"""A trained generator, with or without its discriminator, as one safetensors file.

The file's header holds, under `sface`, a JSON object: `kind`, `spec` (the fields of `GeneratorSpec`), and for a pair
`kimg` and `ada_p`. Its tensors are the networks' state: `mapping.*`, `constant`, `blocks.*` for a generator alone, the
same under `generator.` and `discriminator.` for a pair. Kernels may be float16; they are read back as float32.
"""

import dataclasses
from pathlib import Path

import torch
from safetensors.torch import load_file

from sface_lib.engine import load_strictly, save_weights, unflatten
from sface_lib.errors import WeightsError
from sface_lib.files import sha256_of_file
from sface_lib.generators.contract import description_of
from sface_lib.generators.stylegan2.networks import Discriminator, Generator, GeneratorSpec

GENERATOR, PAIR = "class-conditional generator", "class-conditional generator and discriminator"


@dataclasses.dataclass
class TrainedPair:
    """A generator and the discriminator that it was trained with, so that training can go on; None where it can't.

    `kimg` is how long they were trained, `ada_p` the augmentation's strength then; `fingerprint` is the file's hash.
    """

    generator: Generator
    discriminator: Discriminator | None
    kimg: float
    ada_p: float
    fingerprint: str = ""


def save_generator(path: str | Path, generator: Generator, half: bool = False) -> Path:
    """Write a generator alone."""
    return save_weights(path, generator, {"kind": GENERATOR, "spec": dataclasses.asdict(generator.spec)}, half)


def save_pair(path: str | Path, pair: TrainedPair, half: bool = False) -> Path:
    """Write a generator and its discriminator."""
    description = {"kind": PAIR, "spec": dataclasses.asdict(pair.generator.spec)}
    description |= {"kimg": pair.kimg, "ada_p": pair.ada_p}
    both = torch.nn.ModuleDict({"generator": pair.generator, "discriminator": pair.discriminator})
    return save_weights(path, both, description, half)


def load_generator(path: str | Path) -> Generator:
    """Read the generator of a file of either kind, for sampling; raises `WeightsError` where it is something else."""
    description = _description(path)
    state = load_file(path)
    if description["kind"] == PAIR:
        state = unflatten("generator", state)
    generator = Generator(GeneratorSpec(**description["spec"]))
    load_strictly(generator, state, str(path))
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_pair(path: str | Path) -> TrainedPair:
    """Read a generator and its discriminator; raises `WeightsError` where the file holds something else."""
    description = _description(path)
    if description["kind"] != PAIR:
        raise WeightsError(f"{path} holds a generator without its discriminator; training cannot go on from it")
    spec, state = GeneratorSpec(**description["spec"]), load_file(path)
    generator, discriminator = Generator(spec), Discriminator(spec)
    load_strictly(generator, unflatten("generator", state), f"{path}'s generator")
    load_strictly(discriminator, unflatten("discriminator", state), f"{path}'s discriminator")
    return TrainedPair(generator, discriminator, description["kimg"], description["ada_p"], sha256_of_file(path))


def _description(path: str | Path) -> dict:
    description = description_of(path)
    if description.get("kind") not in (GENERATOR, PAIR):
        raise WeightsError(
            f"{path} does not hold a {GENERATOR}; it holds {description.get('kind', 'unnamed weights')!r}"
        )
    return description
