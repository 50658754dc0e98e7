"""Verification protocols: pairs of images in folds."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sface_lib.data.faces import FaceSet
from sface_lib.data.filenames import composed
from sface_lib.data.pairlists import (
    COLUMNS,
    Row,
    bare_lfw_rows,
    cfp_rows,
    contiguous_folds,
    csv_rows,
    flagged_rows,
    is_bare_lfw,
    is_flagged,
    lfw_rows,
    refuse_people,
    two_line_rows,
)
from sface_lib.data.verification import bin_name, is_bin, read_bin
from sface_lib.errors import FacesError, ParameterError, ProtocolError
from sface_lib.files import atomic_path

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
        left, right = ([composed(name) for name in side] for side in (self.left, self.right))
        missing = sorted({name for name in (*left, *right) if name not in index})
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
            raise ProtocolError(
                f"images of the pairs, {len(missing)} in all, are not in '{faces.path}' (or twice, with different "
                f"suffixes): {shown}; use the set that the pairs were made for, or leave these pairs out"
            )
        left, right = (np.array([index[name] for name in side], dtype=np.int64) for side in (left, right))
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
    """Read the pairs of a benchmark, recognised by content; folds are numbered from 1.

    - LFW's pairs.txt or pairsDevTest.txt: `folds pairs` (or `pairs`), then `name number number` for a genuine pair and
      `name number name number` for an impostor one; the same without that first line, as RFW has it, or as a CSV with
      the header `name,imagenum1,imagenum2,`, as Kaggle has it.
    - CSV with the header left,right,same,fold; `fold` may be left out.
    - CALFW's and CPLFW's list: a line `file flag` for either image of a pair, 0 for impostors; images are named
      `<person>/<file>`. As published, the n-th tenth of the genuine and of the impostor pairs are fold n.
    - Lists `same file file`, as the aligned copies of AgeDB-30 and others have, or `file file same`, between spaces,
      tabs or commas: `same` is 1 for a genuine pair, and 0 or -1 for an impostor.
    - An InsightFace verification .bin: images are named as in its FaceSet, ten folds in their order.
    - A folder of CFP: Protocol/Split/FP/01/same.txt and diff.txt with lines `i,j`, numbers of lines in
      Protocol/Pair_list_F.txt and Pair_list_P.txt. Give Protocol/Split/FF for the frontal pairs. Images are named as
      below Data/Images, e.g. "001/profile/01.jpg"; a set with such names needs a `dataset.json`.

    A list that tells no folds is cut into ten in its order. Where a tenth would hold one kind of pair alone, as where
    all genuine pairs come first, the n-th tenth of the genuine and of the impostor pairs are fold n.

    Raises
    ------
    ProtocolError
        If the file can't be read or is none of these, such as LFW's list of people; the message gives the line.
    """
    path = Path(path)
    try:
        rows = list(_rows(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"'{path}' cannot be read ({error}); give a list of pairs in UTF-8, or a .bin") from error
    if not rows:
        raise ProtocolError(f"'{path}' holds no pairs; give a file with at least one")
    left, right, same, fold = zip(*rows, strict=True)
    return Protocol(left, right, np.array(same, dtype=bool), np.array(fold, dtype=np.int64))


def _rows(path: Path) -> Iterable[Row]:
    """The reader that fits what is at `path`."""
    if path.is_dir():
        return cfp_rows(path)
    if is_bin(path):
        return _bin_rows(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].strip() if lines else ""
    if set(COLUMNS[:3]) <= {column.strip() for column in header.split(",")}:
        return csv_rows(lines, path)
    if re.fullmatch(r"\S+\.[A-Za-z]{3,4}\s+\d+", header):
        return two_line_rows(lines, path)
    refuse_people(lines, path)
    if re.fullmatch(r"\d+(\s+\d+)?", header):
        return lfw_rows(lines, path)
    if is_bare_lfw(lines):
        return bare_lfw_rows(lines, path)
    if is_flagged(lines):
        return flagged_rows(lines, path)
    raise ProtocolError(
        f"'{path}' begins with {header[:60]!r}, but must begin like LFW's pairs.txt (number of folds, pairs "
        f"in each; or a pair), with the CSV header {','.join(COLUMNS)}, or like a list `file flag`, `same file file` "
        "or `file file same`"
    )


def _bin_rows(path: Path) -> Iterable[Row]:
    try:
        same = read_bin(path)[1]
    except FacesError as error:
        raise ProtocolError(str(error)) from error
    names = [bin_name(index) for index in range(2 * len(same))]
    return zip(names[::2], names[1::2], same, contiguous_folds(len(same)), strict=True)


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


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
