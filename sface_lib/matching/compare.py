"""All scores between two embedded sets, or within one: genuine and impostor by label, exact or counted."""

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from sface_lib.biometrics import BinnedImpostors, checks
from sface_lib.errors import InputError
from sface_lib.matching.scores import MOST_EXACT, Pairs, PairScores, ScoreBlocks
from sface_lib.matching.stream import (
    EDGES,
    TILE,
    Collector,
    Genuine,
    Histogram,
    Nearest,
    Tile,
    TopPairs,
    count_scores,
    stream,
    unit_rows,
)

GRAM_ROWS = 8192


def compare_sets(
    a: np.ndarray,
    a_labels: np.ndarray,
    b: np.ndarray,
    b_labels: np.ndarray,
    top_pairs: int = 0,
    nearest: int = 0,
    accelerator: Accelerator | None = None,
    most_exact: int = MOST_EXACT,
    tile: tuple[int, int] = TILE,
) -> PairScores:
    """Score every row of one set against every row of the other; genuine means the same label.

    Parameters
    ----------
    a, b
        Unit embeddings, float `[Na, d]` and `[Nb, d]`.
    a_labels, b_labels
        Integers `[Na]` and `[Nb]`; a label is one identity in both sets.
    top_pairs
        How many of the best-scoring pairs to give.
    nearest
        How many of its best columns to give for each row of `a`.
    accelerator
        Device and processes; every process gets the whole result. None is this process's processor.
    most_exact
        How many scores are kept one by one; of more, impostors are counted in bins.
    tile
        Rows and columns of the score matrix that are computed at a time.

    Raises
    ------
    InputError
        A set that is empty, has NaN or rows that are not of unit length, widths that differ, or no label in common.
    """
    a, a_labels = checked_set("a", a, a_labels)
    b, b_labels = checked_set("b", b, b_labels)
    checks.same_width(a=a, b=b)
    if not np.intersect1d(a_labels, b_labels).size:
        raise InputError("a and b have no label in common, so there is no genuine pair; check the two sets' labels")
    if len(np.union1d(a_labels, b_labels)) < 2:
        raise InputError(f"a and b hold one identity, {a_labels[0]}, so there is no impostor pair; give at least two")
    return _compare(a, a_labels, b, b_labels, False, top_pairs, nearest, accelerator, most_exact, tile)


def compare_within(
    a: np.ndarray,
    a_labels: np.ndarray,
    top_pairs: int = 0,
    nearest: int = 0,
    accelerator: Accelerator | None = None,
    most_exact: int = MOST_EXACT,
    tile: tuple[int, int] = TILE,
) -> PairScores:
    """Score every unordered pair of one set once; no image is compared with itself.

    Raises
    ------
    InputError
        As `compare_sets`; or no identity has two images, or there is one identity only.
    """
    a, a_labels = checked_set("a", a, a_labels)
    counts = np.unique(a_labels, return_counts=True)[1]
    if counts.max() < 2 or len(counts) < 2:
        raise InputError(
            f"a has {len(counts)} identities and at most {counts.max()} images of one; "
            "genuine and impostor pairs need two identities and two images of one"
        )
    return _compare(a, a_labels, a, a_labels, True, top_pairs, nearest, accelerator, most_exact, tile)


def strongest_pairs(a: np.ndarray, b: np.ndarray, count: int, accelerator: Accelerator | None = None) -> Pairs:
    """The best-scoring pairs of a row of one set and a row of the other, where no label means the same in both.

    Raises
    ------
    InputError
        A set that is empty, has NaN or rows that are not of unit length, or widths that differ.
    """
    a, b = unit_rows("a", a), unit_rows("b", b)
    checks.same_width(a=a, b=b)
    device, best = accelerator.device if accelerator else torch.device("cpu"), TopPairs(count)
    stream(*(_placed(rows, np.arange(len(rows)), device) for rows in (a, b)), [best], 0, 1)
    return Pairs(best.scores, best.rows, best.columns, np.zeros(len(best.scores), bool))


class _Whole:
    """The score matrix itself."""

    def __init__(self, n: int, m: int):
        self.scores = np.zeros((n, m), np.float32)

    def add(self, tile: Tile) -> None:
        n, m = tile.scores.shape
        self.scores[tile.row : tile.row + n, tile.column : tile.column + m] = tile.scores.cpu().numpy()


