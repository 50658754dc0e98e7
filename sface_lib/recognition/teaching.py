"""The frozen teacher of KT and CL: its embeddings of what the student sees."""

import functools
import sys

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from tqdm import tqdm

from sface_lib.data import FaceBatches, FaceSet
from sface_lib.recognition.embedding import batch_size, embed_batches, image_batches
from sface_lib.recognition.models import RecognitionModel


class CachedTeacher:
    """A teacher's embeddings of every image of a set and of its mirror image.

    They are computed once, by all processes together, when they are first needed.

    Parameters
    ----------
    model
        The frozen teacher.
    data
        The images that a student will see; the teacher sees them at the size that it wants.
    """

    def __init__(self, model: RecognitionModel, data: FaceBatches, accelerator: Accelerator):
        self.embedding_size, self.fingerprint = model.embedding_size, model.fingerprint
        self._model, self._faces, self._accelerator = model, data.faces, accelerator

    @functools.cached_property
    def views(self) -> torch.Tensor:
        """Unit embeddings float32 `[2, N, d]`: of the images, and of the mirror images."""
        shares = np.array_split(np.arange(len(self._faces)), self._accelerator.num_processes)
        own = self._faces.subset(shares[self._accelerator.process_index])
        views = [self._embed(own, mirrored) for mirrored in (False, True)]
        return torch.cat(gather_object([torch.stack(views)]), dim=1)

    def prepare(self) -> None:
        """Compute the embeddings now; every process must call it."""
        self.views  # noqa: B018 - made when it is asked for

    def _embed(self, faces: FaceSet, mirrored: bool) -> torch.Tensor:
        batch = batch_size(self._accelerator)
        bar = tqdm(
            image_batches(faces, self._model.spec.size_px, batch), total=-(-len(faces) // batch), unit="batch",
            desc="teacher, mirrored" if mirrored else "teacher", file=sys.stderr, mininterval=2, leave=False,
            disable=not self._accelerator.is_main_process,
        )  # fmt: skip
        seen = (images.flip(3) if mirrored else images for images in bar)
        return torch.from_numpy(embed_batches(self._model, seen, self._accelerator, fuse=False))

    def __call__(self, indices: np.ndarray, mirrored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Unit embeddings float32 `[B, d]` of the views that the student sees."""
        return self.views[mirrored.long().cpu(), torch.as_tensor(indices)]


class LiveTeacher:
    """A teacher that embeds each batch as the student sees it, for augmented views.

    Parameters
    ----------
    model
        The frozen teacher.
    """

    def __init__(self, model: RecognitionModel, accelerator: Accelerator):
        self.embedding_size, self.fingerprint = model.embedding_size, model.fingerprint
        self.model, self.accelerator = model.to(accelerator.device), accelerator

    def prepare(self) -> None:
        """Nothing is computed ahead."""

    def __call__(self, indices: np.ndarray, mirrored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Unit embeddings float32 `[B, d]` of images `[B, 3, S, S]` in 0..255."""
        seen = images if images.dtype == torch.uint8 else images.round().to(torch.uint8)
        with torch.no_grad(), self.accelerator.autocast():
            fast = self.model.for_inference()
            return fast.single(fast.prepare(seen))


_computed: dict[tuple, CachedTeacher] = {}


def teach(
    model: RecognitionModel, data: FaceBatches, accelerator: Accelerator, plain_views: bool
) -> CachedTeacher | LiveTeacher:
    """The teacher of a run: computed once where students see plain and mirrored images only, else at every step.

    KT and CL follow each other on the same images: the last teacher that was computed is kept for the next run.
    """
    if not plain_views:
        return LiveTeacher(model, accelerator)
    # The fingerprint of a set leaves its order open, its names do not.
    wanted = (model.fingerprint, data.faces.fingerprint, data.faces.names, accelerator.mixed_precision)
    if wanted not in _computed:
        _computed.clear()
        _computed[wanted] = CachedTeacher(model, data, accelerator)
    return _computed[wanted]
