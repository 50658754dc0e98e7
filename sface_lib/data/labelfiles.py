"""Identities that a file beside the images tells: StyleGAN2-ADA's `dataset.json`, Hugging Face's `metadata.csv`."""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sface_lib.data.filenames import composed
from sface_lib.data.sources import READ_ERRORS
from sface_lib.errors import FacesError

LABELS_FILE, METADATA_FILE = "dataset.json", "metadata.csv"
NAME_COLUMN, IDENTITY_COLUMNS = "file_name", ("identity", "label")  # By preference.


class Told(NamedTuple):
    """What a file tells of images: the folder that their names are relative to, labels, identities, and by what."""

    root: str
    labels: np.ndarray | None
    identities: tuple[str, ...]
    told_by: str


def told_by_dataset_json(source: Any, images: Sequence[str]) -> Told | None:
    """Labels and identities from the uppermost `dataset.json`, when all images lie beside or below it.

    No labels there make an unlabelled set.

    Raises
    ------
    FacesError
        If the file doesn't fit the images.
    """
    file = min(_called(source, LABELS_FILE), key=lambda m: m.count("/"), default=None)
    if file is None or not all(image.startswith(_folder(file)) for image in images):
        return None
    where, root = f"{LABELS_FILE} of '{source.path}'", _folder(file)
    told_by = f"the label of an image in {LABELS_FILE}"
    try:
        content = json.loads(source.read(file))
    except (ValueError, *READ_ERRORS) as error:
        raise FacesError(f"{where} is not valid JSON ({error}); make the set again") from error
    rows = content.get("labels") if isinstance(content, dict) else None
    if not rows:
        return Told(root, None, (), told_by)
    try:
        table = {composed(name): label for name, label in rows}
    except (TypeError, ValueError) as error:
        raise FacesError(f"{where} must list labels as [[name, integer], ...]; make the set again") from error
    names = [image.removeprefix(root) for image in images]
    _check_labels(table, rows, names, where)
    labels, identities = number([table[name] for name in names])
    return Told(root, labels, _identity_names(content.get("identities"), identities), told_by)


def told_by_metadata(source: Any, images: Sequence[str]) -> Told | None:
    """Identities from the `metadata.csv` files that have columns `file_name` and `identity` or `label`.

    An image belongs to the nearest of them beside or above it, and is named relative to that file's folder. Files
    without these columns are ignored; None where there is no other.

    Raises
    ------
    FacesError
        If such a file can't be read, names an image twice, without identity or one that is not there, or leaves one
        out.
    """
    tables = {
        _folder(file): rows for file in _called(source, METADATA_FILE) if (rows := _table(source, file)) is not None
    }
    if not tables:
        return None
    where = f"{METADATA_FILE} of '{source.path}'"
    absent = sorted({folder + name for folder, rows in tables.items() for name in rows} - set(images))
    if absent:
        raise FacesError(
            f"{where} names {absent[0]!r}, which is no image of the set ({len(absent)} in all); restore it, or set "
            "labels=folders to ignore the table"
        )
    owners = [next((above for above in _above(image) if above in tables), None) for image in images]
    keys = [None if o is None else tables[o].get(i.removeprefix(o)) for o, i in zip(owners, images, strict=True)]
    lacking = [image for image, key in zip(images, keys, strict=True) if key is None]
    if lacking:
        raise FacesError(
            f"{where} has no row for {lacking[0]!r} ({len(lacking)} in all); add it, or set labels=folders to ignore "
            "the table"
        )
    labels, identities = number(as_numbers(keys))
    root = os.path.commonprefix([folder.split("/")[:-1] for folder in tables])
    return Told("".join(f"{part}/" for part in root), labels, identities, f"the row of an image in {METADATA_FILE}")


def number(keys: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number keys from 0 in their sorted order; contiguous integers from 0 stay as they are."""
    order = sorted(set(keys))
    position = {key: index for index, key in enumerate(order)}
    return np.array([position[key] for key in keys], dtype=np.int64), tuple(str(key) for key in order)


def as_numbers(texts: Sequence[str]) -> Sequence[str] | list[int]:
    """Whole numbers where all texts are such without leading zeros, so that they sort like numbers; else the texts."""
    plain = all(t.isascii() and t.isdecimal() and (t == "0" or t[0] != "0") for t in set(texts))
    return [int(text) for text in texts] if plain else texts


def _called(source: Any, name: str) -> list[str]:
    return [member for member in source.members if member.rpartition("/")[2] == name]


def _folder(file: str) -> str:
    """The folder of a file with its slash, composed as the names of images are; empty at the top."""
    return composed(file[: file.rfind("/") + 1])


def _above(image: str) -> Iterator[str]:
    """The folders that an image lies in, the nearest first."""
    while image:
        image = image[: image.rstrip("/").rfind("/") + 1]
        yield image


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


def _identity_names(given: Any, identities: tuple[str, ...]) -> tuple[str, ...]:
    """Names that `write_faces` stored beside the labels, else the integers as text."""
    if not isinstance(given, list) or len(given) <= max(map(int, identities)):
        return identities
    return tuple(composed(str(given[int(label)])) for label in identities)


def _table(source: Any, file: str) -> dict[str, str] | None:
    """Identity of each image that a `metadata.csv` names; None where it has other columns."""
    where = f"'{file}' of '{source.path}'"
    try:
        reader = csv.DictReader(io.StringIO(source.read(file).decode("utf-8-sig")), restval="")
        columns = {name.strip(): name for name in reader.fieldnames or ()}
        key = next((columns[name] for name in IDENTITY_COLUMNS if name in columns), None)
        if key is None or NAME_COLUMN not in columns:
            return None
        rows = [(row[columns[NAME_COLUMN]].strip(), row[key].strip()) for row in reader]
    except (UnicodeDecodeError, csv.Error, *READ_ERRORS) as error:
        raise FacesError(
            f"{where} cannot be read as CSV in UTF-8 ({error}); repair it, or set labels=folders to ignore it"
        ) from error
    table = {composed(name.replace("\\", "/").removeprefix("./")): composed(identity) for name, identity in rows}
    empty = next((name for name, identity in rows if not name or not identity), None)
    if empty is not None:
        raise FacesError(
            f"{where} lacks a name or an identity in the row of {empty!r}; complete it, or set labels=folders to "
            "ignore the table"
        )
    if len(table) != len(rows):
        raise FacesError(f"{where} names an image more than once; leave one row for each")
    return table
