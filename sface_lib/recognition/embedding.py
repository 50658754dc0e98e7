"""Embeddings of whole sets, in batches and bounded memory."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.data import FaceSet
from sface_lib.errors import InputError
from sface_lib.recognition.given_embeddings import GivenEmbeddings
from sface_lib.recognition.models import RecognitionModel

# Larger batches are no faster on a CPU and take more memory; smaller ones cost a fifth.
CPU_BATCH, GPU_BATCH = 32, 256
PIXELS_PX = 32  # Side of the images behind the raw-pixel reference.


def batch_size(accelerator: Accelerator) -> int:
    """Images in one batch of inference on this device."""
    return CPU_BATCH if accelerator.device.type == "cpu" else GPU_BATCH


def image_batches(faces: FaceSet, size_px: int, batch: int) -> Iterator[torch.Tensor]:
    """The images of a set in order, as uint8 RGB batches `[<=batch, 3, S, S]`."""
    for start in range(0, len(faces), batch):
        yield faces.load(np.arange(start, min(start + batch, len(faces))), size_px=size_px)


def embed_batches(
    model: RecognitionModel, batches: Iterable[torch.Tensor], accelerator: Accelerator, fuse: bool = True
) -> np.ndarray:
    """Embeddings of batches of images.

    Parameters
    ----------
    batches
        uint8 RGB `[B, 3, H, W]` each.
    fuse
        Fuse with the mirror image as the model says; else the image alone.

    Returns
    -------
    numpy.ndarray
        float32 `[N, d]`, rows of unit length.
    """
    return _embed(model, batches, accelerator, lambda fast, seen: (fast.fused(seen) if fuse else fast.single(seen),))[0]


def embed_both(
    model: RecognitionModel, batches: Iterable[torch.Tensor], accelerator: Accelerator
) -> tuple[np.ndarray, np.ndarray]:
    """What `embed_batches` gives without and with the mirror image, in one pass."""
    return _embed(model, batches, accelerator, lambda fast, seen: fast.single_and_fused(seen))


def _embed(
    model: RecognitionModel,
    batches: Iterable[torch.Tensor],
    accelerator: Accelerator,
    how: Callable[[RecognitionModel, torch.Tensor], tuple[torch.Tensor, ...]],
) -> tuple[np.ndarray, ...]:
    """Rows of each kind that `how` makes of a model and prepared images."""
    model.to(accelerator.device)  # Outside of inference mode: weights that move inside could take no gradients again.
    rows = []
    with torch.inference_mode(), accelerator.autocast():
        fast = model.for_inference()
        for images in batches:
            rows.append([kind.cpu().numpy() for kind in how(fast, fast.prepare(images.to(accelerator.device)))])
    kinds = tuple(map(np.concatenate, zip(*rows, strict=True)))
    for kind in kinds:
        _check_lengths(kind)
    return kinds


def _check_lengths(rows: np.ndarray) -> None:
    """Refuse rows without a direction."""
    bad = np.flatnonzero(~(np.linalg.norm(rows, axis=1) > 0.5))
    if bad.size:
        raise InputError(
            f"the model's output is zero, infinite or NaN for {bad.size:,} of {len(rows):,} images, the first at "
            f"position {bad[0]}; check its weights, or set precision = float32"
        )


def embed_faces(
    model: RecognitionModel | GivenEmbeddings, faces: FaceSet, accelerator: Accelerator, fuse: bool = True
) -> np.ndarray:
    """Embeddings float32 `[N, d]` of a set, in its order; vectors that were given are what they are, fused or not."""
    if isinstance(model, GivenEmbeddings):
        return model.of(faces)
    return embed_batches(model, image_batches(faces, model.spec.size_px, batch_size(accelerator)), accelerator, fuse)


def pixel_embeddings(faces: FaceSet, size_px: int = PIXELS_PX) -> np.ndarray:
    """The lowest reference: grey pixels at a small size, centred, of unit length; float32 `[N, size_px**2]`."""
    rows = [images.float().mean(1).flatten(1) for images in image_batches(faces, size_px, GPU_BATCH)]
    pixels = torch.cat(rows)
    pixels -= pixels.mean(1, keepdim=True)
    return torch.nn.functional.normalize(pixels).numpy()
