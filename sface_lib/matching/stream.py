"""Every score of two embedded sets, or of one, handed out tile by tile in bounded memory.

A tile is a fixed block of the score matrix, computed by one matrix product, so that what is collected from it depends
neither on a caller's block size nor on the number of processes: these only divide the tiles among them.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from sface_lib.errors import InputError

TILE = (2048, 4096)  # Rows and columns of the score matrix.
ROWS_AT_ONCE = 2048  # Whose lengths are measured together.
# A counted score is off by at most half a step of 1 / SCALE, plus float32 rounding (0.001 steps). With this SCALE the
# indices of the bins fit int16.
SCALE = 16380
BINS = 2 * SCALE + 1
UNIT_TOLERANCE = 1e-3
EDGES = (np.arange(BINS + 1) - 0.5 - SCALE) / SCALE


@dataclasses.dataclass(frozen=True)
class Tile:
    """A block of the score matrix.

    Attributes
    ----------
    scores
        float32 `[n, m]`.
    row, column
        Place of the first row and the first column in the matrix.
    kept
        bool `[n, m]`, which of the scores to use; None for all.
    """

    scores: torch.Tensor
    row: int
    column: int
    kept: torch.Tensor | None


class Collector(Protocol):
    """What gathers one kind of result from the tiles."""

    def add(self, tile: Tile) -> None:
        """Collect from a tile; its memory is used again for the next one, so that scores must be copied to be kept."""

    def state(self) -> tuple:
        """What was collected so far, as the arguments of `take`."""

    def clear(self) -> None:
        """Forget what was collected."""

    def take(self, *state) -> None:
        """Merge the `state` of another collector of this kind."""


def stream(
    a: torch.Tensor,
    b: torch.Tensor | None,
    collectors: Sequence[Collector],
    rank: int = 0,
    ranks: int = 1,
    tile: tuple[int, int] = TILE,
) -> None:
    """Compute the scores of `a` against `b` and hand them to the collectors; without `b`, of each pair within `a`.

    Parameters
    ----------
    a, b
        Rows of unit length, float32 `[Na, d]` and `[Nb, d]`, on one device.
    rank, ranks
        Number of this process, from 0, and number of processes: each takes every `ranks`-th row of tiles.
    tile
        Rows and columns of a tile.
    """
    for each in _tiles(a, a if b is None else b, b is None, rank, ranks, *tile):
        for collector in collectors:
            collector.add(each)


def _tiles(
    a: torch.Tensor, b: torch.Tensor, within: bool, rank: int, ranks: int, height: int, width: int
) -> Iterator[Tile]:
    buffer = torch.empty(height, width, device=a.device)
    for row in range(rank * height, len(a), ranks * height):
        rows = a[row : row + height]
        for column in range(row // width * width if within else 0, len(b), width):
            columns = b[column : column + width]
            is_full = len(rows) == height and len(columns) == width
            scores = torch.mm(rows, columns.T, out=buffer if is_full else None)
            kept = None
            if within and column < row + len(rows):
                places = torch.arange(len(rows), device=a.device)[:, None] + row
                kept = torch.arange(len(columns), device=a.device) + column > places
            yield Tile(scores, row, column, kept)


class Histogram:
    """Counts, int64 `[BINS]`, of all scores, each rounded to the nearest multiple of 1 / SCALE in [-1, 1]."""

    def __init__(self):
        self.clear()
        self._scaled, self._bins = None, None

    def add(self, tile: Tile) -> None:
        scores = tile.scores if tile.kept is None else tile.scores[tile.kept]
        self.counts += torch.bincount(self._bin_of(scores).flatten(), minlength=BINS).cpu().numpy()

    def state(self) -> tuple[np.ndarray]:
        """What `take` of another takes."""
        return (self.counts,)

    def clear(self) -> None:
        """Forget all counts."""
        self.counts = np.zeros(BINS, np.int64)

    def take(self, counts: np.ndarray) -> None:
        """Add what another process counted."""
        self.counts = self.counts + counts

    def _bin_of(self, scores: torch.Tensor) -> torch.Tensor:
        # Buffers are kept: fresh memory costs more than the arithmetic.
        if self._scaled is None or self._scaled.shape != scores.shape:
            self._scaled, self._bins = torch.empty_like(scores), torch.empty_like(scores, dtype=torch.int16)
        torch.add(torch.tensor(SCALE + 0.5), scores, alpha=SCALE, out=self._scaled)
        self._bins.copy_(self._scaled)
        return self._bins


def count_scores(scores: np.ndarray) -> np.ndarray:
    """The histogram of given scores float32 `[N]`, by the arithmetic of `Histogram`: int64 `[BINS]`."""
    histogram = Histogram()
    histogram.add(Tile(torch.as_tensor(scores), 0, 0, None))
    return histogram.counts


def label_range(labels: np.ndarray, label: int) -> slice:
    """The slice of ascending `labels`, `[N]`, that holds `label`; empty where none does."""
    return slice(*(int(np.searchsorted(labels, label, side)) for side in ("left", "right")))


class Genuine:
    """Scores of equal labels, with the label of each; rows and columns must be sorted by label."""

    def __init__(self, a_labels: np.ndarray, b_labels: np.ndarray):
        self.a_labels, self.b_labels = a_labels, b_labels
        self._found: dict[int, list[np.ndarray]] = {}

    def add(self, tile: Tile) -> None:
        n, m = tile.scores.shape
        left, right = self.a_labels[tile.row : tile.row + n], self.b_labels[tile.column : tile.column + m]
        for label in np.intersect1d(left, right):
            rows, columns = label_range(left, label), label_range(right, label)
            block = tile.scores[rows, columns]
            scores = block.flatten() if tile.kept is None else block[tile.kept[rows, columns]]
            # A copy: the tile's memory is used again.
            self._found.setdefault(int(label), []).append(scores.cpu().numpy().copy())

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 `[G]` and labels int64 `[G]`, by label and then by score."""
        names = np.array(sorted(self._found), np.int64)
        parts = [np.sort(np.concatenate(self._found[name])) for name in names]
        scores = np.concatenate([*parts, np.zeros(0, np.float32)])
        return scores, names.repeat([len(part) for part in parts])

    def clear(self) -> None:
        """Forget all scores."""
        self._found = {}

    def take(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Add what another process collected, in the order of `state`."""
        for label in np.unique(labels):
            self._found.setdefault(int(label), []).append(scores[label_range(labels, label)])


class TopPairs:
    """The `k` best-scoring pairs; ties go to the lower row, then to the lower column."""

    def __init__(self, k: int):
        self.k = k
        self.scores, self.rows, self.columns = np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, tile: Tile) -> None:
        scores = tile.scores if tile.kept is None else tile.scores.masked_fill(~tile.kept, -torch.inf)
        least = self.scores[-1].item() if len(self.scores) == self.k else -torch.inf
        if scores.amax().item() < least:
            return
        if least == -torch.inf and scores.numel() > self.k:
            least = max(least, scores.flatten().topk(self.k).values[-1].item())
        candidates = scores >= max(least, -2.0)
        places = candidates.nonzero()
        self.take(scores[candidates], places[:, 0] + tile.row, places[:, 1] + tile.column)

    def state(self) -> tuple:
        """What `take` of another takes."""
        return self.scores, self.rows, self.columns

    def clear(self) -> None:
        """Forget all pairs."""
        self.scores, self.rows, self.columns = (values[:0] for values in self.state())

    def take(self, scores, rows, columns) -> None:
        """Merge candidates: scores, rows and columns of pairs, arrays or tensors `[N]`."""
        parts = ((self.scores, scores), (self.rows, rows), (self.columns, columns))
        merged = [np.concatenate([old, torch.as_tensor(new).cpu().numpy()]) for old, new in parts]
        best = np.lexsort((merged[2], merged[1], -merged[0]))[: self.k]
        self.scores, self.rows, self.columns = (values[best] for values in merged)


class Nearest:
    """For each row the `k` best-scoring columns: scores float32 `[N, k]`, descending, and columns int64 `[N, k]`.

    Equal scores are ordered by column; which of them are kept where they tie for the k-th place depends on the device.
    Within one set no row is its own neighbour.
    """

    def __init__(self, count: int, k: int, within: bool, device: torch.device):
        self.within = within
        self.scores = torch.full((count, k), -torch.inf, device=device)
        self.columns = torch.full((count, k), -1, dtype=torch.int64, device=device)

    def add(self, tile: Tile) -> None:
        scores = tile.scores if tile.kept is None else tile.scores.masked_fill(~tile.kept, -torch.inf)
        self._merge(scores, tile.row, tile.column)
        if self.within:
            self._merge(scores.T, tile.column, tile.row)

    def _merge(self, scores: torch.Tensor, row: int, column: int) -> None:
        best = scores.topk(min(self.scores.shape[1], scores.shape[1]), 1)
        self.take(slice(row, row + len(scores)), best.values, best.indices + column)

    def state(self) -> tuple:
        """What `take` of another takes."""
        return slice(None), self.scores.cpu(), self.columns.cpu()

    def clear(self) -> None:
        """Forget all neighbours."""
        self.scores, self.columns = torch.full_like(self.scores, -torch.inf), torch.full_like(self.columns, -1)

    def take(self, rows: slice, scores: torch.Tensor, columns: torch.Tensor) -> None:
        """Merge candidates of the `n` rows `rows`: scores and columns `[n, c]`."""
        scores = torch.cat([self.scores[rows], scores.to(self.scores.device)], 1)
        columns = torch.cat([self.columns[rows], columns.to(self.columns.device)], 1)
        by_column = columns.argsort(1)
        scores, columns = scores.gather(1, by_column), columns.gather(1, by_column)
        best = scores.argsort(dim=1, descending=True, stable=True)[:, : self.scores.shape[1]]
        self.scores[rows], self.columns[rows] = scores.gather(1, best), columns.gather(1, best)


def unit_rows(name: str, embeddings: np.ndarray) -> np.ndarray:
    """Embeddings as float32 `[N, d]`; raises `InputError` for an empty set and for rows that are not of unit length."""
    embeddings = np.asarray(embeddings, np.float32)
    if embeddings.ndim != 2 or not len(embeddings):
        raise InputError(f"set {name} must be embeddings [N, d] with N >= 1, got shape {embeddings.shape}")
    parts = (embeddings[start : start + ROWS_AT_ONCE] for start in range(0, len(embeddings), ROWS_AT_ONCE))
    lengths = np.concatenate([np.linalg.norm(part, axis=1) for part in parts])  # At once it would copy all squares.
    bad = np.flatnonzero(~(np.abs(lengths - 1) < UNIT_TOLERANCE))
    if bad.size:
        raise InputError(f"row {bad[0]} of set {name} is not of unit length (or has NaN); normalise the embeddings")
    return embeddings
