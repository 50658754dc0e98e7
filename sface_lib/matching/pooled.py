"""All pairs of a comparison at a threshold: who is taken for whom, by couple of identities."""

import numpy as np

from sface_lib.biometrics.rates import Comparisons, Counts
from sface_lib.errors import InputError
from sface_lib.matching.groups import group_codes
from sface_lib.matching.scores import PairScores
from sface_lib.matching.stream import label_range


class PooledComparisons(Comparisons):
    """Every score of a comparison; a label is one person in both sets.

    Raises
    ------
    InputError
        The scores were only counted.
    """

    def __init__(self, comparison: PairScores):
        if comparison.blocks is None:
            raise InputError("rates of identities need all scores, at most 1e8; compare fewer images of each identity")
        self._comparison, self._blocks = comparison, comparison.blocks
        # How many are at or above the lower edge of each bin, and above all of them none.
        self._above = np.append(np.cumsum(comparison.impostors.counts[::-1])[::-1], 0)

    @property
    def n_others(self) -> int:
        """How many scores are of two persons."""
        return int(self._above[0])

    def missed(self, threshold: float) -> Counts:
        """Scores of one person below a threshold, by person."""
        labels, codes = np.unique(self._comparison.genuine_identity, return_inverse=True)
        errors = np.bincount(codes, self._comparison.genuine < threshold).astype(np.int64)
        return Counts(errors, np.bincount(codes), labels, labels, distinct=True)

    def passed(self, threshold: float) -> Counts:
        """Scores of two persons at or above it, by couple of persons."""
        blocks = self._blocks
        rows, images = np.unique(blocks.a_labels, return_counts=True)
        columns, starts, others = np.unique(blocks.b_labels, return_index=True, return_counts=True)
        accepted = np.stack(
            [
                np.add.reduceat((blocks.scores[label_range(blocks.a_labels, label)] >= threshold).sum(0), starts)
                for label in rows
            ]
        )
        first, second = np.meshgrid(rows, columns, indexing="ij")
        kept = first < second if blocks.within else first != second  # Within one set each couple stands once.
        if blocks.groups is not None:
            codes = group_codes(np.concatenate([rows, columns]), blocks.groups)
            kept &= codes[: len(rows), None] == codes[len(rows) :]
        compared = np.multiply.outer(images, others)
        # Between two sets a couple stands in two rows, each person once in either set.
        return Counts(accepted[kept], compared[kept], first[kept], second[kept], distinct=blocks.within)

    def lowest(self, passing: int) -> float:
        """The lowest edge of a bin, 1 / 16380 wide, with at most so many scores above."""
        return float(self._comparison.impostors.edges[int(np.argmax(self._above <= passing))])
