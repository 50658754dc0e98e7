"""What chance looks like: the same scores, with the classes of one set renamed.

Whole classes are renamed, so that images of one class stay together; where the identities' groups are known, only
within a group, so that what a group shares belongs to chance. Each statistic is a sum over a table of classes by
classes, whose diagonal holds what the true names give and any permutation's cells what the renamed ones would.
"""

import dataclasses

import numpy as np
import pandas as pd

from sface_lib.biometrics import Estimate, identity_weights
from sface_lib.errors import InputError
from sface_lib.matching import ScoreBlocks, group_codes
from sface_lib.matching.stream import BINS, SCALE


@dataclasses.dataclass(frozen=True, eq=False)
class LabelTable:
    """A statistic as a ratio of sums over the cells (class of one set, class that its name stands for in the other).

    Attributes
    ----------
    classes
        Labels of rows and columns, `[K]`.
    values, counts
        float64 `[K, K]`; the statistic of a naming is the sum of its values over the sum of its counts, or, with
        `ranks`, the Mann-Whitney AUC of its cells' scores against all others.
    ranks
        Whether the values are sums of ranks.
    """

    classes: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    ranks: bool = False

    def statistic(self, naming: np.ndarray) -> np.ndarray:
        """The statistic under each naming, int `[B, K]` -> float64 `[B]`."""
        rows = np.arange(len(self.classes))
        n = self.counts[rows, naming].sum(-1)
        total = self.values[rows, naming].sum(-1)
        if not self.ranks:
            return total / n
        return (total - n * (n + 1) / 2) / (n * (self.counts.sum() - n))

    def bootstrap(self, resamples: int, seed: int) -> Estimate:
        """The share under the true names, and in draws of classes with replacement; not for sums of ranks."""
        weights = identity_weights(len(self.classes), resamples, seed)
        drawn = (weights @ self.values.diagonal()) / (weights @ self.counts.diagonal())
        return Estimate.of_draws(float(self.statistic(np.arange(len(self.classes)))), drawn, len(self.classes))


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffleTest:
    """A statistic against its null.

    Attributes
    ----------
    observed
        Under the true labels.
    null
        Under each shuffle, float64 `[B]`.
    p_value
        (1 + number of shuffles at or above the observed) / (1 + B): the chance of a link as strong.
    p_below
        The same at or below the observed.
    """

    observed: float
    null: np.ndarray
    p_value: float
    p_below: float

    @property
    def p_two_sided(self) -> float:
        """Twice the smaller of both, at most 1."""
        return min(1.0, 2 * min(self.p_value, self.p_below))

    @property
    def floor(self) -> float:
        """The smallest one-sided p that so many shuffles can give: a p that is as small may be smaller still."""
        return 1 / (1 + len(self.null))

    def band(self, level: float = 0.95) -> tuple[float, float]:
        """The central part of the null that holds `level` of it."""
        low, high = np.quantile(self.null, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


@dataclasses.dataclass(frozen=True, eq=False)
class Tested:
    """A statistic with its bootstrap, and against its null.

    `comparisons` is of how many scores, or searches, it is; None where that is not told.
    """

    estimate: Estimate
    test: ShuffleTest
    comparisons: int | None = None


def shuffle_test(table: LabelTable, shuffles: int, seed: int, groups: pd.Series | None = None) -> ShuffleTest:
    """Rename the classes of one set at random and see how often the link is as strong.

    Parameters
    ----------
    table
        From `auc_table` or `hit_table`.
    shuffles, seed
        Number and seed of the permutations.
    groups
        Group of each class, by label: names are exchanged within groups only, which is exact however small they are.
        Make the table of `exchangeable` classes, since one that is alone in its group keeps its name.

    Raises
    ------
    InputError
        Fewer than two classes that occur in both sets.
    """
    count = len(table.classes)
    if count < 2:
        raise InputError("a label shuffle needs at least two classes that occur in both sets")
    random = np.random.default_rng(seed)
    if groups is None:
        namings = np.array([random.permutation(count) for _ in range(shuffles)])
    else:
        namings = _namings_within(group_codes(table.classes, groups), shuffles, random)
    return against_null(float(table.statistic(np.arange(count))), table.statistic(namings))


def _namings_within(codes: np.ndarray, shuffles: int, random: np.random.Generator) -> np.ndarray:
    """Permutations int64 `[B, K]` that map each place to one of the same code."""
    namings, grouped = np.empty((shuffles, len(codes)), np.int64), np.argsort(codes, kind="stable")
    for naming in namings:
        naming[grouped] = np.lexsort((random.random(len(codes)), codes))
    return namings


def against_null(observed: float, null: np.ndarray) -> ShuffleTest:
    """Place a statistic in its null; raises `InputError` where either is not finite."""
    if not np.isfinite(observed) or not np.isfinite(null).all():
        raise InputError("a statistic that is not a number has no place in a null; check the scores behind it")
    # Above rounding: a value that is equal but for the order of summation counts as reached.
    above, below = (null >= observed - 1e-12).sum(), (null <= observed + 1e-12).sum()
    return ShuffleTest(observed, null, float((1 + above) / (1 + len(null))), float((1 + below) / (1 + len(null))))


def auc_table(blocks: ScoreBlocks) -> LabelTable:
    """The AUC of the same-label link: ranks of all scores between shared classes, equal within 1 / 16380.

    Raises
    ------
    InputError
        The blocks are of one set with itself.
    """
    if blocks.within:
        raise InputError("labels are shuffled between two sets; within one the labels are the same thing")
    classes = np.intersect1d(blocks.a_labels, blocks.b_labels)
    blocks = blocks.among(classes)
    scores = blocks.scores
    place = np.rint(scores * np.float32(SCALE)).astype(np.int16) + np.int16(SCALE)
    counted = np.bincount(place.ravel(), minlength=BINS)
    midrank = np.cumsum(counted) - (counted - 1) / 2
    first, second = (np.searchsorted(labels, classes) for labels in (blocks.a_labels, blocks.b_labels))
    sizes = np.diff(np.append(first, len(scores))), np.diff(np.append(second, scores.shape[1]))
    parts = [midrank[place[start : start + size]].sum(0) for start, size in zip(first, sizes[0], strict=True)]
    sums = np.add.reduceat(np.array(parts), second, axis=1)
    return LabelTable(classes, sums, np.outer(*sizes).astype(np.float64), ranks=True)


def hit_table(probe_labels: np.ndarray, found_labels: np.ndarray, classes: np.ndarray) -> LabelTable:
    """The share of probes whose best match carries their own label: rank 1, or the nearest neighbour.

    Parameters
    ----------
    probe_labels
        int `[P]`.
    found_labels
        Label of each one's best match, int `[P]`; -1 where several classes tie, which is never a hit.
    classes
        Labels that occur in both sets, ascending `[K]`; probes of others are left out.
    """
    kept = np.isin(probe_labels, classes)
    rows = np.searchsorted(classes, probe_labels[kept])
    found = np.isin(found_labels[kept], classes)
    columns = np.searchsorted(classes, found_labels[kept][found])
    count = len(classes)
    hits = np.bincount(rows[found] * count + columns, minlength=count * count).reshape(count, count)
    probes = np.bincount(rows, minlength=count).astype(np.float64)
    return LabelTable(classes, hits.astype(np.float64), np.repeat(probes[:, None], count, axis=1))
