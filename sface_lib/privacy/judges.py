"""Who judges a link: recognition models that taught nothing in the run, and raw pixels as the floor."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from sface_lib.data import FaceSet
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.recognition import (
    Embedder,
    GivenEmbeddings,
    RecognitionModel,
    embed_batches,
    open_model,
    pixel_embeddings,
)
from sface_lib.recognition.dlib_model import dlib_file, open_dlib_model
from sface_lib.recognition.embedding import batch_size

PIXELS = "raw pixels"


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A name, and embeddings float32 `[N, d]` of a set or of images uint8 `[N, 3, S, S]`; `model` None is pixels.

    `sha256` is that of the file of weights. `embed_images` is None for pixels and for vectors that were given.
    """

    name: str
    model: RecognitionModel | GivenEmbeddings | None
    sha256: str | None
    embed: Callable[[FaceSet], np.ndarray]
    embed_images: Callable[[np.ndarray], np.ndarray] | None = None


def open_judges(files: Mapping[str, Path], embedder: Embedder) -> list[Judge]:
    """The models of these names and files, in their order, and raw pixels.

    Raises
    ------
    InputError
        Two of them are one model.
    """
    judges = [open_judge(name, path, embedder) for name, path in files.items()]
    first: dict[str, str] = {}
    for judge in judges:
        other = first.setdefault(judge.model.fingerprint, judge.name)
        if other != judge.name:
            raise InputError(
                f"the {judge.name} ({files[judge.name]}) is the same model as the {other}, and would only repeat it; "
                "give another model"
            )
    return [*judges, Judge(PIXELS, None, None, pixel_embeddings)]


def open_judge(name: str, path: str | Path, embedder: Embedder) -> Judge:
    """A judge from weights or vectors that `open_model` reads, or from dlib's own file.

    It must not have taught the generator whose faces it judges.
    """
    model = open_dlib_model() if Path(path) == dlib_file() else open_model(path)

    def embed(faces: FaceSet) -> np.ndarray:
        return embedder.embed(model, faces)

    def embed_images(images: np.ndarray) -> np.ndarray:
        accelerator = embedder.accelerator
        return embed_batches(model, torch.from_numpy(images).split(batch_size(accelerator)), accelerator)

    drawn = None if isinstance(model, GivenEmbeddings) else embed_images
    return Judge(name, model, sha256_of_file(path), embed, drawn)