def _compare(
    a: np.ndarray,
    a_labels: np.ndarray,
    b: np.ndarray,
    b_labels: np.ndarray,
    within: bool,
    top_pairs: int,
    nearest: int,
    accelerator: Accelerator | None,
    most_exact: int,
    tile: tuple[int, int],
) -> PairScores:
    device = accelerator.device if accelerator else torch.device("cpu")
    a_order, b_order = np.argsort(a_labels, kind="stable"), np.argsort(b_labels, kind="stable")
    left = _placed(a, a_order, device)
    right = left if within else _placed(b, b_order, device)
    a_labels, b_labels = a_labels[a_order], b_labels[b_order]
    n_scores = len(a) * (len(a) - 1) // 2 if within else len(a) * len(b)
    _check_affordable(a_labels, b_labels, within, nearest, most_exact)
    exact = n_scores <= most_exact
    shared = accelerator is not None and accelerator.num_processes > 1 and not exact
    genuine, histogram = Genuine(a_labels, b_labels), Histogram()
    best = TopPairs(top_pairs) if top_pairs else None
    near = Nearest(len(a), nearest, within, device) if nearest else None
    whole = _Whole(len(a), len(b)) if exact else None
    collectors = [collector for collector in (genuine, histogram, best, near, whole) if collector is not None]
    part = (accelerator.process_index, accelerator.num_processes) if shared else (0, 1)
    stream(left, None if within else right, collectors, *part, tile)
    if shared:
        _exchange(collectors)
    scores, labels = genuine.state()
    all_sums = _sums(left, right, within)
    impostors = BinnedImpostors(EDGES, histogram.counts - count_scores(scores), *_remaining(all_sums, n_scores, scores))
    pairs = None
    if best:
        same = a_labels[best.rows] == b_labels[best.columns]
        pairs = Pairs(best.scores, a_order[best.rows], b_order[best.columns], same)
    neighbours = None
    if near:
        back = np.argsort(a_order)
        neighbours = near.scores.cpu().numpy()[back], b_order[near.columns.cpu().numpy()[back]]
    blocks = ScoreBlocks(whole.scores, a_labels, b_labels, within) if whole else None
    return PairScores(scores, labels, impostors, blocks, pairs, neighbours)


def _check_affordable(
    a_labels: np.ndarray, b_labels: np.ndarray, within: bool, nearest: int, most_genuine: int
) -> None:
    """Refuse more neighbours than there are, and more genuine scores than can be kept one by one."""
    if nearest > len(b_labels) - within:
        raise InputError(f"nearest = {nearest}: a row has at most {len(b_labels) - within} others to be near to")
    (names, counts), (others, other_counts) = (np.unique(x, return_counts=True) for x in (a_labels, b_labels))
    _, mine, theirs = np.intersect1d(names, others, return_indices=True)
    genuine = int((counts[mine].astype(np.int64) * (other_counts[theirs] - within)).sum()) // (2 if within else 1)
    if genuine > most_genuine:
        raise InputError(
            f"{genuine:,} genuine scores exceed the {most_genuine:,} that are kept exactly; compare fewer images of "
            "each identity"
        )


def _exchange(collectors: list[Collector]) -> None:
    """Give every process what all of them collected."""
    for collector in collectors:
        states = gather_object([collector.state()])
        collector.clear()
        for state in states:
            collector.take(*state)


def _placed(embeddings: np.ndarray, order: np.ndarray, device: torch.device) -> torch.Tensor:
    """Rows in another order, of exactly unit length: the one copy that is made."""
    rows = torch.from_numpy(embeddings[order])
    return rows.div_(torch.linalg.vector_norm(rows, dim=1, keepdim=True)).to(device)


def _sums(a: torch.Tensor, b: torch.Tensor, within: bool) -> tuple[float, float]:
    """Sum and sum of squares of all scores, float64, without computing one.

    The sum of a_i · b_j is the product of the sets' sums, and that of its square the product of their Gram matrices.
    Within one set the pairs of a row with itself are taken out and each other pair counts once.
    """
    total = (_total(a) @ _total(b)).item()
    squares = (_gram(a) * _gram(b)).sum().item()
    if within:
        own = torch.cat([rows.double().square().sum(1) for rows in a.split(GRAM_ROWS)])
        total, squares = (total - own.sum().item()) / 2, (squares - own.square().sum().item()) / 2
    return total, squares


def _total(a: torch.Tensor) -> torch.Tensor:
    """The sum of all rows, float64; in parts, as torch would make a float64 copy of the whole set."""
    return sum(part.double().sum(0) for part in a.split(GRAM_ROWS))


def _gram(a: torch.Tensor) -> torch.Tensor:
    return sum(part.T @ part for part in (rows.double() for rows in a.split(GRAM_ROWS)))


def _remaining(all_sums: tuple[float, float], n_scores: int, genuine: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what is left without the genuine scores."""
    genuine = genuine.astype(np.float64)
    count = max(1, n_scores - len(genuine))
    mean = (all_sums[0] - genuine.sum()) / count
    square = (all_sums[1] - np.square(genuine).sum()) / count
    return float(mean), float(np.sqrt(max(0.0, square - mean**2)))


def checked_set(name: str, embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings as float32 `[N, d]`, labels as int64 `[N]`."""
    embeddings = unit_rows(name, embeddings)
    return embeddings, checks.labels(f"labels of set {name}", labels, len(embeddings))
