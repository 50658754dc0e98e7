"""The sets of a study by one judge, and their scores in three settings: within both, and between them."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import Estimate, VerificationMetrics
from sface_lib.data import place_in_class
from sface_lib.matching import (
    MOST_EXACT,
    Pairs,
    PairScores,
    checked_set,
    compare_sets,
    compare_within,
    strongest_pairs,
)
from sface_lib.privacy import identification
from sface_lib.privacy.groups import exchangeable

SETTINGS = ("authentic-authentic", "synthetic-synthetic", "authentic-synthetic")
LINK = SETTINGS[2]
SAME_GROUP = f"{LINK}, same group"
NOT_EXCHANGEABLE = "control and training persons are not known to be of one distribution"
NOT_RANDOM = "the held-out images are not known to be split off at random"
UNEXPOSED = "unexposed sets"
NEEDS = (None, "control", "held_out", UNEXPOSED)  # What statistics need; None is nothing but the two sets.
TOLD_APART = 0.01  # Of pairs of authentic persons: a set whose mean pair scores above all but these is not told apart.
COMPETENT_EER = 0.2
MOST_IDENTITIES = 2000  # 500 resamples of all their pairs are affordable.
MOST_UNLABELLED = 5000  # Images of a set without labels, each of which counts as a class.
STRONGEST = 1000


class EmbeddedSet(NamedTuple):
    """A set by one judge: unit embeddings float32 `[N, d]`, and labels int64 `[N]`."""

    rows: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddedSets:
    """The sets of a study by one judge.

    `control` are persons that no generator saw, `held_out` unseen images of the authentic persons; either may be None.

    Attributes
    ----------
    groups
        Group of each authentic identity, such as "Asian, women", by its label; None where groups are not known.
    labels
        What a synthetic label is: "authentic", the authentic identity of that number; "own", an identity of the set's
        own; "none", nothing, each image having a number of its own.
    barred
        Why nothing is claimed from "control" or "held_out", by their name: `NOT_EXCHANGEABLE`, `NOT_RANDOM`. Without
        what may be relied on. Of a judge that may claim nothing at all, why, by all of `NEEDS`.
    unexposed
        Name -> sets whose generator never saw the authentic one.
    """

    authentic: EmbeddedSet
    synthetic: EmbeddedSet
    control: EmbeddedSet | None = None
    held_out: EmbeddedSet | None = None
    groups: pd.Series | None = None
    labels: Literal["authentic", "own", "none"] = "authentic"
    barred: Mapping[str | None, str] = dataclasses.field(default_factory=dict)
    unexposed: Mapping[str, EmbeddedSet] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in ("authentic", "synthetic", "control", "held_out"):
            if (given := getattr(self, name)) is not None:
                checked_set(name, *given)
                object.__setattr__(self, name, EmbeddedSet(*given))  # A plain pair may be given.
        for name, given in self.unexposed.items():
            checked_set(name, *given)

    @property
    def by_label(self) -> bool:
        """Whether synthetic labels are those of authentic identities."""
        return self.labels == "authentic"

    @property
    def classes(self) -> np.ndarray:
        """Labels that both sets have."""
        return np.intersect1d(self.authentic.labels, self.synthetic.labels)

    @property
    def renamed(self) -> np.ndarray:
        """Those whose names can be exchanged within their group."""
        return exchangeable(self.classes, self.groups)


def affordable(
    authentic: np.ndarray,
    synthetic: np.ndarray,
    most_scores: int = MOST_EXACT,
    most_identities: int = MOST_IDENTITIES,
    by_label: bool = True,
    most_classes: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the images of two labelled sets that intervals and shuffles can be computed for: all of small sets.

    Of more identities the first are kept, and of each identity as many images, the first, as let the comparison of
    both, and that within each, have at most `most_scores`. Where labels mean the same in both sets (`by_label`),
    identities that only one has are left out;
    else `most_classes` of the synthetic set are kept, by default as many as identities.
    """
    kept = [np.unique(authentic)[:most_identities], np.unique(synthetic)[: most_classes or most_identities]]
    if by_label:
        kept = [np.intersect1d(authentic, synthetic)[:most_identities]] * 2
    places = [
        np.where(np.isin(labels, own), place_in_class(labels), np.iinfo(np.int64).max)
        for labels, own in zip((authentic, synthetic), kept, strict=True)
    ]
    cap = max(int(np.unique(labels, return_counts=True)[1].max()) for labels in (authentic, synthetic))
    while cap > 1 and _most_scores(*(float((place < cap).sum()) for place in places)) > most_scores:
        cap -= 1
    return tuple(np.flatnonzero(place < cap) for place in places)


