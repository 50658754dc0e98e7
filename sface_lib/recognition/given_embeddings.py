"""A judge without a network: embeddings of named images, made elsewhere and given as a file."""

import dataclasses
import unicodedata
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sface_lib.data import FaceSet
from sface_lib.errors import InputError, WeightsError
from sface_lib.files import sha256_of_file

UNIT_TOLERANCE = 1e-3  # Of a length; that of unit vectors that were stored as float16 is below 2e-4.


@dataclasses.dataclass(frozen=True)
class GivenInput:
    """Stands for an `InputSpec` where vectors were given: no image is seen, cropped or mirrored.

    Attributes
    ----------
    source
        What embeddings come from.
    size_px, mirror
        None and "none": how the vectors were made is not known.
    """

    source: str = "vectors were given"
    size_px: None = None
    mirror: str = "none"


class GivenEmbeddings:
    """Vectors of images by their names, in the place of a `RecognitionModel` wherever one embeds a set of faces.

    A set's image is found by its name relative to the set's root, or below the set's own name (`casia/0001/1.jpg` for
    `0001/1.jpg` of the folder casia or of casia.zip), which goes first; or else by the last part of its name, where
    only one image has it. Names are compared in Unicode's normal form NFC.

    Whatever else a model does, such as to embed images drawn in memory, to teach or to steer, is refused.

    Attributes
    ----------
    path
        The file.
    spec
        Says that vectors were given.
    description
        Plain values, as of a `RecognitionModel`; `trained_on` is not stated.
    fingerprint
        SHA-256 of the file.
    """

    def __init__(self, path: Path, names: list[str], vectors: np.ndarray):
        self.path, self.spec, self.fingerprint = path, GivenInput(), sha256_of_file(path)
        self.embedding_size = vectors.shape[1]
        self.description = {"architecture": "given embeddings", "embedding_size": self.embedding_size}
        self.description |= {"trained_on": "not stated", "input": self.spec.source}
        self._vectors, self._rows = vectors, {name: row for row, name in enumerate(names)}
        self._by_last: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(names):
            self._by_last[_last(name)].append(row)
        self._seen: dict[int, tuple[FaceSet, int]] = {}  # Whose vector a row was first taken for.

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # Python's own questions, such as those of copy and pickle.
            raise AttributeError(name)
        self.refuse("to train, to steer, or to embed images drawn in memory")

    def refuse(self, purpose: str) -> NoReturn:
        """Say that vectors do not serve a purpose; raises `InputError`."""
        raise InputError(
            f"'{self.path}' holds vectors of named images and no network: it judges sets, and cannot serve {purpose}; "
            "give the weights of a recognition model"
        )

    def of(self, faces: FaceSet) -> np.ndarray:
        """Unit vectors float32 `[N, d]` of a set, in its order.

        Raises
        ------
        InputError
            The file lacks an image of the set, or it is open which vector belongs to it; or the file gives one vector
            to different images of two sets.
        """
        candidates = [self._candidates(faces.path, name) for name in map(_normal, faces.names)]
        missing = [name for name, rows in zip(faces.names, candidates, strict=True) if not rows]
        if missing:
            raise InputError(
                f"'{self.path}' lacks {len(missing):,} of {len(faces):,} images of '{faces.path}', the first being "
                f"{missing[0]!r}; give a vector for each, by its name relative to the set's root"
            )
        rows = np.array([rows[0] for rows in candidates], np.int64)
        uses = np.bincount(rows)
        unclear = [i for i, choices in enumerate(candidates) if len(choices) > 1 or uses[choices[0]] > 1]
        if unclear:
            raise InputError(
                f"'{self.path}' leaves open which vector belongs to {len(unclear):,} of {len(faces):,} images of "
                f"'{faces.path}', the first being {faces.names[unclear[0]]!r}: several have its last name; name images "
                "relative to the set's root, with their folders"
            )
        self._check_owners(faces, rows)
        return self._vectors[rows]

    def _candidates(self, path: Path, name: str) -> list[int]:
        """Rows that an image may have: that of its whole name, or those of its last name."""
        for whole in (f"{_normal(path.name)}/{name}", f"{_normal(path.stem)}/{name}", name):
            if whole in self._rows:
                return [self._rows[whole]]
        return self._by_last.get(_last(name), [])

    def _check_owners(self, faces: FaceSet, rows: np.ndarray) -> None:
        """Refuse a row for an image that is another than the one of another set that it was taken for before."""
        for index, row in enumerate(rows.tolist()):
            owner, place = self._seen.setdefault(row, (faces, index))
            if owner.path != faces.path and owner.digest(place) != faces.digest(index):
                name = faces.names[index]
                raise InputError(
                    f"'{self.path}' has one vector for {name!r} of '{faces.path}' and for another image, "
                    f"{owner.names[place]!r} of '{owner.path}'; name images below the name of their set, such as "
                    f"'{faces.path.stem}/{name}'"
                )


def holds_embeddings(path: str | Path) -> bool:
    """Whether a file is an `.npz`: a zip of NumPy arrays alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def open_embeddings(path: str | Path) -> GivenEmbeddings:
    """Read an `.npz` of one array of file names, text `[N]`, and one of unit vectors, float `[N, d]`; others are left.

    Raises
    ------
    WeightsError
        There are no such two arrays, or several; a name stands twice; or a vector's length differs from 1 by
        `UNIT_TOLERANCE` or more.
    """
    path = Path(path)
    names, vectors = _arrays(path)
    names = [_normal(name) for name in names]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise WeightsError(f"'{path}' names {twice!r} twice; give each image one vector")
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < UNIT_TOLERANCE))
    if len(wrong):
        raise WeightsError(
            f"'{path}': {len(wrong):,} of {len(names):,} vectors are not of unit length, the first being that of "
            f"{names[wrong[0]]!r} with {lengths[wrong[0]]:.4g}; divide each by its length and save them again"
        )
    return GivenEmbeddings(path, names, vectors / lengths[:, None])


def _arrays(path: Path) -> tuple[list[str], np.ndarray]:
    """The names and the vectors of an `.npz`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"'{path}' cannot be read as arrays of text and numbers ({reason}); save the names as "
            "np.array(names, dtype=str)"
        ) from None
    pairs = [
        (names, vectors)
        for names in arrays.values()
        for vectors in arrays.values()
        if names.ndim == 1 and names.dtype.kind == "U" and vectors.ndim == 2 and vectors.dtype.kind == "f"
        if len(names) == len(vectors) > 0
    ]
    if len(pairs) != 1:
        held = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in arrays.items())
        raise WeightsError(
            f"'{path}' holds {held}; give one array of file names, text [N], and one of unit vectors, float [N, d]"
        )
    return pairs[0][0].tolist(), pairs[0][1]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/").removeprefix("./"))


def _last(name: str) -> str:
    return name.rpartition("/")[2]
