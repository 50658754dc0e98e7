"""Annotation tables: MAAD-Face, CelebA, the population's ground truth, or any CSV, as one coding.

A value is 1 (present), -1 (absent) or 0 (undefined, which no loss and no count looks at).
"""

import dataclasses
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from sface_lib.attributes.names import ATTRIBUTES, check_names
from sface_lib.data import FaceSet
from sface_lib.data.filenames import composed, is_image
from sface_lib.errors import InputError

# Columns that name the image, by preference, and columns that are no attribute.
KEYS = ("name", "Filename", "filename", "image_id", "image")
CELEBA_ONLY = ("Blurry", "Narrow_Eyes", "Pale_Skin", "Straight_Hair", "Wearing_Necklace")
# CelebA's attributes that MAAD-Face has under another name, and the sign between them. The others are called alike.
CELEBA_RENAMED = {"Mouth_Slightly_Open": (("Mouth_Closed", -1),), "Eyeglasses": (("Eyeglasses", 1), ("No_Eyewear", -1))}


@dataclasses.dataclass(frozen=True, eq=False)
class AttributeTable:
    """Annotations of images.

    Attributes
    ----------
    path
        Where they were read.
    keys
        Name of each image, as the table has it.
    names
        The attributes, of `ATTRIBUTES` and in its order.
    values
        int8 `[N, A]`: 1, -1, or 0 undefined.
    """

    path: Path
    keys: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray

    def of(self, faces: FaceSet, missing: Literal["stop", "skip"] = "stop") -> tuple[np.ndarray, np.ndarray]:
        """Positions in a set int64 `[n]` and their values int8 `[n, A]`.

        Images are found by their name in the set, or by the end of it that the table gives ("000001.jpg" for
        "images/000001.jpg"), with or without suffix.

        Parameters
        ----------
        missing
            What an image of the set without a row does: stop, or be left out.

        Raises
        ------
        InputError
            No row fits any image; an image has none and `missing` is "stop"; a row fits several images; or the table
        names an image twice.
        """
        rows = _by_stem(self)
        table_rows = np.array([_row(rows, name) for name in faces.names], np.int64)
        positions = np.flatnonzero(table_rows >= 0)
        if not len(positions):
            raise InputError(
                f"'{self.path}' annotates no image of '{faces.path}': it names {self.keys[0]!r}, the set "
                f"{faces.names[0]!r}; give the table that belongs to the set"
            )
        used, counts = np.unique(table_rows[positions], return_counts=True)
        if counts.max() > 1:
            raise InputError(
                f"'{self.path}' names {self.keys[used[counts.argmax()]]!r}, which fits {counts.max()} images of "
                f"'{faces.path}'; give the images' names with their folders"
            )
        absent = np.flatnonzero(table_rows < 0)
        if len(absent) and missing == "stop":
            raise InputError(
                f"{len(absent)} images of '{faces.path}' have no row in '{self.path}' (the first is "
                f"{faces.names[absent[0]]!r}), and {len(self.keys) - len(positions)} rows have no image; complete the "
                "table, or leave such images out with --missing skip"
            )
        return positions, self.values[table_rows[positions]]


