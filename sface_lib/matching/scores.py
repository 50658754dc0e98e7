"""The scores between two sets, or within one: genuine and impostor by label, kept one by one or counted in bins."""

import dataclasses
import functools

import numpy as np
import pandas as pd

from sface_lib.biometrics import (
    BinnedImpostors,
    RocCurve,
    VerificationMetrics,
    binned_metrics,
    binned_roc,
    roc,
    verification_metrics,
)
from sface_lib.errors import InputError
from sface_lib.matching.groups import group_codes
from sface_lib.matching.stream import EDGES, count_scores

MOST_EXACT = 10**8  # Scores that are kept one by one; more are counted in bins.
MOST_DRAWN = 10**6  # Impostors whose ROC is exact; of more it is computed from their counts.


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreBlocks:
    """All scores as a matrix whose rows and columns are sorted by label, so that two identities meet in one block.

    Attributes
    ----------
    scores
        float32 `[Na, Nb]`, -1 to 1; within one set only those above the diagonal are computed and used.
    a_labels, b_labels
        Ascending labels, int64 `[Na]` and `[Nb]`.
    within
        Whether both sides are one set.
    groups
        Group of each identity, by label: where given, only identities of one group are impostors of one another.
    """

    scores: np.ndarray
    a_labels: np.ndarray
    b_labels: np.ndarray
    within: bool
    groups: pd.Series | None = None

    def among(self, classes: np.ndarray) -> "ScoreBlocks":
        """The scores between images of the identities `classes`, int `[K]`."""
        rows, columns = np.isin(self.a_labels, classes), np.isin(self.b_labels, classes)
        if rows.all() and columns.all():
            return self
        labels = self.a_labels[rows], self.b_labels[columns]
        return ScoreBlocks(self.scores[np.ix_(rows, columns)], *labels, self.within, self.groups)

    def impostors(self) -> np.ndarray:
        """Scores of different labels, float32 `[I]`."""
        return self.scores[self._apart()]

    def impostor_identities(self) -> tuple[np.ndarray, np.ndarray]:
        """The two labels of each score of `impostors`, in its order, int64 `[I]` each."""
        rows, columns = np.nonzero(self._apart())
        return self.a_labels[rows], self.b_labels[columns]

    def _apart(self) -> np.ndarray:
        """Which scores are of impostors, bool `[Na, Nb]`."""
        kept = self.a_labels[:, None] != self.b_labels
        if self.groups is not None:
            codes = group_codes(np.concatenate([self.a_labels, self.b_labels]), self.groups)
            kept &= codes[: len(self.a_labels), None] == codes[len(self.a_labels) :]
        return np.triu(kept, 1) if self.within else kept


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """The k best-scoring pairs, by descending score.

    Attributes
    ----------
    scores
        float32 `[k]`.
    a_rows, b_rows
        Rows of both sets in the order in which these were given, int64 `[k]`.
    same_label
        Whether both have one label, bool `[k]`.
    """

    scores: np.ndarray
    a_rows: np.ndarray
    b_rows: np.ndarray
    same_label: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class PairScores:
    """Scores of a comparison.

    Attributes
    ----------
    genuine
        Scores of equal labels, float32 `[G]`, exact.
    genuine_identity
        The label of each, int64 `[G]`.
    impostors
        Scores of different labels, counted in bins of 1 / 16380; their mean and standard deviation are exact.
    blocks
        Every score, up to 1e8 of them; None above.
    top_pairs
        The best pairs of all, where they were asked for.
    nearest
        For each row of the first set, in the order given, its best columns in the second: scores float32 `[Na, k]` and
        rows int64 `[Na, k]`; None where not asked for.
    """

    genuine: np.ndarray
    genuine_identity: np.ndarray
    impostors: BinnedImpostors
    blocks: ScoreBlocks | None
    top_pairs: Pairs | None = None
    nearest: tuple[np.ndarray, np.ndarray] | None = None

    @functools.cached_property
    def impostor(self) -> np.ndarray:
        """Scores of different labels, float32 `[I]`; raises `InputError` where `blocks` is None."""
        if self.blocks is None:
            raise InputError(f"more than {MOST_EXACT:,} scores are counted, not kept; use metrics() and roc()")
        return self.blocks.impostors()

    def among(self, classes: np.ndarray, groups: pd.Series | None = None) -> "PairScores":
        """The comparison of some identities' images, as if there were no others.

        Parameters
        ----------
        classes
            Labels of those identities, int.
        groups
            Group of each identity, by label: then only pairs within one group are impostors.

        Raises
        ------
        InputError
            The scores were only counted, or no pair is left.
        """
        if self.blocks is None:
            raise InputError(f"more than {MOST_EXACT:,} scores are counted, not kept, so that none can be left out")
        kept = np.isin(self.genuine_identity, classes)
        blocks = dataclasses.replace(self.blocks.among(classes), groups=groups)
        scores = blocks.impostors()
        if not kept.any() or not len(scores):
            raise InputError(f"{len(classes)} of the identities have no genuine or no impostor pair; keep more of them")
        moments = (float(value) for value in (scores.mean(dtype=np.float64), scores.std(dtype=np.float64)))
        impostors = BinnedImpostors(EDGES, count_scores(scores), *moments)
        return PairScores(self.genuine[kept], self.genuine_identity[kept], impostors, blocks)

    def metrics(self) -> VerificationMetrics:
        """Error rates and moments; where `blocks` is None from counted impostors, with errors bounded by `brackets`."""
        if self.blocks is not None:
            return verification_metrics(self.genuine, self.impostor)
        return binned_metrics(self.genuine, self.impostors)[0]

    def brackets(self) -> dict[str, tuple[float, float] | None]:
        """Bounds (low, high) of "eer", "fmr100", "fmr1000" and "auc", equal where all scores are kept, or None."""
        if self.blocks is None:
            return binned_metrics(self.genuine, self.impostors)[1]
        exact = self.metrics()
        values = {name: getattr(exact, name) for name in ("eer", "fmr100", "fmr1000", "auc")}
        return {name: None if value is None else (value, value) for name, value in values.items()}

    def roc(self) -> RocCurve:
        """Error rates by threshold; of more than 1e6 impostors from binned counts, a difference that no plot shows."""
        if self.impostors.counts.sum() > MOST_DRAWN:
            return binned_roc(self.genuine, self.impostors)
        return roc(self.genuine, self.impostor)
