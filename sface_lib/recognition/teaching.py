"""The frozen teacher of KT and CL: its embeddings of what the student sees."""

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
    """A teacher's embeddings of every image of a set and of its mirror image, computed once, by all processes.

    Parameters
    ----------
    model
        The frozen teacher.
    data
        The images that a student will see; the teacher sees them at the size that it wants.
    """

    def __init__(self, model: RecognitionModel, data: FaceBatches, accelerator: Accelerator):
        self.embedding_size, self.fingerprint = model.embedding_size, model.fingerprint
        shares = np.array_split(np.arange(len(data.faces)), accelerator.num_processes)
        own = data.faces.subset(shares[accelerator.process_index])
        views = [self._embed(model, own, accelerator, mirrored) for mirrored in (False, True)]
        self.views = torch.cat(gather_object([torch.stack(views)]), dim=1)

    @staticmethod
    def _embed(model: RecognitionModel, faces: FaceSet, accelerator: Accelerator, mirrored: bool) -> torch.Tensor:
        batch = batch_size(accelerator)
        bar = tqdm(
            image_batches(faces, model.spec.size_px, batch), total=-(-len(faces) // batch), unit="batch",
            desc="teacher, mirrored" if mirrored else "teacher", file=sys.stderr, mininterval=2, leave=False,
            disable=not accelerator.is_main_process,
        )  # fmt: skip
        seen = (images.flip(3) if mirrored else images for images in bar)
        return torch.from_numpy(embed_batches(model, seen, accelerator, fuse=False))

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
