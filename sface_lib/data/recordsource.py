"""A set of faces in RecordIO, as InsightFace hands its training sets round: train.rec beside train.idx.

The .idx lists `key<TAB>byte` of every record. At key 0 InsightFace puts two labels and no image: the first key of the
identity records, and the key after the last one. Images have the keys before them, and each identity record holds no
image but two labels, its first image's key and the key after its last image. Without such a record at key 0 every
record is an image.

A set may hold one label in every record, and the identities in a list.txt beside, a line `key<TAB>identity<TAB>path`
for each, as DCFace's does.
"""

import csv
import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import pandas as pd

from sface_lib.data.decode import image_suffixes
from sface_lib.data.filenames import composed
from sface_lib.data.labelfiles import as_numbers
from sface_lib.data.layout import Layout
from sface_lib.data.recordio import EXACT, MAGIC, damage, read_record, unpack_payload
from sface_lib.errors import FacesError

LIST_FILE = "list.txt"
HEAD_BYTES = 4096  # What is read of a record for its labels; room for 1,000 of them.


class RecordSource:
    """The images of a .rec file, read at random; each process keeps one handle of its own.

    Images are named `<label>/<key>.jpg` (or .png), label and key padded with zeros, so that names and identities sort
    like numbers and can be written as folders. The label is the record's own, or the first of them; where identity
    records tell the ranges, only the first image of each is looked at. Identities without images are no classes. Where
    all labels are equal and a list.txt beside names every image's key, identities are those of the list.
    In memory are the index and the names, about 100 bytes an image.

    Raises
    ------
    FacesError
        If there is no .idx, one of the two files is damaged, they don't fit, or a label is no whole number from 0.
    """

    kind = "RecordIO"

    def __init__(self, path: Path, record: Path):
        self.path, self._record = path, record
        self._handle, self._owner = None, None
        self._keys, self._offsets = _read_index(record)
        try:
            self._record_of(self._keys[self._offsets.argmax()])
            self.layout = self._find_layout()
        except OSError as error:
            raise FacesError(
                f"'{record}' cannot be read as RecordIO ({error.strerror or error}); copy or download it and its .idx "
                "again"
            ) from error
        self.members = self.layout.members

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        return self._record_of(int(PurePosixPath(member).stem))[1]

    def _file(self) -> BinaryIO:
        if self._handle is None or self._owner != os.getpid():
            self._handle, self._owner = self._record.open("rb"), os.getpid()
        return self._handle

    def __getstate__(self):
        return {**self.__dict__, "_handle": None, "_owner": None}

    def _record_of(self, key: int, most: int | None = None) -> tuple[np.ndarray, bytes]:
        """Labels and image of a record, of which no more than `most` bytes are read."""
        place = np.searchsorted(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            raise damage(f"the .idx has no record {key}")
        try:
            return unpack_payload(read_record(self._file(), int(self._offsets[place]), most))
        except OSError as error:
            raise damage(f"record {key}: {error.strerror}") from error

    def _head(self, key: int) -> tuple[np.ndarray, bool]:
        """Labels of a record, and whether an image follows."""
        labels, image = self._record_of(key, HEAD_BYTES)
        return labels, bool(image)

    def _find_layout(self) -> Layout:
        keys, labels = self._labelled()
        if not len(keys):
            raise FacesError(f"'{self._record}' holds no images; give a set with at least one")
        listed, told_by = None, "the label of an image's record"
        if labels.min() == labels.max():
            listed = self._listed(keys)
        if listed is not None:
            labels, told_by = np.array(listed), f"the identity of a record's key in {LIST_FILE}"
        classes, numbers = np.unique(labels, return_inverse=True)
        identities = tuple(f"{label:07d}" if isinstance(label, int) else label for label in classes.tolist())
        order = np.lexsort((keys, numbers))
        numbers = numbers[order].astype(np.int64)
        suffix = image_suffixes(self._record_of(keys[order[0]])[1])[0]
        names = tuple(
            f"{identities[label]}/{key:08d}{suffix}"
            for label, key in zip(numbers.tolist(), keys[order].tolist(), strict=True)
        )
        return Layout(names, names, numbers, identities, told_by)

    def _listed(self, keys: np.ndarray) -> list[int] | list[str] | None:
        """Identity of each key in the list beside; None where there is no list that names them all."""
        try:
            table = pd.read_csv(
                self._record.with_name(LIST_FILE), sep="\t", header=None, usecols=[0, 1], dtype={0: np.int64, 1: str},
                keep_default_na=False, quoting=csv.QUOTE_NONE,
            )  # fmt: skip
        except (OSError, ValueError):
            return None
        identities = dict(zip(table[0], table[1].map(composed), strict=True))
        labels = [identities.get(key, "") for key in keys.tolist()]
        return list(as_numbers(labels)) if all(labels) else None

    def _labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys of the images and their labels, int64 `[N]`."""
        bounds, has_image = self._head(self._keys[0])
        if self._keys[0] != 0 or has_image or len(bounds) != 2:
            return self._keys, np.array([self._label(key) for key in self._keys])
        if bounds.max() > EXACT:
            # The header's numbers are rounded, and so are those of the identity records: only images are sure.
            heads = ((key, *self._head(key)) for key in self._keys)
            table = np.array(
                [(key, self._whole(key, labels)) for key, labels, has_image in heads if has_image]
            ).reshape(-1, 2)
            return table[:, 0], table[:, 1]
        return self._by_identity(*self._range(0, bounds, 1, EXACT))

    def _by_identity(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels by the ranges of the identity records `first` to `end`; an image in none has its own label."""
        keys = np.arange(1, first)
        missing = np.setdiff1d(keys, self._keys)
        if len(missing):
            raise damage(f"the .idx has no record {missing[0]}, one of {len(missing)} images that it lacks")
        labels = np.full(first, -1)
        for identity in range(first, end):
            start, stop = self._range(identity, self._head(identity)[0], 1, first)
            if (labels[start:stop] >= 0).any():
                raise damage(f"record {identity} claims images that are those of another identity")
            if start < stop:
                labels[start:stop] = self._label(start)
        for key in np.flatnonzero(labels[1:] < 0) + 1:
            labels[key] = self._label(key)
        return keys, labels[1:]

    def _range(self, key: int, bounds: np.ndarray, lowest: int, highest: int) -> tuple[int, int]:
        """The two whole numbers that a record without an image holds."""
        if len(bounds) != 2 or not lowest <= bounds[0] <= bounds[1] <= highest or (bounds % 1).any():
            shown = ", ".join(str(float(bound)) for bound in bounds[:4])
            raise damage(f"record {key} should hold a range of keys from {lowest} to {highest}, but holds {shown}")
        return int(bounds[0]), int(bounds[1])

    def _label(self, key: int) -> int:
        return self._whole(key, self._head(key)[0])

    def _whole(self, key: int, labels: np.ndarray) -> int:
        label = float(labels[0])
        if not (label.is_integer() and 0 <= label <= EXACT):
            raise FacesError(
                f"'{self._record}' gives record {key} the label {label:g}, but labels must be whole numbers from 0 to "
                f"{EXACT}; write the set with one class number an image"
            )
        return int(label)


def find_record(path: Path) -> Path | None:
    """The .rec file that a path names or, as the only one, a folder holds; None where there is none.

    Raises
    ------
    FacesError
        If a folder holds several.
    """
    if path.is_dir():
        records = [file for file in sorted(path.glob("*.rec")) if not file.name.startswith(".") and _is_record(file)]
        if len(records) > 1:
            names = ", ".join(file.name for file in records)
            raise FacesError(f"'{path}' holds {len(records)} RecordIO sets ({names}); give the path of one of them")
        return records[0] if records else None
    return path if path.is_file() and _is_record(path) else None


def _is_record(file: Path) -> bool:
    """Whether a file begins with a record; one that is called .rec and has an .idx was meant to."""
    with open(file, "rb") as stream:
        return stream.read(4) == MAGIC or (file.suffix == ".rec" and file.with_suffix(".idx").exists())


def _read_index(record: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys, increasing, and where their records begin, int64 `[M]` each."""
    index = record.with_suffix(".idx")
    if not index.is_file():
        raise FacesError(f"'{record}' has no '{index.name}' beside it, which tells where its records begin; add it")
    try:
        table = np.loadtxt(index, np.int64, delimiter="\t", comments=None, ndmin=2) if index.stat().st_size else None
    except ValueError as error:
        raise FacesError(
            f"'{index}' must hold lines of a key, a tab and a byte offset ({error}); get it again"
        ) from error
    if table is None or table.shape[1] != 2 or table.min() < 0:
        raise FacesError(f"'{index}' must hold a key, a tab and a byte offset, both from 0, in each line; get it again")
    keys, places, counts = np.unique(table[:, 0], return_index=True, return_counts=True)
    if counts.max() > 1:
        raise FacesError(f"'{index}' lists the key {keys[counts.argmax()]} more than once; get it again")
    return keys, table[places, 1]
