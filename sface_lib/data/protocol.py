"""Verification protocols: pairs of images in folds, from LFW's pairs.txt or from CSV."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sface_lib.data.faces import FaceSet
from sface_lib.errors import ParameterError, ProtocolError
from sface_lib.files import atomic_path

COLUMNS = ("left", "right", "same", "fold")
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Protocol:
    """P pairs of images.

    Attributes
    ----------
    left, right
        Names of the images relative to the set's root; the suffix may be left out, as LFW does.
    same
        bool `[P]`, True for a genuine pair.
    fold
        int64 `[P]`, the fold of each pair.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: np.ndarray
    fold: np.ndarray

    def __post_init__(self):
        if not len(self.left) == len(self.right) == len(self.same) == len(self.fold):
            raise ProtocolError("left, right, same and fold of a protocol must have the same length")

    def __len__(self) -> int:
        return len(self.left)

    @property
    def fold_ids(self) -> tuple[int, ...]:
        """The folds there are, in increasing order."""
        return tuple(np.unique(self.fold).tolist())

    def restrict(self, folds: Iterable[int]) -> "Protocol":
        """The pairs of some folds, in their order.

        Raises
        ------
        ProtocolError
            If there is no such fold.
        """
        folds = sorted(set(folds))
        absent = [fold for fold in folds if fold not in self.fold_ids]
        if absent or not folds:
            raise ProtocolError(f"folds {absent} are not in the protocol; choose from {list(self.fold_ids)}")
        kept = np.isin(self.fold, folds)
        left, right = (tuple(np.array(side, dtype=object)[kept]) for side in (self.left, self.right))
        return Protocol(left, right, self.same[kept], self.fold[kept])

    def resolve(self, faces: FaceSet) -> tuple[np.ndarray, np.ndarray]:
        """Find the images of the pairs in a set.

        Returns
        -------
        left_index, right_index
            Positions in the set, int64 `[P]` each.

        Raises
        ------
        ProtocolError
            If an image is not in the set, or a name without suffix stands for two of its images, or the set's labels
            say otherwise than `same`.
        """
        index = {name: position for position, name in enumerate(faces.names)}
        stems = [_stem(name) for name in faces.names]
        uses = Counter(stems)
        for position, stem in enumerate(stems):
            if uses[stem] == 1:
                index.setdefault(stem, position)
        missing = sorted({name for name in (*self.left, *self.right) if name not in index})
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
            raise ProtocolError(
                f"images of the pairs, {len(missing)} in all, are not in '{faces.path}' (or twice, with different "
                f"suffixes): {shown}; use the set that the pairs were made for, or leave these pairs out"
            )
        left, right = (np.array([index[name] for name in side], dtype=np.int64) for side in (self.left, self.right))
        self._check_labels(faces, left, right)
        return left, right

    def _check_labels(self, faces: FaceSet, left: np.ndarray, right: np.ndarray) -> None:
        if faces.labels is None:
            return
        wrong = np.flatnonzero((faces.labels[left] == faces.labels[right]) != self.same)
        if wrong.size:
            first = wrong[0]
            said = ("genuine", "two identities") if self.same[first] else ("impostor", "one identity")
            raise ProtocolError(
                f"{wrong.size} pairs disagree with the labels of '{faces.path}', the first being {self.left[first]!r} "
                f"and {self.right[first]!r}: called {said[0]}, but of {said[1]} in the set; correct one of them"
            )

    def identities_in(self, faces: FaceSet, folds: Iterable[int] | None = None) -> set[int]:
        """Labels of a set that occur in the pairs (of some folds); training must leave them out."""
        labels = faces.require_labels()
        pairs = self if folds is None else self.restrict(folds)
        return set(labels[np.concatenate(pairs.resolve(faces))].tolist())


def read_protocol(path: str | Path) -> Protocol:
    """Read LFW's pairs.txt (or pairsDevTest.txt and the like), or CSV with the header left,right,same,fold.

    LFW's folds are numbered from 1.

    Raises
    ------
    ProtocolError
        If the file can't be read or is neither; the message gives the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"'{path}' cannot be read ({error}); give a pairs.txt or a CSV file in UTF-8") from error
    lines = text.splitlines()
    header = lines[0].strip() if lines else ""
    if re.fullmatch(r"\d+(\s+\d+)?", header):
        rows = list(_lfw_rows(lines, path))
    elif set(COLUMNS) <= {column.strip() for column in header.split(",")}:
        rows = list(_csv_rows(text, path))
    else:
        raise ProtocolError(
            f"'{path}' begins with {header[:60]!r}, but must begin like LFW's pairs.txt (number of folds, pairs "
            f"in each) or with the CSV header {','.join(COLUMNS)}"
        )
    if not rows:
        raise ProtocolError(f"'{path}' holds no pairs; give a file with at least one")
    left, right, same, fold = zip(*rows, strict=True)
    return Protocol(left, right, np.array(same, dtype=bool), np.array(fold, dtype=np.int64))


def write_protocol(path: str | Path, protocol: Protocol) -> Path:
    """Write a protocol as CSV with the header left,right,same,fold; return the path."""
    rows = zip(protocol.left, protocol.right, protocol.same.astype(int), protocol.fold, strict=True)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return Path(path)


def parse_folds(text: str, available: Iterable[int]) -> tuple[int, ...]:
    """Read a choice of folds: "all", "3", "6-10", "1-5,8".

    Raises
    ------
    ParameterError
        If the text is no such choice, or names a fold that is not available.
    """
    available = sorted(set(available))
    if text.strip().lower() == "all":
        return tuple(available)
    chosen = set()
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        # A range is checked by its ends, so that 1-999999999 is refused at once.
        if first > last or first not in available or last not in available:
            raise ParameterError(
                f'folds are {text!r}, but must be "all", a fold, or ranges such as "1-5,8", of the folds '
                f"{', '.join(map(str, available))}"
            )
        chosen.update(fold for fold in available if first <= fold <= last)
    return tuple(sorted(chosen))


def _lfw_rows(lines: list[str], path: Path) -> Iterator[tuple[str, str, bool, int]]:
    """Pairs of an LFW file: in each fold all genuine ones, then as many impostors."""
    head = [int(number) for number in lines[0].split()]
    folds, pairs = head if len(head) == 2 else (1, head[0])
    body = [(number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
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


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, str, bool, int]]:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True, restval="")
    reader.fieldnames = [column.strip() for column in reader.fieldnames]
    for row in reader:
        left, right, same, fold = (row[column].strip() for column in COLUMNS)
        if not left or not right or same.lower() not in _TRUTH or not fold.isdecimal():
            raise ProtocolError(
                f"'{path}', line {reader.line_num}: two names, same as 0, 1, true or false, and a whole number "
                "as fold are needed; correct it"
            )
        yield left, right, _TRUTH[same.lower()], int(fold)


def _lfw_name(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}"


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
