"""Seeded, batched sampling: every image is a function of (weights, seed, class, index, psi)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.data import to_uint8
from sface_lib.errors import InputError
from sface_lib.generators.contract import FaceGenerator, HasLatents

Move = Callable[[FaceGenerator, torch.Tensor, torch.Tensor], torch.Tensor]


def seeded_normal(seed: int, labels: Sequence[int], indices: Sequence[int], size: int) -> torch.Tensor:
    """Standard normal vectors float32 `[N, size]`, one for each (class, index); no two classes share theirs."""
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


def can_mix(generator: FaceGenerator) -> bool:
    """Whether images of no class can be drawn: between the latents of two classes."""
    return isinstance(generator, HasLatents) and (generator.n_classes or 0) > 1


def require_latents(generator: FaceGenerator, purpose: str) -> None:
    """Refuse a generator that has none, with `InputError`; `purpose` is what it cannot do without."""
    if not isinstance(generator, HasLatents):
        raise InputError(f"a generator of the kind {generator.kind!r} has no latents, so that it cannot {purpose}")


def draw_mixed(
    generator: FaceGenerator, accelerator: Accelerator, indices: Sequence[int], seed: int, psi: float = 1.0
) -> torch.Tensor:
    """Draw images uint8 RGB `[N, 3, R, R]` of no class: latents between two classes' of one noise.

    Raises
    ------
    InputError
        The generator has fewer than two classes, or no latents.
    """
    require_latents(generator, "mix classes")
    if not can_mix(generator):
        raise InputError(f"this generator has {generator.n_classes or 0} classes; mixing them needs two or more")
    first, second, share = mixture(seed, indices, generator.n_classes)

    def mix(generator: FaceGenerator, w: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        other = generator.latents(second, indices, seed, psi, noise_of=first)
        t = torch.as_tensor(share, dtype=w.dtype, device=w.device).view(-1, *[1] * (w.ndim - 1))
        return t * w + (1 - t) * other

    return draw(generator, accelerator, first, indices, seed, psi, mix)


@torch.no_grad()
def draw(
    generator: FaceGenerator,
    accelerator: Accelerator,
    labels: Sequence[int],
    indices: Sequence[int],
    seed: int,
    psi: float = 1.0,
    move: Move | None = None,
) -> torch.Tensor:
    """Draw one batch of images.

    Parameters
    ----------
    labels, indices
        Class and number of each image; classes of a generator without classes only keep images apart.
    psi
        Truncation, 0 to 1; 1 is none.
    move
        Changes the latents `[N, d]` of (generator, latents, labels), such as `Steering.move`.

    Returns
    -------
    torch.Tensor
        uint8 RGB `[N, 3, R, R]`, on the CPU.

    Raises
    ------
    InputError
        A class is out of range, or latents are to be moved that the generator has not.
    """
    classes, n_classes = np.asarray(labels), generator.n_classes
    if classes.size and (classes.min() < 0 or n_classes and classes.max() >= n_classes):
        raise InputError(
            f"class {classes.min() if classes.min() < 0 else classes.max()} is out of range; "
            + (f"this generator has classes 0 to {n_classes - 1}" if n_classes else "labels count from 0")
        )
    if move:
        require_latents(generator, "be steered")
    with accelerator.autocast():
        if move is None:
            return generator.sample(labels, indices, seed, psi).cpu()
        w = generator.latents(labels, indices, seed, psi)
        w = move(generator, w, torch.as_tensor(classes, device=w.device))
        images = generator.decode(w)
    return to_uint8(images.float()).cpu()
