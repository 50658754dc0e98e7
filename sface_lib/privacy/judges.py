"""Who judges a link: recognition models that taught nothing in the run, and raw pixels as a reference."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from sface_lib.data import FaceSet
from sface_lib.errors import InputError, SfaceError
from sface_lib.files import sha256_of_file
from sface_lib.recognition import (
    Embedder,
    GivenEmbeddings,
    RecognitionModel,
    embed_batches,
    open_model,
    pixel_embeddings,
)
from sface_lib.recognition.embedding import batch_size

PIXELS = "raw pixels"
DIGITS = re.compile(r"[0-9a-f]{12,64}")  # Of a SHA-256, from its first one on.


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A name, and embeddings float32 `[N, d]` of a set or of images uint8 `[N, 3, S, S]`; `model` None is pixels.

    `sha256` is that of the file of weights, `path`. `embed_images` is None for pixels and for vectors that were given.
    """

    name: str
    model: RecognitionModel | GivenEmbeddings | None
    sha256: str | None
    embed: Callable[[FaceSet], np.ndarray]
    embed_images: Callable[[np.ndarray], np.ndarray] | None = None
    path: Path | None = None

    def answers_to(self, model: str) -> bool:
        """Whether a text means this model, or one that it is known to have learnt from.

        The text is the path of a file, a name, or at least 12 digits of a SHA-256: of the file, or of the weights of a
        model in its lineage. A file that exists is this one by its path, or its contents, or its weights; or by its
        name but for another ending, as the same model may have in another format. A name is the judge's, that of its
        file with or without ending, or what the model's description calls it; of a path that leads nowhere the last
        part counts. Capitals don't matter.
        """
        if self.model is None:
            return False
        if Path(model).is_file():
            return self._is_file(Path(model))
        asked = model.strip().casefold()
        if DIGITS.fullmatch(asked) and any(known.startswith(asked) for known in (self.sha256 or "", *self._lineage)):
            return True
        return Path(asked).name in self._names

    def part_in(self, barred_models: Mapping[str, str]) -> str:
        """Why it may not judge a set, by the models that had a part in that; empty where it may: see `answers_to`."""
        return next((why for model, why in barred_models.items() if self.answers_to(model)), "")

    def _is_file(self, other: Path) -> bool:
        if (own := self.path) is not None:
            converted = own.stem.casefold() == other.stem.casefold() and own.suffix != other.suffix
            if converted or own.resolve() == other.resolve():
                return True
            if own.stat().st_size != other.stat().st_size:
                return self._learnt_from(other)
        return sha256_of_file(other) == self.sha256 or self._learnt_from(other)

    def _learnt_from(self, other: Path) -> bool:
        """Whether a file holds the weights of a model in its lineage."""
        if len(self._lineage) < 2:
            return False
        try:
            return open_model(other).fingerprint in self._lineage
        except SfaceError:
            return False  # No model that this program reads, such as the network of a generator.

    @functools.cached_property
    def _lineage(self) -> tuple[str, ...]:
        return getattr(self.model, "lineage", ())

    @property
    def _names(self) -> set[str]:
        file = (self.path.name, self.path.stem) if self.path else ()
        described = (self.model.description.get(key) for key in ("architecture", "name"))
        return {name.casefold() for name in (self.name, *file, *described) if isinstance(name, str)}


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
    """A judge from weights or vectors that `open_model` reads.

    It must not have taught the generator whose faces it judges; see `Judge.answers_to`.
    """
    model = open_model(path)

    def embed(faces: FaceSet) -> np.ndarray:
        return embedder.embed(model, faces)

    def embed_images(images: np.ndarray) -> np.ndarray:
        accelerator = embedder.accelerator
        return embed_batches(model, torch.from_numpy(images).split(batch_size(accelerator)), accelerator)

    drawn = None if isinstance(model, GivenEmbeddings) else embed_images
    return Judge(name, model, sha256_of_file(path), embed, drawn, Path(path))
