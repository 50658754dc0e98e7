"""Embeddings of sets of faces, each image once for a model: what was embedded before is read from a folder.

They are biometric data: who gives the folder takes it away again.
"""

from pathlib import Path

import numpy as np
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.numpy import save_file

from sface_lib.data import FaceSet, labels_asked, parts, write_selection
from sface_lib.engine import launch
from sface_lib.files import atomic_path
from sface_lib.recognition.embedding import batch_size, embed_batches, embed_both, embed_faces
from sface_lib.recognition.given_embeddings import GivenEmbeddings
from sface_lib.recognition.models import RecognitionModel

SINGLE, FUSED = "single", "fused"  # Of the image alone; with the mirror image, as the model says.
DIGEST_BYTES = 32
KEPT_TOGETHER = 16_384
LEAST_SHARED = 4_096


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
    processes
        How many share the images of a large set, where embeddings are kept.
    least_shared
        Images that are worth the start of processes.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        folder: Path | None = None,
        processes: int = 1,
        least_shared: int = LEAST_SHARED,
    ):
        self.accelerator = accelerator
        self._folder, self._processes, self._least_shared = folder, processes, least_shared

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
            part = faces.subset(missing, relabel=False)
            if self._processes > 1 and len(part) >= self._least_shared:
                self._launch(model, part, kept, fuse)
            else:
                keep_embeddings(model, part, self.accelerator, kept, fuse)
            known |= _read(kept, kind, {digests[i] for i in missing})
        return np.stack([known[digest] for digest in digests])

    def _name(self, model: RecognitionModel) -> str:
        precision = self.accelerator.mixed_precision
        return f"{model.fingerprint[:16]}-{self.accelerator.device.type}-{precision}"

    def _launch(self, model: RecognitionModel, faces: FaceSet, kept: Path, fuse: bool) -> None:
        """`keep_embeddings` in processes that are started for it, each with a share of the images."""
        work = self._folder / "launched"
        precision = "bf16" if self.accelerator.mixed_precision == "bf16" else "float32"
        file = model.as_file(work / f"{kept.name}.safetensors")
        command = ["embed", "--model", str(file), "--out", str(kept), "--precision", precision]
        command += [] if fuse else ["--single"]
        for i, part in enumerate(parts(faces)):
            selection = write_selection(work / f"{kept.name}-{i}.csv", part)
            command += ["--faces", str(part.path), "--selection", str(selection)]
        command += ["--labels", labels_asked(faces)]
        launch(self._processes, command, work / f"{kept.name}.log")


def keep_embeddings(
    model: RecognitionModel,
    faces: FaceSet,
    accelerator: Accelerator,
    folder: Path,
    fuse: bool = True,
    kept_together: int = KEPT_TOGETHER,
) -> None:
    """Embed a set and write it to a folder; `fuse` is that of `embed_faces`.

    `kept_together` images are embedded before they are written: what a run that is stopped may lose. Of several
    processes each embeds a share.
    """
    own = np.array_split(np.arange(len(faces)), accelerator.num_processes)[accelerator.process_index]
    for start in range(0, len(own), kept_together):
        positions = own[start : start + kept_together]
        made = _embed(model, faces, positions, accelerator, fuse)
        _write(folder, [faces.digest(i) for i in positions], made)


def _embed(
    model: RecognitionModel, faces: FaceSet, positions: np.ndarray, accelerator: Accelerator, fuse: bool
) -> dict[str, np.ndarray]:
    """Embeddings of some images by kind: those without the mirror image fall off when both are fused."""
    size = batch_size(accelerator)
    whole = np.pad(positions, (0, -len(positions) % size), "edge").reshape(-1, size)
    batches = (faces.load(batch, size_px=model.spec.size_px) for batch in whole)
    if fuse:
        made = dict(zip((SINGLE, FUSED), embed_both(model, batches, accelerator), strict=True))
    else:
        made = {SINGLE: embed_batches(model, batches, accelerator, fuse=False)}
    return {kind: rows[: len(positions)] for kind, rows in made.items()}


def _read(folder: Path, kind: str, wanted: set[str]) -> dict[str, np.ndarray]:
    """Kept embeddings by the digest of their image."""
    embeddings = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            if kind not in file.keys():  # noqa: SIM118 - a file of tensors is no mapping.
                continue
            digests = [bytes(row).hex() for row in file.get_tensor("digests")]
            places = [i for i, digest in enumerate(digests) if digest in wanted]
            if places:
                rows = file.get_tensor(kind)[places]
                embeddings |= dict(zip((digests[i] for i in places), rows, strict=True))
    return embeddings


def _write(folder: Path, digests: list[str], made: dict[str, np.ndarray]) -> None:
    """Add a file with embeddings and the digests of their images, the first of which names it, with what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, DIGEST_BYTES)
    with atomic_path(folder / f"{digests[0]}-{'-'.join(made)}.safetensors") as temporary:
        save_file({"digests": raw.copy()} | made, temporary)
