"""How many persons a labelled set shows: copies, classes that are one person, and classes that are several.

Embeddings are unit rows, float `[N, d]`. Scores are streamed: no more than a block of them is held at a time.
"""

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sface_lib.biometrics import checks
from sface_lib.errors import InputError
from sface_lib.matching.stream import EDGES, TILE, Histogram, Tile, stream, unit_rows

# A class of fewer images is not judged, and a part of it that is smaller is an outlier, not a person.
FEWEST_JUDGED, FEWEST_OF_PART, LEAST_PART = 4, 2, 0.2


class _Earlier:
    """Each row's best score over those before it; minus infinity for the first."""

    def __init__(self, count: int):
        self.best = torch.full((count,), -torch.inf)

    def add(self, tile: Tile) -> None:
        scores = tile.scores if tile.kept is None else tile.scores.masked_fill(~tile.kept, -torch.inf)
        own = self.best[tile.column : tile.column + scores.shape[1]]
        torch.maximum(own, scores.amax(0), out=own)


class _Links:
    """Component of each row, where rows that score a threshold or more are linked."""

    def __init__(self, count: int, threshold: float):
        self.threshold, self.component = threshold, np.arange(count)

    def add(self, tile: Tile) -> None:
        linked = tile.scores >= self.threshold
        if tile.kept is not None:
            linked &= tile.kept
        rows, columns = linked.nonzero().numpy().T
        one, other = self.component[rows + tile.row], self.component[columns + tile.column]
        apart = one != other
        if apart.any():
            one, other, count = one[apart], other[apart], len(self.component)
            graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
            self.component = connected_components(graph, directed=False)[1][self.component]


def best_earlier(embeddings: np.ndarray, tile: tuple[int, int] = TILE) -> np.ndarray:
    """Each image's best score over the images before it, float32 `[N]`; minus infinity for the first.

    Raises
    ------
    InputError
        An empty set, or rows that are not of unit length.
    """
    rows = _rows("images", embeddings)
    collector = _Earlier(len(rows))
    stream(rows, None, [collector], tile=tile)
    return collector.best.numpy()


def threshold_between(templates: np.ndarray, fmr: float) -> float:
    """The lowest score that at most a share `fmr` of the pairs of templates `[K, d]` of different persons reach.

    A mean of more images scores higher with anything: the threshold holds for templates of as many images as these,
    and one of single images holds for none. Scores are counted in bins of 1 / 16380, so that it is exact to that.

    Raises
    ------
    InputError
        A rate that the pairs cannot show, or rows that are not of unit length.
    """
    rows, fmr = _rows("templates", templates), checks.share("fmr", fmr, one_allowed=False)
    pairs = len(rows) * (len(rows) - 1) // 2
    if not can_show(len(rows), fmr):
        raise InputError(
            f"{len(rows)} templates make {pairs:,} pairs, which cannot show an FMR of {fmr:g}; at least "
            f"{1 / fmr:,.0f} pairs are needed: give more persons or a higher rate"
        )
    counted = Histogram()
    stream(rows, None, [counted])
    at_or_above = np.cumsum(counted.counts[::-1])[::-1]
    return float(EDGES[np.argmax(np.append(at_or_above, 0) <= pairs * fmr)])


def can_show(persons: int, fmr: float) -> bool:
    """Whether the pairs of so many templates show an FMR: at least one of them is accepted at it."""
    return persons * (persons - 1) / 2 * fmr >= 1


def components(templates: np.ndarray, threshold: float, tile: tuple[int, int] = TILE) -> np.ndarray:
    """Which templates `[K, d]` are of one person: component of each, int64 `[K]`, numbered from 0 without a gap.

    Two that score `threshold` or more are linked, and whatever a chain of links joins is one component (single
    linkage). False links chain as true ones do: K templates have K² / 2 x FMR of them, and from about K / 2 on most
    templates hang together in one component. Count the components of as many templates of known persons beside it.

    Raises
    ------
    InputError
        An empty set, or rows that are not of unit length.
    """
    rows = _rows("templates", templates)
    collector = _Links(len(rows), threshold)
    stream(rows, None, [collector], tile=tile)
    return np.unique(collector.component, return_inverse=True)[1]


def several_persons(embeddings: np.ndarray, labels: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes hold several persons, bool `[J]`: those of four images or more, by ascending label.

    The images of a class are parted in two by Ward's method. Both parts are a person each where the smaller one holds
    two images and a fifth of them at least, so that it is no single odd photograph, and the templates of the parts
    score below `threshold`: they are no more alike than different persons are.

    Parameters
    ----------
    labels
        int `[N]`.
    threshold
        A score that most pairs of templates of different persons stay below, such as `threshold_between` gives at a
        FMR of 5 %: then 95 % of the classes made of two persons are found.

    Raises
    ------
    InputError
        Rows that are not of unit length, or labels of another number.
    """
    embeddings = unit_rows("embeddings", embeddings)
    labels = checks.labels("labels", labels, len(embeddings))
    order = np.argsort(labels, kind="stable")
    classes = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    judged = [embeddings[rows] for rows in classes if len(rows) >= FEWEST_JUDGED]
    return np.array([_is_parted(rows.astype(np.float64), threshold) for rows in judged], bool)


def _is_parted(rows: np.ndarray, threshold: float) -> bool:
    first = fcluster(linkage(rows, "ward"), 2, "maxclust") == 1
    smaller = min(first.sum(), (~first).sum())
    if smaller < max(FEWEST_OF_PART, LEAST_PART * len(rows)):
        return False
    one, other = rows[first].mean(0), rows[~first].mean(0)
    return bool(one @ other < threshold * np.linalg.norm(one) * np.linalg.norm(other))


def _rows(name: str, embeddings: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(unit_rows(name, embeddings)))