def _most_scores(n: float, m: float) -> float:
    """Scores of the largest comparison between sets of n and m images, and within each."""
    return max(n * m, n * (n - 1) / 2, m * (m - 1) / 2)


@dataclasses.dataclass(frozen=True, eq=False)
class SettingScores:
    """The paper's three settings by one judge, as far as the set's labels allow them.

    Attributes
    ----------
    comparisons, metrics
        By the names of `SETTINGS`. Where groups are known, `SAME_GROUP` is the link with impostors of one group.
    strongest
        The best-scoring pairs of an authentic and a synthetic image.
    ranks, ranks_back
        Share of synthetic probes found within each rank among authentic templates, and the reverse; None where labels
        are not those of authentic identities.
    """

    comparisons: dict[str, PairScores]
    metrics: dict[str, VerificationMetrics]
    strongest: Pairs
    ranks: list[Estimate] | None
    ranks_back: list[Estimate] | None

    @property
    def competent(self) -> bool:
        """Whether the judge tells authentic identities apart: an EER of at most 20 %."""
        return self.metrics[SETTINGS[0]].eer <= COMPETENT_EER


def score_settings(
    sets: EmbeddedSets, max_rank: int, accelerator: Accelerator | None = None, earlier: SettingScores | None = None
) -> SettingScores:
    """Score the settings that the labels allow; where they are authentic ones, rank probes among templates, too.

    `earlier` are the scores of another synthetic set with the same authentic images, which are not scored again.
    """
    own = earlier.comparisons[SETTINGS[0]] if earlier else compare_within(*sets.authentic, accelerator=accelerator)
    comparisons = {SETTINGS[0]: own}
    if sets.labels != "none":
        comparisons[SETTINGS[1]] = compare_within(*sets.synthetic, accelerator=accelerator)
    ranks = ranks_back = None
    if sets.by_label:
        linked = compare_sets(*sets.authentic, *sets.synthetic, top_pairs=STRONGEST, accelerator=accelerator)
        comparisons[LINK], strongest = linked, linked.top_pairs
        ranks = identification.ranks(*sets.synthetic, *sets.authentic, max_rank)
        ranks_back = identification.ranks(*sets.authentic, *sets.synthetic, max_rank)
    else:
        strongest = strongest_pairs(sets.authentic.rows, sets.synthetic.rows, STRONGEST, accelerator)
    if sets.by_label and sets.groups is not None:
        comparisons[SAME_GROUP] = comparisons[LINK].among(sets.renamed, sets.groups)
    metrics = {name: comparison.metrics() for name, comparison in comparisons.items()}
    return SettingScores(comparisons, metrics, strongest, ranks, ranks_back)


def not_told_apart(rows: np.ndarray, labels: np.ndarray, authentic: PairScores) -> str:
    """Why a judge says nothing of a set whose classes all look alike to it; empty where it tells them apart.

    It does not where two of its classes score, on average, what fewer than 1 % of pairs of authentic persons reach.

    Parameters
    ----------
    rows, labels
        Unit embeddings `[N, d]` of the set and labels `[N]`, of two classes at least.
    authentic
        Scores within the authentic set.
    """
    classes = pd.DataFrame(rows.astype(np.float64)).groupby(labels)
    sums, pairs = classes.sum().to_numpy(), len(rows) ** 2 - np.square(classes.size()).sum()
    mean = (np.square(sums.sum(0)).sum() - np.square(sums).sum()) / max(pairs, 1)
    counted = authentic.impostors
    if counted.counts[counted.edges[:-1] >= mean].sum() >= TOLD_APART * counted.counts.sum():
        return ""
    return (
        f"does not tell its classes apart: two of them score {mean:.2f} on average, which fewer than "
        f"{TOLD_APART:.0%} of pairs of authentic persons reach".replace("%", " %")
    )
