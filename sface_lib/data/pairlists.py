"""Published lists of verification pairs, as rows of (left, right, same, fold).

Each reader takes the lines of a file and its path, which errors name. Cells stand between tabs, commas or spaces.
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
_TRUTH = {"1": True, "true": True, "0": False, "-1": False, "false": False}
# A person and a number of images; a name with spaces is set apart by a tab or a comma.
_PERSON = re.compile(r"(?:[^\t,]*[^\t,\d][^\t,]*[\t,]|\S*[^\s\d]\S* )\s*\d+[\s,]*")


def contiguous_folds(n_pairs: int) -> np.ndarray:
    """Folds 1 to 10 of pairs in their order, int64 `[P]`; the first ones are larger where ten don't divide them.

    As scikit-learn's KFold splits them unshuffled, by which the published accuracies are measured.

    Examples
    --------
    >>> contiguous_folds(20)[:6].tolist()
    [1, 1, 2, 2, 3, 3]
    """
    sizes = [len(part) for part in np.array_split(np.arange(n_pairs), N_FOLDS)]
    return np.repeat(np.arange(1, N_FOLDS + 1), sizes)


def even_folds(same: np.ndarray) -> np.ndarray:
    """Folds 1 to 10 of pairs that come without folds, int64 `[P]`; `same` is bool `[P]`.

    They are those of `contiguous_folds`. Where one of these would hold pairs of one kind alone, as in a list whose
    genuine pairs all come first, the n-th tenth of the genuine and of the impostor pairs are fold n.
    """
    fold = contiguous_folds(len(same))
    kinds = [set(fold[kind].tolist()) for kind in (same, ~same)]
    return fold if kinds[0] == kinds[1] else tenths_of_each_kind(same)


def tenths_of_each_kind(same: np.ndarray) -> np.ndarray:
    """Folds 1 to 10, int64 `[P]`: the n-th tenth of the genuine and of the impostor pairs are fold n."""
    fold = np.empty(len(same), np.int64)
    for kind in (same, ~same):
        fold[kind] = contiguous_folds(kind.sum())
    return fold


def _in_folds(pairs: list[tuple[str, str, bool]], path: Path) -> Iterator[Row]:
    """Rows of pairs (left, right, same) that come without folds."""
    same = np.array([pair[2] for pair in pairs], dtype=bool)
    if len(same) and same.all() == same.any():
        here, absent = ("genuine", "impostor") if same[0] else ("impostor", "genuine")
        raise ProtocolError(f"'{path}' holds {here} pairs alone; give one list with {absent} pairs, too")
    for pair, fold in zip(pairs, even_folds(same), strict=True):
        yield *pair, fold


def lfw_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of an LFW file that begins with numbers: in each fold all genuine ones, then as many impostors.

    A first line of one number, as in pairsDevTest.txt, tells no folds: see `even_folds`.
    """
    head = [int(number) for number in lines[0].split()]
    folds, pairs = head if len(head) == 2 else (1, head[0])
    body = _numbered(lines[1:], 2)
    if len(body) != folds * pairs * 2:
        within = f"{folds} folds of 2 x {pairs} pairs" if len(head) == 2 else f"2 x {pairs} pairs"
        raise ProtocolError(f"'{path}' announces {within}, but holds {len(body)}; get the whole file")
    comparisons = [
        _lfw_pair(number, line, path, place % (2 * pairs) < pairs) for place, (number, line) in enumerate(body)
    ]
    if len(head) == 1:
        yield from _in_folds(comparisons, path)
        return
    for place, pair in enumerate(comparisons):
        yield *pair, place // (2 * pairs) + 1


def is_bare_lfw(lines: list[str]) -> bool:
    """Whether lines are LFW's pairs without its first line, as RFW has them, or below Kaggle's `name,imagenum1,...`."""
    first = _cells(lines[0]) if lines else []
    return _names_lfw_columns(first) or _is_lfw_pair(first)


def bare_lfw_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of such lines: a row of one name is genuine, of two an impostor pair; for folds see `even_folds`."""
    body = _numbered(lines)
    if _names_lfw_columns(_cells(body[0][1])):
        del body[0]
    rows = [_cells(line) for _, line in body]
    whole_numbers = all(len(row) == 3 and all(cell.isdecimal() for cell in row) for row in rows)
    if whole_numbers and any(all(row[place] in _TRUTH for row in rows) for place in (0, 2)):
        raise ProtocolError(
            f"'{path}' holds three whole numbers a line, which may be a person and two images, or two images and "
            "whether they show one person; give a CSV with the header left,right,same"
        )
    yield from _in_folds([_lfw_pair(number, line, path) for number, line in body], path)


def _names_lfw_columns(cells: list[str]) -> bool:
    return len(cells) > 2 and cells[0].lower() == "name" and cells[1].lower() == "imagenum1"


def _is_lfw_pair(cells: list[str]) -> bool:
    return len(cells) in (3, 4) and cells[1].isdecimal() and cells[-1].isdecimal()


def _lfw_pair(number: int, line: str, path: Path, same: bool | None = None) -> tuple[str, str, bool]:
    """One pair of LFW's form, whose kind is told by its place in the file, or else by the names in it."""
    cells, forms = _cells(line), {3: "name, number, number", 4: "name, number, name, number"}
    sizes = tuple(forms) if same is None else (3,) if same else (4,)
    if len(cells) not in sizes or not _is_lfw_pair(cells):
        wanted = "' or '".join(forms[size] for size in sizes)
        raise ProtocolError(f"'{path}', line {number}: {line.strip()[:60]!r} is not '{wanted}'; correct it")
    name, first, *other, second = cells
    right = other[0] if other else name
    return _lfw_name(name, first), _lfw_name(right, second), name == right if same is None else same


