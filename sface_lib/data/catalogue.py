"""Names, labels and order of images, for formats that tell them image by image: parquet, WebDataset, LMDB."""

import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sface_lib.data.layout import Layout
from sface_lib.data.recordio import damage
from sface_lib.errors import FacesError

LARGEST = 2**63 - 1
_WHOLE, _FRACTION = re.compile(r"-?(0|[1-9]\d*)", re.ASCII), re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)
_DRIVE = re.compile("[A-Za-z]:")  # As in C:\\faces\\1.jpg.


class Told(NamedTuple):
    """What a set tells of an image's identity: a number from 0, a name, both or nothing."""

    label: int | None = None
    identity: str | None = None


NOTHING = Told()


class Catalogue:
    """What is told of each image, gathered in the order of storage: about 100 bytes an image, most of them its name.

    Parameters
    ----------
    path
        The set.
    told_by
        What is taken for an image's identity, in words.
    where
        Says in words where an image lies, by its place in the order of storage. Never by a name or key: those may name
        a person, and a message about a set that can't be opened is shown before anybody knows which names to withhold.
    """

    def __init__(self, path: Path, told_by: str, where: Callable[[int], str]):
        self._path, self._told_by, self._where = path, told_by, where
        self._names: list[str] = []
        self._known: dict[Told, int] = {}
        self._codes = array("q")

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str | None, told: Told) -> None:
        """The next image: its file's name as stored, if it has one, and what is told of its identity."""
        self._names.append(_relative(name or ""))
        self._codes.append(self._known.setdefault(told, len(self._known)))

    def layout(self, suffix: str) -> tuple[Layout, np.ndarray]:
        """The set in the order of its names, and the place of each image in the order of storage, int64 `[N]`.

        Names that hold no folder are put below that of their identity. Where one is missing or stands twice, all
        images are numbered in the order of storage, `<identity>/<number><suffix>`. Identities that are numbers are
        padded to seven digits, so that they sort like numbers. Gives up what was gathered.

        Raises
        ------
        FacesError
            If there is no image, or one without a label beside labelled ones.
        """
        if not self._names:
            raise FacesError(f"'{self._path}' holds no images; give a set with at least one")
        labels, identities = self._labels()
        names, self._names = self._names, []
        if labels is not None and not any("/" in name for name in names):
            names = [name and f"{identities[label]}/{name}" for name, label in zip(names, labels, strict=True)]
        order = _order(names)
        if "" in names or any(names[a] == names[b] for a, b in pairwise(order)):
            homes = repeat("", len(names)) if labels is None else (f"{identities[label]}/" for label in labels)
            names = [f"{home}{number:08d}{suffix}" for number, home in enumerate(homes)]
            order = _order(names)
        names = tuple(names[place] for place in order)
        return Layout(names, names, None if labels is None else labels[order], identities, self._told_by), order

    def _labels(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        codes = np.frombuffer(self._codes, np.int64)
        if NOTHING in self._known:
            lacking = np.flatnonzero(codes == self._known[NOTHING])
            if len(self._known) == 1:
                return None, ()
            raise FacesError(
                f"{self._where(int(lacking[0]))} has no label, beside images that have one ({len(lacking)} of "
                f"{len(codes)} in all lack it); label every image, or none"
            )
        keys, names = _identities(list(self._known))
        order = sorted(set(keys))
        number = {key: place for place, key in enumerate(order)}
        labels = np.array([number[key] for key in keys], np.int64)[codes]
        name_of = dict(zip(keys, names, strict=True))
        return labels, tuple(name_of[key] for key in order)


def place_of(member: str, members: Sequence[str]) -> int:
    """Place of a name among those of a `Catalogue`, found by halving: no table of names is held beside them."""
    place = bisect_left(members, _sort_key(member), key=_sort_key)
    if place == len(members) or members[place] != member:
        raise damage("there is no such image in the set")
    return place


def tell(label: Any, identity: Any, where: str) -> Told:
    """What is told of an image's identity, checked; of a number and a name the one called identity counts more.

    Raises
    ------
    FacesError
        If one is neither a whole number from 0 nor a text nor absent.
    """
    label, identity = _checked(label, where), _checked(identity, where)
    if isinstance(identity, int):
        return Told(identity)
    if isinstance(label, str):
        return Told(None, identity or label)
    return Told(label, identity)


def value_of(text: str) -> int | float | str:
    """The number that a label's text stands for; a name, or a number with zeros before it, stays text."""
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _checked(value: Any, where: str) -> int | str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if not whole or not 0 <= value <= LARGEST:
        raise FacesError(
            f"{where} has the label {value!r}, but labels must be whole numbers from 0, or names; write the set with "
            "one class number or name an image"
        )
    return int(value)


def _identities(told: list[Told]) -> tuple[list, list[str]]:
    """What identities are sorted by and what they are called: numbers where each goes with one name, else names."""
    labels, names = zip(*told, strict=True)
    if None in labels or None in names:
        named = [f"{label:07d}" if name is None else name for label, name in told]
        return (named if any(names) else list(labels)), named
    one_to_one = len(set(labels)) == len(set(names)) == len(told)
    return list(labels if one_to_one else names), list(names)


def _relative(name: str) -> str:
    """A name relative to its set; only the file's own where it is absolute or leads out of it."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or _DRIVE.match(name):
        return parts[-1] if parts and parts[-1] != ".." else ""
    return "/".join(parts)


def _sort_key(name: str) -> bytes:
    """What sorts names as their folders and files sort one after the other."""
    return name.encode("utf-8", "surrogateescape").replace(b"/", b"\0")


def _order(names: Sequence[str]) -> np.ndarray:
    return pc.array_sort_indices(pa.array(map(_sort_key, names), pa.large_binary())).to_numpy().astype(np.int64)
