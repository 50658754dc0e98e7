"""Permutation tests of the link: the null is the same scores with the class labels of one set permuted.

Whole classes are relabelled, so that images of one class stay together; where the identities' groups are known, only
within a group, so that what a group shares is part of the null. Each statistic is a sum over the cells of a table
`[K, K]` of the classes of both sets: the diagonal for the true labels, and cell (k, permutation[k]) of every row k for
permuted ones.
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
    """A statistic as a ratio of sums over cells: a row is a class of one set, its column one of the other set.

    Attributes
    ----------
    classes
        Labels of rows and columns, `[K]`.
    values, counts
        float64 `[K, K]`; the statistic of a naming, a permutation of the classes, is the sum of `values` over its cells
        divided by that of `counts`, or, with `ranks`, the Mann-Whitney AUC of its cells' scores against all others.
    ranks
        Whether `values` are sums of ranks, and `counts` numbers of scores.
    """

    classes: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    ranks: bool = False

    def statistic(self, naming: np.ndarray) -> np.ndarray:
        """The statistic under each naming, a permutation of 0 to K - 1: int `[..., K]` -> float64 `[...]`."""
        rows = np.arange(len(self.classes))
        n = self.counts[rows, naming].sum(-1)
        total = self.values[rows, naming].sum(-1)
        if not self.ranks:
            return total / n
        return (total - n * (n + 1) / 2) / (n * (self.counts.sum() - n))

    def bootstrap(self, resamples: int, seed: int) -> Estimate:
        """The statistic under the true labels, with bootstrap draws of classes; not for tables of `ranks`."""
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
        (1 + number of shuffles at or above the observed) / (1 + B): one-sided, for a link.
    p_below
        The same with shuffles at or below the observed: one-sided, for less than chance.
    """

    observed: float
    null: np.ndarray
    p_value: float
    p_below: float

    @property
    def p_two_sided(self) -> float:
        """Twice the smaller of `p_value` and `p_below`, at most 1."""
        return min(1.0, 2 * min(self.p_value, self.p_below))

    @property
    def floor(self) -> float:
        """The smallest one-sided p that so many shuffles can give; a p equal to it is only an upper bound."""
        return 1 / (1 + len(self.null))

    def band(self, level: float = 0.95) -> tuple[float, float]:
        """Central interval of the null that holds a share `level` of it, 0 to 1: (low, high)."""
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
    """Permute the class labels of one set at random, and count how often the statistic is at least as large.

    Parameters
    ----------
    table
        From `auc_table` or `hit_table`.
    shuffles, seed
        Number and seed of the permutations.
    groups
        Group of each class, by label: labels are permuted within groups only, which is exact however small they are.
        Make the table from `privacy.groups.exchangeable` classes: one that is alone in its group keeps its label in
        every shuffle.

    Raises
    ------
    InputError
        Fewer than two classes occur in both sets, or a statistic is not finite.
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
    """Test a statistic against its null draws, float64 `[B]`; raises `InputError` where either is not finite."""
    if not np.isfinite(observed) or not np.isfinite(null).all():
        raise InputError("the statistic or its null is not finite, so there is no p-value; check the scores behind it")
    # 1e-12 is above rounding: values that differ only by the order of summation count as equal.
    above, below = (null >= observed - 1e-12).sum(), (null <= observed + 1e-12).sum()
    return ShuffleTest(observed, null, float((1 + above) / (1 + len(null))), float((1 + below) / (1 + len(null))))


def auc_table(blocks: ScoreBlocks) -> LabelTable:
    """The AUC of the same-label link, from ranks of all scores between shared classes; scores within 1 / 16380 tie.

    Raises
    ------
    InputError
        The blocks are of one set with itself.
    """
    if blocks.within:
        raise InputError("labels are shuffled between two sets, and these scores are within one; compare two sets")
    classes = np.intersect1d(blocks.a_labels, blocks.b_labels)
    blocks = blocks.among(classes)
    scores = blocks.scores
    bin_index = np.rint(scores * np.float32(SCALE)).astype(np.int16) + np.int16(SCALE)
    bin_counts = np.bincount(bin_index.ravel(), minlength=BINS)
    midrank = np.cumsum(bin_counts) - (bin_counts - 1) / 2
    row_starts, column_starts = (np.searchsorted(labels, classes) for labels in (blocks.a_labels, blocks.b_labels))
    sizes = np.diff(np.append(row_starts, len(scores))), np.diff(np.append(column_starts, scores.shape[1]))
    rank_sums = [
        midrank[bin_index[start : start + size]].sum(0) for start, size in zip(row_starts, sizes[0], strict=True)
    ]
    sums = np.add.reduceat(np.array(rank_sums), column_starts, axis=1)
    return LabelTable(classes, sums, np.outer(*sizes).astype(np.float64), ranks=True)


def hit_table(probe_labels: np.ndarray, found_labels: np.ndarray, classes: np.ndarray) -> LabelTable:
    """Table of the share of probes whose best match has their label: rank-1 identification, or the nearest image.

    Parameters
    ----------
    probe_labels
        int `[P]`.
    found_labels
        Label of each one's best match, int `[P]`; -1 where several classes tie, which is never a hit.
    classes
        Labels that occur in both sets, ascending, int `[K]`; probes with other labels are left out.
    """
    kept = np.isin(probe_labels, classes)
    rows = np.searchsorted(classes, probe_labels[kept])
    matched = np.isin(found_labels[kept], classes)
    columns = np.searchsorted(classes, found_labels[kept][matched])
    count = len(classes)
    hits = np.bincount(rows[matched] * count + columns, minlength=count * count).reshape(count, count)
    probes = np.bincount(rows, minlength=count).astype(np.float64)
    return LabelTable(classes, hits.astype(np.float64), np.repeat(probes[:, None], count, axis=1))
