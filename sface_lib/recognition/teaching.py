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
from sface_lib.recognition.given_embeddings import GivenEmbeddings
from sface_lib.recognition.models import RecognitionModel


class TeacherViews:
    """A teacher's embeddings of the images of a set and of their mirror images, each computed once.

    Parameters
    ----------
    model
        The frozen teacher.
    faces
        The images; the teacher sees them at the size that it wants.
    """

    def __init__(self, model: RecognitionModel, faces: FaceSet, accelerator: Accelerator):
        self._model, self._faces, self._accelerator = model, faces, accelerator
        self._known = np.zeros(len(faces), bool)
        self._views = torch.empty(2, len(faces), 0)

    def at(self, positions: np.ndarray) -> torch.Tensor:
        """Unit embeddings float32 `[2, n, d]` of some images, and of their mirror images; every process must ask."""
        missing = positions[~self._known[positions]]
        if len(missing):
            shares = np.array_split(missing, self._accelerator.num_processes)
            parts = gather_object([self._embed(self._faces.subset(shares[self._accelerator.process_index]))])
            made = torch.cat(parts, dim=1)
            if not self._views.shape[2]:
                self._views = torch.empty(2, len(self._faces), made.shape[2])
            self._views[:, missing], self._known[missing] = made, True
        return self._views[:, positions]

    def _embed(self, faces: FaceSet) -> torch.Tensor:
        batch = batch_size(self._accelerator)
        bar = tqdm(
            image_batches(faces, self._model.spec.size_px, batch), total=-(-len(faces) // batch), unit="batch",
            desc="teacher", file=sys.stderr, mininterval=2, leave=False,
            disable=not self._accelerator.is_main_process,
        )  # fmt: skip
        both = (view for images in bar for view in (images, images.flip(3)))
        rows = torch.from_numpy(embed_batches(self._model, both, self._accelerator, fuse=False))
        sizes = [size for start in range(0, len(faces), batch) for size in 2 * [min(batch, len(faces) - start)]]
        parts = rows.split(sizes)
        return torch.stack([torch.cat(parts[0::2]), torch.cat(parts[1::2])])


class CachedTeacher:
    """A teacher's embeddings of every image of a set and of its mirror image.

    They are computed once, by all processes together, when they are first needed.

    Parameters
    ----------
    model
        The frozen teacher.
    data
        The images that a student will see.
    known
        Embeddings by this teacher of all images that `data` is a subset of; by default they are computed for it.
    """

    def __init__(
        self, model: RecognitionModel, data: FaceBatches, accelerator: Accelerator, known: TeacherViews | None = None
    ):
        self.embedding_size, self.lineage = model.embedding_size, model.lineage
        self._known = known or TeacherViews(model, data.whole.faces, accelerator)
        self._rows = data.rows

    @functools.cached_property
    def views(self) -> torch.Tensor:
        """Unit embeddings float32 `[2, N, d]`: of the images, and of the mirror images."""
        return self._known.at(self._rows)

    def prepare(self) -> None:
        """Compute the embeddings now; every process must call it."""
        self.views  # noqa: B018 - made when it is asked for

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
        self.embedding_size, self.lineage = model.embedding_size, model.lineage
        self.model, self.accelerator = model.to(accelerator.device), accelerator

    def prepare(self) -> None:
        """Nothing is computed ahead."""

    def __call__(self, indices: np.ndarray, mirrored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Unit embeddings float32 `[B, d]` of images `[B, 3, S, S]` in 0..255."""
        seen = images if images.dtype == torch.uint8 else images.round().to(torch.uint8)
        with torch.no_grad(), self.accelerator.autocast():
            fast = self.model.for_inference()
            return fast.single(fast.prepare(seen))


_computed: dict[tuple, TeacherViews] = {}


def teach(
    model: RecognitionModel, data: FaceBatches, accelerator: Accelerator, plain_views: bool
) -> CachedTeacher | LiveTeacher:
    """The teacher of a run: computed once where students see plain and mirrored images only, else at every step.

    KT and CL follow each other on the same images: what the last teacher has seen is kept for the next run.

    Raises
    ------
    InputError
        The teacher is given as vectors, which say nothing of mirrored and augmented views.
    """
    if isinstance(model, GivenEmbeddings):
        model.refuse("as a teacher")
    if not plain_views:
        return LiveTeacher(model, accelerator)
    faces = data.whole.faces
    # The fingerprint of a set leaves its order open, its names do not.
    wanted = (model.fingerprint, faces.fingerprint, faces.names, accelerator.mixed_precision)
    if wanted not in _computed:
        _computed.clear()
        _computed[wanted] = TeacherViews(model, faces, accelerator)
    return CachedTeacher(model, data, accelerator, _computed[wanted])
