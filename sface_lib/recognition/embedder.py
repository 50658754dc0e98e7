"""Embeddings of sets of faces, each image once for a model: what was embedded before is read from a folder.

They are biometric data: who gives the folder takes it away again.
"""

from pathlib import Path

import numpy as np
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.numpy import save_file

from sface_lib.data import FaceSet
from sface_lib.files import atomic_path
from sface_lib.recognition.embedding import batch_size, embed_batches, embed_both, embed_faces
from sface_lib.recognition.given_embeddings import GivenEmbeddings
from sface_lib.recognition.models import RecognitionModel

SINGLE, FUSED = "single", "fused"  # Of the image alone; with the mirror image, as the model says.
DIGEST_BYTES = 32


class Embedder:
    """Embeds sets of faces.

    An image is known by its contents, a model by its weights. All batches have one size, so that an embedding is the
    same whatever was embedded before.

    Parameters
    ----------
    accelerator
        The device and its arithmetic, by which embeddings are kept apart.
    folder
        Where embeddings are kept; None embeds anew at every call.
    """

    def __init__(self, accelerator: Accelerator, folder: Path | None = None):
        self.accelerator = accelerator
        self._folder = folder

    def embed(self, model: RecognitionModel | GivenEmbeddings, faces: FaceSet, fuse: bool = True) -> np.ndarray:
        """Embeddings float32 `[N, d]` of a set, in its order, rows of unit length; see `embed_faces` for `fuse`.

        Vectors that were given are not kept: they are in their file.
        """
        if self._folder is None or isinstance(model, GivenEmbeddings):
            return embed_faces(model, faces, self.accelerator, fuse)
        digests = [faces.digest(i) for i in range(len(faces))]
        kept, kind = self._folder / self._name(model), FUSED if fuse else SINGLE
        known = _read(kept, kind, set(digests))
        missing = [i for i, digest in enumerate(digests) if digest not in known]
        if missing:
            made = self._embed(model, faces, missing, fuse)
            _write(kept, [digests[i] for i in missing], made)
            known |= dict(zip((digests[i] for i in missing), made[kind], strict=True))
        return np.stack([known[digest] for digest in digests])

    def _name(self, model: RecognitionModel) -> str:
        precision = self.accelerator.mixed_precision
        return f"{model.fingerprint[:16]}-{self.accelerator.device.type}-{precision}"

    def _embed(
        self, model: RecognitionModel, faces: FaceSet, positions: list[int], fuse: bool
    ) -> dict[str, np.ndarray]:
        """Embeddings of some images by kind: those without the mirror image fall off when both are fused."""
        size = batch_size(self.accelerator)
        whole = np.pad(positions, (0, -len(positions) % size), "edge").reshape(-1, size)
        batches = (faces.load(batch, size_px=model.spec.size_px) for batch in whole)
        if fuse:
            made = dict(zip((SINGLE, FUSED), embed_both(model, batches, self.accelerator), strict=True))
        else:
            made = {SINGLE: embed_batches(model, batches, self.accelerator, fuse=False)}
        return {kind: rows[: len(positions)] for kind, rows in made.items()}


def _read(folder: Path, kind: str, wanted: set[str]) -> dict[str, np.ndarray]:
    """Kept embeddings by the digest of their image."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            if kind not in file.keys():  # noqa: SIM118 - a file of tensors is no mapping.
                continue
            digests = [bytes(row).hex() for row in file.get_tensor("digests")]
            places = [i for i, digest in enumerate(digests) if digest in wanted]
            if places:
                rows = file.get_tensor(kind)[places]
                found |= dict(zip((digests[i] for i in places), rows, strict=True))
    return found


def _write(folder: Path, digests: list[str], made: dict[str, np.ndarray]) -> None:
    """Add a file with embeddings and the digests of their images."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, DIGEST_BYTES)
    with atomic_path(folder / f"{len(list(folder.glob('*.safetensors'))):06d}.safetensors") as temporary:
        save_file({"digests": raw.copy()} | made, temporary)