def refuse_people(lines: list[str], path: Path) -> None:
    """Refuse a list of people, as LFW's people.txt: numbers, or a CSV header, above lines `name number`."""
    rows = [line for _, line in _numbered(lines) if not line.strip().isdecimal()]
    if rows and re.fullmatch(r"name\s*,\s*images[\s,]*", rows[0], re.IGNORECASE):
        del rows[0]
    if rows and all(map(_PERSON.fullmatch, rows)):
        pairs = path.name.replace("people", "pairs") if "people" in path.name else "pairs.txt"
        raise ProtocolError(f"'{path}' lists people with their numbers of images, not pairs; give '{pairs}' instead")


def csv_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of a CSV file; without a column `fold` see `even_folds`."""
    reader = csv.DictReader(lines, skipinitialspace=True, restval="")
    reader.fieldnames = [column.strip() for column in reader.fieldnames]
    has_folds, rows = COLUMNS[3] in reader.fieldnames, []
    for row in reader:
        left, right, same, fold = (row.get(column, "1").strip() for column in COLUMNS)
        if not left or not right or same.lower() not in _TRUTH or not fold.isdecimal():
            raise ProtocolError(
                f"'{path}', line {reader.line_num}: two names, same as 0, 1, true or false, and a whole number "
                "as fold are needed; correct it"
            )
        rows.append((left, right, _TRUTH[same.lower()], int(fold)))
    return iter(rows) if has_folds else _in_folds([row[:3] for row in rows], path)


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
    yield from zip(names[::2], names[1::2], same, tenths_of_each_kind(same), strict=True)


def is_flagged(lines: list[str]) -> bool:
    """Whether lines are pairs `same file file` or `file file same`."""
    return bool(lines) and bool(_flag_places([_cells(lines[0])]))


def flagged_rows(lines: list[str], path: Path) -> Iterator[Row]:
    """Pairs of a list `same file file` or `file file same`, same being 1, or 0 or -1; for folds see `even_folds`."""
    body = _numbered(lines)
    rows = [_cells(line) for _, line in body]
    places = _flag_places(rows[:1])
    if len(places) > 1:
        places = _flag_places(rows)
    if len(places) != 1:
        raise ProtocolError(
            f"'{path}' does not show which column says whether two images show one person, the first or the last; "
            "give a CSV with the header left,right,same"
        )
    flags, pairs, place = set(), [], places[0]
    for cells, (number, line) in zip(rows, body, strict=True):
        if len(cells) != 3 or cells[place].lower() not in _TRUTH:
            wanted = "file, file, 1 or 0" if place else "1 or 0, file, file"
            raise ProtocolError(f"'{path}', line {number}: {line.strip()[:60]!r} is not '{wanted}'; correct it")
        flag = cells.pop(place).lower()
        flags.add(flag)
        pairs.append((*cells, _TRUTH[flag]))
    if flags >= {"0", "-1"}:
        raise ProtocolError(f"'{path}' flags pairs by 0 and by -1; write 1 for one person, and one of them for two")
    yield from _in_folds(pairs, path)


def _flag_places(rows: list[list[str]]) -> list[int]:
    """Which of the first and the last of three cells are flags in every row."""
    fits = all(len(row) == 3 for row in rows)
    return [place for place in (0, 2) if fits and all(row[place].lower() in _TRUTH for row in rows)]


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


def _cells(line: str) -> list[str]:
    """Cells of a line; empty ones at its end, as Kaggle's lists have, are left out."""
    cells = line.split("\t") if "\t" in line else line.split()
    if "\t" not in line and line.count(",") > 1:
        cells = next(csv.reader([line], skipinitialspace=True))
    cells = [cell.strip() for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _numbered(lines: list[str], start: int = 1) -> list[tuple[int, str]]:
    """Lines with their numbers, without empty ones."""
    return [(number, line) for number, line in enumerate(lines, start) if line.strip()]


def _lfw_name(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}"
