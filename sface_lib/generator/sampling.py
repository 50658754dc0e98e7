"""Seeded, batched sampling: every image is a function of (weights, seed, class, index, psi)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.data import to_uint8
from sface_lib.errors import InputError
from sface_lib.generator.networks import Generator


def latents(seed: int, labels: Sequence[int], indices: Sequence[int], size: int) -> torch.Tensor:
    """Standard normal latents float32 `[N, size]`, one for each (class, index); no two classes share theirs."""
    draws = [
        np.random.default_rng([seed, int(c), int(i)]).standard_normal(size)
        for c, i in zip(labels, indices, strict=True)
    ]
    return torch.from_numpy(np.asarray(draws, np.float32).reshape(-1, size))


def mixture(seed: int, indices: Sequence[int], n_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two different classes int64 `[N]` and the share of the first, 0 to 1, of each image of an unlabelled set."""
    first, second, share = [], [], []
    for index in indices:
        random = np.random.default_rng([seed, n_classes, int(index)])
        a, b = random.choice(n_classes, 2, replace=False)
        first.append(a)
        second.append(b)
        share.append(random.random())
    return np.array(first), np.array(second), np.array(share)


def draw_mixed(
    generator: Generator, accelerator: Accelerator, indices: Sequence[int], seed: int, psi: float = 1.0
) -> torch.Tensor:
    """Draw images uint8 RGB `[N, 3, R, R]` of no class: intermediate latents between two classes' of one latent.

    Raises
    ------
    InputError
        The generator has fewer than two classes.
    """
    if generator.spec.n_classes < 2:
        raise InputError(f"this generator has {generator.spec.n_classes} classes; mixing them needs two or more")
    first, second, share = mixture(seed, indices, generator.spec.n_classes)

    def mix(generator: Generator, w: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        z = latents(seed, first, indices, generator.spec.latent_size).to(w.device)
        other = generator.truncate(generator.mapping(z, torch.as_tensor(second, device=w.device)), psi)
        t = torch.as_tensor(share, dtype=w.dtype, device=w.device).view(-1, *[1] * (w.ndim - 1))
        return t * w + (1 - t) * other

    return draw(generator, accelerator, first, indices, seed, psi, mix)


@torch.no_grad()
def draw(
    generator: Generator,
    accelerator: Accelerator,
    labels: Sequence[int],
    indices: Sequence[int],
    seed: int,
    psi: float = 1.0,
    move: Callable[[Generator, torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Draw one batch of images.

    Parameters
    ----------
    labels, indices
        Class and number of each image; classes of an unconditional generator only keep images apart.
    psi
        Truncation, 0 to 1; 1 is none.
    move
        Changes the intermediate latents `[N, latent_size]` of (generator, latents, labels), such as `Steering.move`.

    Returns
    -------
    torch.Tensor
        uint8 RGB `[N, 3, R, R]`, on the CPU.

    Raises
    ------
    InputError
        A class is out of range.
    """
    classes, n_classes = np.asarray(labels), generator.spec.n_classes
    if classes.size and (classes.min() < 0 or n_classes and classes.max() >= n_classes):
        raise InputError(
            f"class {classes.min() if classes.min() < 0 else classes.max()} is out of range; "
            f"this generator has classes 0 to {n_classes - 1}"
        )
    z = latents(seed, labels, indices, generator.spec.latent_size).to(accelerator.device)
    where = torch.as_tensor(classes, device=z.device)
    with accelerator.autocast():
        w = generator.truncate(generator.mapping(z, where), psi)
        if move:
            w = move(generator, w, where)
        images = generator.synthesise(w, fixed_noise=True)
    return to_uint8(images.float()).cpu()
