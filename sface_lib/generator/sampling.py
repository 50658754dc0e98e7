"""Seeded, batched sampling: every image is a function of (weights, seed, class, index, psi)."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from sface_lib.data import to_uint8
from sface_lib.engine import load_strictly, save_weights
from sface_lib.errors import InputError, WeightsError
from sface_lib.generator.networks import Generator, GeneratorSpec

KIND = "class-conditional generator"


def save_generator(path: str | Path, generator: Generator) -> Path:
    """Write a generator as safetensors with its architecture in the header."""
    return save_weights(path, generator, {"kind": KIND, "spec": dataclasses.asdict(generator.spec)})


def load_generator(path: str | Path) -> Generator:
    """Read what `save_generator` wrote; raises `WeightsError` where it is something else."""
    try:
        with safe_open(path, "pt") as stored:
            description = json.loads((stored.metadata() or {}).get("sface", "{}"))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); give a generator's weights") from None
    if description.get("kind") != KIND:
        raise WeightsError(f"{path} does not hold a {KIND}; it holds {description.get('kind', 'unnamed weights')!r}")
    generator = Generator(GeneratorSpec(**description["spec"]))
    load_strictly(generator, load_file(path), str(path))
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def latents(seed: int, labels: Sequence[int], indices: Sequence[int], size: int) -> torch.Tensor:
    """Standard normal latents float32 `[N, size]`, one for each (class, index); no two classes share theirs."""
    draws = [
        np.random.default_rng([seed, int(c), int(i)]).standard_normal(size)
        for c, i in zip(labels, indices, strict=True)
    ]
    return torch.from_numpy(np.asarray(draws, np.float32).reshape(-1, size))


@torch.inference_mode()
def draw(
    generator: Generator,
    accelerator: Accelerator,
    labels: Sequence[int],
    indices: Sequence[int],
    seed: int,
    psi: float = 1.0,
) -> torch.Tensor:
    """Draw one batch of images.

    Returns
    -------
    torch.Tensor
        uint8 RGB `[N, 3, R, R]`, on the CPU.

    Raises
    ------
    InputError
        A class is out of range.
    """
    classes = np.asarray(labels)
    if classes.size and not (classes.min() >= 0 and classes.max() < generator.spec.n_classes):
        raise InputError(
            f"class {classes.min() if classes.min() < 0 else classes.max()} is out of range; "
            f"this generator has classes 0 to {generator.spec.n_classes - 1}"
        )
    z = latents(seed, labels, indices, generator.spec.latent_size).to(accelerator.device)
    with accelerator.autocast():
        images = generator(z, torch.as_tensor(classes, device=z.device), psi=psi, fixed_noise=True)
    return to_uint8(images.float()).cpu()


def draw_set(
    generator: Generator, accelerator: Accelerator, images_per_class: int, seed: int, psi: float = 1.0, batch: int = 64
) -> Iterator[tuple[torch.Tensor, int]]:
    """All images of every class in order: pairs of (uint8 RGB `[3, R, R]`, class), in bounded memory."""
    n_classes = generator.spec.n_classes
    labels = np.repeat(np.arange(n_classes), images_per_class)
    indices = np.tile(np.arange(images_per_class), n_classes)
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        images = draw(generator, accelerator, labels[part], indices[part], seed, psi)
        yield from zip(images, labels[part].tolist(), strict=True)
