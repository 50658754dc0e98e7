"""Published lists of verification pairs, as rows of (left, right, same, fold).

Each reader takes the lines of a file and its path, which errors name.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from sface_lib.errors import ProtocolError

Row = tuple[str, str, bool, int]
COLUMNS = ("left", "right", "same", "fold")
N_FOLDS = 10
_TRUTH = {"1": True, "true": True, "0": False, "false": False}


def contiguous_folds(n_pairs: int) -> np.ndarray:
    """Folds 1 to 10 of pairs in their order, int64 `[P]`; the first ones are larger where ten don't divide them.

    As scikit-learn's KFold splits them unshuffled, by which the published accuracies are measured.
    """
    sizes = [len(part) for part in np.array_split(np.arange(n_pairs), N_FOLDS)]
    return np.repeat(np.arange(1, N_FOLDS + 1), sizes)


def lfw_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of an LFW file: in each fold all genuine ones, then as many impostors."""
    head = [int(number) for number in lines[0].split()]
    folds, pairs = head if len(head) == 2 else (1, head[0])
    body = _numbered(lines[1:], 2)
    if len(body) != folds * pairs * 2:
        raise ProtocolError(
            f"'{path}' announces {folds} folds of 2 x {pairs} pairs, but holds {len(body)}; get the whole file"
        )
    for position, (number, line) in enumerate(body):
        fold, place = divmod(position, 2 * pairs)
        fields = line.strip().split("\t") if "\t" in line else line.split()
        same = place < pairs
        if len(fields) != (3 if same else 4) or not all(f.strip().isdecimal() for f in (fields[1], fields[-1])):
            wanted = "name, number, number" if same else "name, number, name, number"
            raise ProtocolError(f"'{path}', line {number}: {line.strip()[:60]!r} is not '{wanted}'; correct it")
        name, first, *other, second = fields
        yield _lfw_name(name, first), _lfw_name(other[0] if other else name, second), same, fold + 1


def csv_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of a CSV file."""
    reader = csv.DictReader(lines, skipinitialspace=True, restval="")
    reader.fieldnames = [column.strip() for column in reader.fieldnames]
    for row in reader:
        left, right, same, fold = (row[column].strip() for column in COLUMNS)
        if not left or not right or same.lower() not in _TRUTH or not fold.isdecimal():
            raise ProtocolError(
                f"'{path}', line {reader.line_num}: two names, same as 0, 1, true or false, and a whole number "
                "as fold are needed; correct it"
            )
        yield left, right, _TRUTH[same.lower()], int(fold)


def two_line_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of CALFW's and CPLFW's list: two lines `file flag` each, 0 in both for an impostor pair."""
    body = _numbered(lines)
    if len(body) % 2:
        raise ProtocolError(f"'{path}' holds {len(body)} images, an odd number, but a pair has two; get the whole file")
    names, flags = [], []
    for number, line in body:
        name, flag = _fields(line, r"(\S+)\s+(\d+)", "file, flag", number, path)
        names.append(name if "/" in name else f"{name.rpartition('_')[0] or PurePosixPath(name).stem}/{name}")
        flags.append(int(flag))
        if len(flags) % 2 == 0 and flags[-1] != flags[-2]:
            raise ProtocolError(f"'{path}', line {number}: the pair's two lines have different flags; correct it")
    same = np.array(flags[::2]) > 0
    fold = np.empty(len(same), np.int64)
    for kind in (same, ~same):
        fold[kind] = contiguous_folds(kind.sum())
    yield from zip(names[::2], names[1::2], same, fold, strict=True)


def one_line_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of a list `same file file`, same being 0 or 1, in ten folds in their order."""
    body = _numbered(lines)
    for (number, line), fold in zip(body, contiguous_folds(len(body)), strict=True):
        same, left, right = _fields(line, r"([01])\s+(\S+)\s+(\S+)", "0 or 1, file, file", number, path)
        yield left, right, same == "1", fold


def cfp_rows(folder: Path) -> Iterator[Row]:
    """Pairs of CFP, frontal against profile (or frontal against frontal, given its own Split/FF), with CFP's folds."""
    places = [folder.resolve() / below for below in ("", "FP", "Split/FP", "Protocol/Split/FP")]
    split = next((place for place in places if (place / "01" / "same.txt").is_file()), None)
    if split is None:
        raise ProtocolError(
            f"'{folder}' cannot be read as a protocol: there is no Protocol/Split/FP/01/same.txt, as CFP has; give the "
            "folder of CFP, or a file of pairs"
        )
    kinds = ("F", "P" if split.name == "FP" else "F")
    left, right = (_cfp_names(split.parents[1] / f"Pair_list_{kind}.txt") for kind in kinds)
    for fold in sorted(int(place.name) for place in split.iterdir() if place.name.isdecimal()):
        for same in (True, False):
            file = split / f"{fold:02d}" / ("same.txt" if same else "diff.txt")
            for number, line in _numbered(file.read_text().splitlines()):
                one, other = map(int, _fields(line, r"(\d+)\s*,\s*(\d+)", "number,number", number, file))
                if one not in left or other not in right:
                    raise ProtocolError(f"'{file}', line {number}: {line!r} names an image that the lists lack")
                yield left[one], right[other], same, fold


def _cfp_names(file: Path) -> dict[int, str]:
    """Number of an image -> its name below Data/Images."""
    rows = (
        _fields(line, r"(\d+)\s+(\S+)", "number, file", n, file) for n, line in _numbered(file.read_text().splitlines())
    )
    return {int(number): name.rpartition("/Images/")[2] for number, name in rows}


def _fields(line: str, pattern: str, wanted: str, number: int, path: Path) -> tuple[str, ...]:
    match = re.fullmatch(pattern, line.strip())
    if match is None:
        raise ProtocolError(f"'{path}', line {number}: {line.strip()[:60]!r} is not '{wanted}'; correct it")
    return match.groups()


def _numbered(lines: list[str], start: int = 1) -> list[tuple[int, str]]:
    """Lines with their numbers, without empty ones."""
    return [(number, line) for number, line in enumerate(lines, start) if line.strip()]


def _lfw_name(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}"
