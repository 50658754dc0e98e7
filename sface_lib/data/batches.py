"""A labelled set as a source of training batches: decoded once where it fits in memory, on demand elsewhere."""

import functools
from collections.abc import Sequence

import numpy as np
import torch

from sface_lib.data.faces import FaceSet
from sface_lib.errors import InputError

MEMORY_LIMIT_BYTES = 2 << 30


class FaceBatches:
    """Images of a set at one size, with labels.

    Parameters
    ----------
    faces
        A labelled set.
    size_px
        Side of the images given.
    """

    def __init__(self, faces: FaceSet, size_px: int):
        if faces.labels is None:
            raise InputError("the set has no labels; training needs an identity for every image")
        self.faces, self.size_px = faces, size_px
        self.labels = torch.from_numpy(np.asarray(faces.labels, np.int64))
        self.n_classes = len(faces.identities)
        self.fingerprint = f"{faces.fingerprint}@{size_px}"
        fits = len(faces) * 3 * size_px**2 <= MEMORY_LIMIT_BYTES
        self._pixels = faces.load(size_px=size_px) if fits else None
        self._permutation = functools.lru_cache(maxsize=2)(self._draw_permutation)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Sequence[int] | np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Images uint8 RGB `[B, 3, S, S]` and labels int64 `[B]` at some positions."""
        indices = torch.as_tensor(np.asarray(indices), dtype=torch.int64)
        if self._pixels is None:
            return self.faces.load(indices.numpy(), size_px=self.size_px), self.labels[indices]
        return self._pixels[indices], self.labels[indices]

    def shuffled(self, seed: int, start: int, count: int) -> np.ndarray:
        """Positions `start` to `start + count` of an endless shuffled walk through the set, int64 `[count]`.

        Every epoch is one permutation, and a function of (seed, epoch): nothing needs to be stored to resume.
        """
        epoch, offset = np.divmod(np.arange(start, start + count), len(self))
        return np.array([self._permutation(seed, int(e))[o] for e, o in zip(epoch, offset, strict=True)])

    def _draw_permutation(self, seed: int, epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(self))
