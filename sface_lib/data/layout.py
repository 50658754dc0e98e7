"""How a source's files form a set: identity folders, or a StyleGAN2-ADA `dataset.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from sface_lib.data.sources import READ_ERRORS
from sface_lib.errors import FacesError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
LABELS_FILE = "dataset.json"
_ALLOWED = (
    "allowed are <identity>/<image> (in a folder, zip or tar, below one common folder at most) "
    f"and images with a StyleGAN2-ADA {LABELS_FILE}"
)


@dataclass(frozen=True)
class Layout:
    """Images of a set in the order of their names.

    Attributes
    ----------
    members, names
        Name of each image within the source, and relative to the set's root.
    labels
        int64 `[N]`, index into `identities`, or None for an unlabelled set.
    identities
        Name of each identity; empty for an unlabelled set.
    told_by
        What was taken for an image's identity, in words.
    """

    members: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray | None
    identities: tuple[str, ...]
    told_by: str = "the folder of an image"


def find_layout(source: Any) -> Layout:
    """Tell images, root, labels and identities of a source.

    Raises
    ------
    FacesError
        If there is no image, or the files follow none of the layouts, or `dataset.json` doesn't fit them.
    """
    images = sorted((m for m in source.members if m.lower().endswith(IMAGE_SUFFIXES)), key=_parts)
    if not images:
        raise FacesError(f"'{source.path}' holds no images ({' '.join(IMAGE_SUFFIXES)}); {_ALLOWED}")
    labels_file = _labels_file(source.members, images)
    if labels_file is not None:
        root = labels_file.removesuffix(LABELS_FILE)
        names = [image.removeprefix(root) for image in images]
        labels, identities = _read_labels(source, labels_file, names)
        told_by = f"the label of an image in {LABELS_FILE}"
    else:
        names = _below_common_folder(images)
        _check_depth(names, source)
        labels, identities = _number([name.split("/")[0] for name in names])
        told_by = Layout.told_by
    return Layout(tuple(images), tuple(names), labels, identities, told_by)


def _labels_file(members: Sequence[str], images: Sequence[str]) -> str | None:
    """The uppermost `dataset.json`, when all images lie beside or below it."""
    found = [m for m in members if PurePosixPath(m).name == LABELS_FILE]
    uppermost = min(found, key=lambda m: m.count("/"), default=None)
    if uppermost is None or not all(i.startswith(uppermost.removesuffix(LABELS_FILE)) for i in images):
        return None
    return uppermost


def _below_common_folder(images: Sequence[str]) -> list[str]:
    """Strip folders that all images share, but never an image's own identity folder."""
    paths = [image.split("/") for image in images]
    while all(len(path) > 2 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    return ["/".join(path) for path in paths]


def _check_depth(names: Sequence[str], source: Any) -> None:
    loose = [name for name in names if "/" not in name]
    if loose:
        raise FacesError(f"'{source.path}' holds images outside identity folders, e.g. {loose[0]!r}; {_ALLOWED}")
    deep = [name for name in names if name.count("/") > 1]
    if deep:
        raise FacesError(f"'{source.path}' nests folders too deeply, e.g. {deep[0]!r}; {_ALLOWED}")


def _read_labels(source: Any, file: str, names: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels and identities from `dataset.json`; no labels there makes an unlabelled set."""
    where = f"{file} of '{source.path}'"
    try:
        content = json.loads(source.read(file))
    except (ValueError, *READ_ERRORS) as error:
        raise FacesError(f"{where} is not valid JSON ({error}); make the set again") from error
    rows = content.get("labels") if isinstance(content, dict) else None
    if not rows:
        return None, ()
    try:
        table = dict(rows)
    except (TypeError, ValueError) as error:
        raise FacesError(f"{where} must list labels as [[name, integer], ...]; make the set again") from error
    _check_labels(table, rows, names, where)
    given, identities = _number([table[name] for name in names])
    return given, _identity_names(content.get("identities"), identities)


def _check_labels(table: dict, rows: Sequence, names: Sequence[str], where: str) -> None:
    bad = [value for value in table.values() if type(value) is not int or value < 0]
    if bad:
        raise FacesError(
            f"{where} holds the label {bad[0]!r}, but labels must be integers from 0 up; "
            "turn vectors and fractions into one class number an image"
        )
    missing = table.keys() - set(names)
    if missing:
        raise FacesError(
            f"{where} names {min(missing, key=str)!r}, which is not in the set ({len(missing)} in all); restore it"
        )
    lacking = [name for name in names if name not in table]
    if lacking:
        raise FacesError(
            f"{where} has no label for {lacking[0]!r} ({len(lacking)} in all); add them, or set labels to null"
        )
    if len(table) != len(rows):
        raise FacesError(f"{where} names an image more than once; leave one label for each")


def _number(keys: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number keys from 0 in their sorted order; contiguous integers from 0 stay as they are."""
    order = sorted(set(keys))
    position = {key: index for index, key in enumerate(order)}
    return np.array([position[key] for key in keys], dtype=np.int64), tuple(str(key) for key in order)


def _identity_names(given: Any, identities: tuple[str, ...]) -> tuple[str, ...]:
    """Names that `write_faces` stored beside the labels, else the integers as text."""
    if not isinstance(given, list) or len(given) <= max(map(int, identities)):
        return identities
    return tuple(str(given[int(label)]) for label in identities)


def _parts(name: str) -> list[str]:
    return name.split("/")