def read_annotations(path: str | Path) -> AttributeTable:
    """Read annotations: a parquet or CSV table with a column that names the image, or CelebA's `list_attr_celeba.txt`.

    MAAD-Face's CSV is `Filename,Identity` and its 47 attributes; CelebA's 40 are mapped to MAAD-Face's names by
    `CELEBA_RENAMED`, and five that MAAD-Face lacks are left out. Columns of other types than attributes are passed over
    in parquet tables, such as those of the rendered population; in a CSV every column must be known.

    Raises
    ------
    InputError
        The file is no such table, an attribute is unknown (near matches are told), a value is not 1, -1 or 0, no
        attribute is left, or no value is -1 and some are 0 and 1: the table seems coded 0/1.
    """
    path = Path(path)
    table = _read(path)
    key = next((name for name in KEYS if name in table.columns), None)
    if key is None:
        raise InputError(f"'{path}' has no column that names the image; call it one of {', '.join(KEYS)}")
    keys = table[key].fillna("").astype(str).str.strip()
    if (keys == "").any():
        raise InputError(f"'{path}': row {int((keys == '').argmax()) + 1} names no image; complete its {key}")
    known = [c for c in table.columns if c in ATTRIBUTES or c in CELEBA_RENAMED]
    if path.suffix.lower() != ".parquet":
        others = [c for c in table.columns if c not in known and c not in (*KEYS, *CELEBA_ONLY, "Identity", "identity")]
        check_names(others, f"'{path}'")
    _refuse_zero_and_one(path, table[known])
    celeba = {*CELEBA_ONLY, "Mouth_Slightly_Open"} & set(table.columns)
    columns = _renamed(table[known]) if celeba else table[known]
    names = tuple(name for name in ATTRIBUTES if name in columns)
    if not names or not len(table):
        raise InputError(
            f"'{path}' holds {len(table)} rows and {len(names)} attributes; at least one of each is needed"
        )
    return AttributeTable(path, tuple(keys), names, _coded(path, keys, columns[list(names)]))


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        with open(path, encoding="utf-8") as stream:
            first = stream.readline().strip()
        if first.isdecimal():  # CelebA: the number of images, then the names, then a row for each image.
            table = pd.read_csv(path, sep=r"\s+", skiprows=1, dtype=str, index_col=0)
            return table.rename_axis("image_id").reset_index()
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # Rows of more fields than there are names.
            table = pd.read_csv(path, dtype=str, index_col=False)
    except FileNotFoundError:
        raise InputError(f"no file at '{path}'; give a table of annotations") from None
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise InputError(f"'{path}' cannot be read as a table: {' '.join(str(error).split())}") from None
    table = table.rename(columns=lambda name: name.strip().replace(" ", "_"))
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputError(f"'{path}' has two columns {twice[0]!r}; keep one of them")
    return table


def _refuse_zero_and_one(path: Path, table: pd.DataFrame) -> None:
    """Before anything is renamed: the opposite of an attribute that is 1 would be -1."""
    numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if {0, 1} <= set(numbers.ravel()) and not (numbers == -1).any():
        raise InputError(
            f"'{path}' seems coded 0/1: it holds 0 and 1 but no -1, and 0 would be read as undefined instead of absent "
            "(a table of 1 and 0 alone is always refused); recode its attributes as 2 * x - 1, so that absent is -1"
        )


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    """CelebA's columns under MAAD-Face's names."""
    columns = {}
    for name in table.columns:
        for ours, sign in CELEBA_RENAMED.get(name, ((name, 1),)):
            if ours != name and ours in table:
                continue  # The table has it under our name, too.
            numbers = pd.to_numeric(table[name], errors="coerce")
            columns[ours] = table[name] if sign == 1 else (-numbers).where(numbers.notna(), table[name])
    return pd.DataFrame(columns)


def _coded(path: Path, keys: pd.Series, table: pd.DataFrame) -> np.ndarray:
    numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = np.argwhere(~np.isin(numbers, (-1, 0, 1)))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"'{path}': {table.columns[column]} of {keys.iloc[row]!r} is {table.iat[row, column]!r}; an attribute is 1 "
            f"(present), -1 (absent) or 0 (undefined) ({len(wrong)} values are not)"
        )
    return numbers.astype(np.int8)


def _by_stem(table: AttributeTable) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, key in enumerate(table.keys):
        stem = _stem(key)
        if stem in rows:
            raise InputError(f"'{table.path}' names {key!r} twice; give each image one row")
        rows[stem] = row
    return rows


def _row(rows: dict[str, int], name: str) -> int:
    """The row of an image by its whole name, or by the longest end of it that the table has; -1 for none."""
    parts = _stem(name).split("/")
    return next((rows[end] for i in range(len(parts)) if (end := "/".join(parts[i:])) in rows), -1)


def _stem(name: str) -> str:
    """A name without the suffix of an image, with forward slashes, in Unicode's normal form."""
    name = composed(name.strip().replace("\\", "/").removeprefix("./"))
    return name.rpartition(".")[0] if is_image(name) else name
