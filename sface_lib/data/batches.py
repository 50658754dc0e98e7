"""A set as a source of training batches: decoded once where it fits in memory, ahead of time in processes elsewhere."""

import functools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sface_lib.data.faces import FaceSet
from sface_lib.errors import SfaceError

MEMORY_LIMIT_BYTES = 2 << 30
MOST_READERS, READ_AHEAD = 8, 4  # Processes that decode, and batches that each has ready.


class FaceBatches:
    """Images of a set at one size, with labels where it has them.

    Parameters
    ----------
    faces
        A set; an unlabelled one has the label 0 everywhere, `n_classes` 0, and `labelled` false.
    size_px
        Side of the images given.
    held
        Whether all images are held in memory, decoded; None does so up to `memory_limit_bytes`.

    Attributes
    ----------
    whole
        The batches that these are a subset of, or themselves.
    rows
        Positions of the images among those of `whole`, int64 `[N]`.
    """

    _pixel_rows: np.ndarray | None = None  # Where the images lie in pixels that a larger set holds.

    def __init__(
        self,
        faces: FaceSet,
        size_px: int,
        held: bool | None = None,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
    ):
        self.faces, self.size_px, self.labelled = faces, size_px, faces.labels is not None
        self._memory_limit_bytes = memory_limit_bytes
        labels = faces.labels if self.labelled else np.zeros(len(faces))
        self.labels = torch.from_numpy(np.asarray(labels, np.int64))
        self.n_classes = len(faces.identities)
        self.whole, self.rows = self, np.arange(len(faces))
        self.fingerprint = f"{faces.fingerprint}@{size_px}"
        fits = len(faces) * 3 * size_px**2 <= memory_limit_bytes
        self._pixels = faces.load(size_px=size_px) if (fits if held is None else held) else None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, positions: np.ndarray) -> "FaceBatches":
        """Some of the images, identities numbered from 0; what is held in memory is not decoded again."""
        held = None if self._pixels is None else False
        part = FaceBatches(self.faces.subset(positions), self.size_px, held, self._memory_limit_bytes)
        part.whole, part.rows = self.whole, self.rows[positions]
        if self._pixels is not None:
            part._pixels = self._pixels
            part._pixel_rows = positions if self._pixel_rows is None else self._pixel_rows[positions]
        return part

    def images(self, indices: Sequence[int] | np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Images uint8 RGB `[B, 3, S, S]` and labels int64 `[B]` at some positions."""
        indices = torch.as_tensor(np.asarray(indices), dtype=torch.int64)
        if self._pixels is None:
            return self.faces.load(indices.numpy(), size_px=self.size_px), self.labels[indices]
        rows = indices if self._pixel_rows is None else self._pixel_rows[indices]
        return self._pixels[rows], self.labels[indices]

    def walk(self, batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
        """Positions, images and labels of one batch of positions after the other.

        What is not held in memory is decoded ahead by other processes, which end with the walk.
        """
        if self._pixels is not None:
            yield from ((indices, *self.images(indices)) for indices in batches)
            return
        readers = min(MOST_READERS, os.cpu_count() or 1)
        for read in DataLoader(
            _Reader(self), batch_size=None, sampler=batches, num_workers=readers, prefetch_factor=READ_AHEAD
        ):
            if isinstance(read, SfaceError):
                raise read
            yield read

    def shuffled(self, seed: int, start: int, count: int) -> np.ndarray:
        """Positions `start` to `start + count` of an endless shuffled walk through the set, int64 `[count]`.

        Every epoch is one permutation, and a function of (seed, epoch): nothing needs to be stored to resume.
        """
        epoch, offset = np.divmod(np.arange(start, start + count), len(self))
        return np.array([_permutation(len(self), seed, int(e))[o] for e, o in zip(epoch, offset, strict=True)])


@functools.lru_cache(maxsize=2)
def _permutation(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(length)


class _Reader(Dataset):
    """What a reading process holds; what it refuses is given, not raised: torch would wrap it in a traceback."""

    def __init__(self, data: FaceBatches):
        self.faces, self.labels, self.size_px = data.faces, data.labels, data.size_px

    def __getitem__(self, indices: np.ndarray) -> tuple[np.ndarray, torch.Tensor, torch.Tensor] | SfaceError:
        try:
            return indices, self.faces.load(indices, size_px=self.size_px), self.labels[torch.from_numpy(indices)]
        except SfaceError as error:
            return error
