"""Who judges a link: recognition models that taught nothing in the run, and raw pixels as the floor."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.data import FaceSet
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.recognition import RecognitionModel, embed_batches, embed_faces, open_model, pixel_embeddings
from sface_lib.recognition.dlib_model import dlib_file, open_dlib_model
from sface_lib.recognition.embedding import batch_size

PIXELS = "raw pixels"
AUTO, NONE = "auto", "none"


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A name, and embeddings float32 `[N, d]` of a set or of images uint8 `[N, 3, S, S]`; `model` None is pixels.

    `sha256` is that of the file of weights.
    """

    name: str
    model: RecognitionModel | None
    sha256: str | None
    embed: Callable[[FaceSet], np.ndarray]
    embed_images: Callable[[np.ndarray], np.ndarray] | None = None


def open_judges(verifier: Path, second: str, accelerator: Accelerator) -> list[Judge]:
    """The verifier, the second one if there is one, and raw pixels, in that order.

    Parameters
    ----------
    verifier
        Weights.
    second
        Weights; "none"; or "auto": dlib's public model where its extra is installed.

    Raises
    ------
    InputError
        Both are one model.
    """
    judges = [_judge("verifier", open_model(verifier), verifier, accelerator)]
    if second == AUTO and dlib_file() is not None:
        judges.append(_judge("dlib", open_dlib_model(), dlib_file(), accelerator))
    elif second not in (AUTO, NONE):
        judges.append(_judge("second verifier", open_model(second), second, accelerator))
    if len({judge.model.fingerprint for judge in judges}) < len(judges):
        raise InputError(
            f"second_verifier is the verifier ({verifier}), which would only repeat it; give another model"
        )
    return [*judges, Judge(PIXELS, None, None, pixel_embeddings)]


def _judge(name: str, model: RecognitionModel, path: str | Path, accelerator: Accelerator) -> Judge:
    def embed(faces: FaceSet) -> np.ndarray:
        return embed_faces(model, faces, accelerator)

    def embed_images(images: np.ndarray) -> np.ndarray:
        return embed_batches(model, torch.from_numpy(images).split(batch_size(accelerator)), accelerator)

    return Judge(name, model, sha256_of_file(path), embed, embed_images)
