"""The whole analysis of one judge: three settings, identification, and the sceptic's tests, each pre-stated.

A judge is whatever gives embeddings: a recognition model, or raw pixels as the floor. What needs unseen images of the
same persons, or unseen persons, is left out where there are none, and says so by being None.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import Estimate, VerificationMetrics, templates
from sface_lib.data import place_in_class
from sface_lib.matching import (
    MOST_EXACT,
    Pairs,
    PairScores,
    bootstrap_comparison,
    checked_set,
    compare_sets,
    compare_within,
    strongest_pairs,
)
from sface_lib.privacy import identification
from sface_lib.privacy.chance import Tested, auc_table, shuffle_test
from sface_lib.privacy.exposure import exposures
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.link import TEMPLATE_SIZES, LabelFreeLink, equal_templates, label_free_link
from sface_lib.privacy.membership import Membership, MembershipOfImages, membership, membership_of_images
from sface_lib.privacy.nearness import NearnessDifference, can_be_held_against, nearness_difference
from sface_lib.privacy.unlabelled import Galleries, Unlabelled, compare_unlabelled
from sface_lib.privacy.verdict import ALPHA, EQUIVALENCE_LEVEL, Claim

SETTINGS = ("authentic-authentic", "synthetic-synthetic", "authentic-synthetic")
LINK = SETTINGS[2]
SAME_GROUP = f"{LINK}, same group"
NOT_EXCHANGEABLE = "control and training persons are not known to be of one distribution"
NOT_RANDOM = "the held-out images are not known to be split off at random"
UNEXPOSED = "unexposed sets"
NEEDS = (None, "control", "held_out", UNEXPOSED)  # What statistics need; None is nothing but the two sets.
MEMBERSHIP_OF_IMAGES = "membership of images within persons, AUC"
NEARER = "nearer to the training set than unexposed sets, difference of scores"
TOLD_APART = 0.01  # Of pairs of authentic persons: a set whose mean pair scores above all but these is not told apart.
COMPETENT_EER = 0.2
FEWEST_PROBES = 100
MOST_IDENTITIES = 2000  # 500 resamples of all their pairs are affordable.
MOST_UNLABELLED = 5000  # Images of a set without labels, each of which counts as a class.
STRONGEST = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Embedded:
    """The sets of a study by one judge: unit embeddings float32 `[N, d]` and labels int64 `[N]` of each.

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
        Name -> rows and labels of sets whose generator never saw the authentic one.
    """

    authentic: tuple[np.ndarray, np.ndarray]
    synthetic: tuple[np.ndarray, np.ndarray]
    control: tuple[np.ndarray, np.ndarray] | None = None
    held_out: tuple[np.ndarray, np.ndarray] | None = None
    groups: pd.Series | None = None
    labels: Literal["authentic", "own", "none"] = "authentic"
    barred: Mapping[str | None, str] = dataclasses.field(default_factory=dict)
    unexposed: Mapping[str, tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in ("authentic", "synthetic", "control", "held_out"):
            if (given := getattr(self, name)) is not None:
                checked_set(name, *given)
        for name, given in self.unexposed.items():
            checked_set(name, *given)

    @property
    def by_label(self) -> bool:
        """Whether synthetic labels are those of authentic identities."""
        return self.labels == "authentic"

    @property
    def classes(self) -> np.ndarray:
        """Labels that both sets have."""
        return np.intersect1d(self.authentic[1], self.synthetic[1])

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
class Settings:
    """The paper's three settings by one judge, as far as the set's labels allow them.

    Attributes
    ----------
    comparisons, metrics
        By the names of `SETTINGS`. Where groups are known, `SAME_GROUP` is the link with impostors of one group.
    strongest
        The best-scoring pairs of an authentic and a synthetic image.
    found, found_back
        Share of synthetic probes found within each rank among authentic templates, and the reverse; None where labels
        are not those of authentic identities.
    """

    comparisons: dict[str, PairScores]
    metrics: dict[str, VerificationMetrics]
    strongest: Pairs
    found: np.ndarray | None
    found_back: np.ndarray | None

    @property
    def competent(self) -> bool:
        """Whether the judge tells authentic identities apart: an EER of at most 20 %."""
        return self.metrics[SETTINGS[0]].eer <= COMPETENT_EER


def three_settings(
    sets: Embedded, max_rank: int, accelerator: Accelerator | None = None, earlier: Settings | None = None
) -> Settings:
    """Score the settings that the labels allow; where they are authentic ones, rank probes among templates, too.

    `earlier` are the settings of another synthetic set with the same authentic images, which are not scored again.
    """
    own = earlier.comparisons[SETTINGS[0]] if earlier else compare_within(*sets.authentic, accelerator=accelerator)
    comparisons = {SETTINGS[0]: own}
    if sets.labels != "none":
        comparisons[SETTINGS[1]] = compare_within(*sets.synthetic, accelerator=accelerator)
    found = found_back = None
    if sets.by_label:
        linked = compare_sets(*sets.authentic, *sets.synthetic, top_pairs=STRONGEST, accelerator=accelerator)
        comparisons[LINK], strongest = linked, linked.top_pairs
        found = identification.ranks(*sets.synthetic, *sets.authentic, max_rank)
        found_back = identification.ranks(*sets.authentic, *sets.synthetic, max_rank)
    else:
        strongest = strongest_pairs(sets.authentic[0], sets.synthetic[0], STRONGEST, accelerator)
    if sets.by_label and sets.groups is not None:
        comparisons[SAME_GROUP] = comparisons[LINK].among(sets.renamed, sets.groups)
    metrics = {name: comparison.metrics() for name, comparison in comparisons.items()}
    return Settings(comparisons, metrics, strongest, found, found_back)


@dataclasses.dataclass(frozen=True, eq=False)
class ByLabel:
    """What equal labels show, where a set's labels are those of authentic identities.

    Attributes
    ----------
    link, rank_1, neighbours
        The same-label link's AUC, rank-1 identification among templates and share of nearest images, with their nulls.
        Where groups are known, names are exchanged within groups, and who is alone in one is left out.
    renamed
        How many identities those three are of: all that both sets have, but for who is alone in a group.
    growth
        Both links by the number of images behind a template.
    tail
        Share of equal labels among the strongest pairs.
    exposure
        AUC of the link of each identity.
    """

    link: Tested
    rank_1: Tested
    neighbours: Tested
    renamed: int
    growth: pd.DataFrame
    tail: pd.DataFrame
    exposure: pd.Series


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What the sceptic asks, by one judge.

    Attributes
    ----------
    by_pair, by_identity
        Intervals of each setting's metrics, every score or every identity counting alike.
    labelled
        What equal labels show; None where labels are not those of authentic identities.
    label_free
        The label-free link, or None without unseen persons.
    open_set
        Identification above a threshold that unseen persons set, or None with fewer than 100 images of them.
    images, images_pooled
        Membership of images within persons, and pooled over persons with as many images of both kinds; None without
        unseen images of the same persons.
    persons
        Membership of persons; None without unseen ones.
    unlabelled
        Images and class centres against those of persons; empty without unseen persons.
    nearer
        Name of an unexposed set -> how much nearer the set is to the training persons than that one; empty without
        unseen persons.
    """

    by_pair: dict[str, dict[str, Estimate]]
    by_identity: dict[str, dict[str, Estimate]]
    labelled: ByLabel | None
    label_free: LabelFreeLink | None
    open_set: identification.OpenSet | None
    images: MembershipOfImages | None
    images_pooled: Membership | None
    persons: Membership | None
    unlabelled: tuple[Unlabelled, ...]
    nearer: Mapping[str, NearnessDifference]


def gather_evidence(
    sets: Embedded,
    settings: Settings,
    shuffles: int,
    resamples: int,
    seed: int,
    earlier: Evidence | None = None,
    level: float = 1 - ALPHA,
) -> Evidence:
    """Run the sceptic's tests on scored settings.

    `earlier` is the evidence of another synthetic set with the same authentic images, of which the intervals are known;
    `level` the confidence of the leak share.
    """
    intervals = []
    for flag, known in ((False, earlier and earlier.by_pair), (True, earlier and earlier.by_identity)):
        new = {name: c for name, c in settings.comparisons.items() if not known or name != SETTINGS[0]}
        found = {name: bootstrap_comparison(c, resamples, seed, per_identity=flag) for name, c in new.items()}
        intervals.append(({SETTINGS[0]: known[SETTINGS[0]]} if known else {}) | found)
    classes, drawn = templates(*sets.synthetic)
    galleries = sets.control and Galleries.of(sets.authentic, sets.control, seed)
    images = pooled = persons = label_free = opened = None
    unlabelled, nearer = [], {}
    if sets.held_out is not None:
        both = *sets.authentic, *sets.held_out
        images = membership_of_images(sets.synthetic[0], *both, shuffles, resamples, seed)
        pooled = membership(sets.synthetic[0], *_as_many(*both), shuffles, resamples, seed)
    if galleries is not None:
        training, unseen = galleries.templates
        label_free = label_free_link(drawn, training, unseen, shuffles, resamples, seed)
        owners = np.arange(2 * len(training)).reshape(2, -1)
        persons = membership(drawn, training, owners[0], unseen, owners[1], shuffles, resamples, seed)
        sure = None if "control" in sets.barred else level
        unlabelled = compare_unlabelled(*sets.synthetic, galleries, sure, shuffles, seed)
        nearer = _nearer(sets, galleries, resamples, seed)
    if sets.control is not None and len(sets.control[0]) >= FEWEST_PROBES:
        opened = identification.open_set(*sets.synthetic, *sets.authentic, *sets.control)
    labelled = None
    if sets.by_label:
        labelled = _by_label(sets, settings, intervals[0][LINK]["auc"], galleries, shuffles, resamples, seed)
    return Evidence(
        by_pair=intervals[0],
        by_identity=intervals[1],
        labelled=labelled,
        label_free=label_free,
        open_set=opened,
        images=images,
        images_pooled=pooled,
        persons=persons,
        unlabelled=tuple(unlabelled),
        nearer=nearer,
    )


def _nearer(sets: Embedded, galleries: Galleries, resamples: int, seed: int) -> dict[str, NearnessDifference]:
    """The set held against every unexposed one, by templates of as many images."""
    found = {}
    for name, other in sets.unexposed.items():
        (_, classes), (_, theirs) = equal_templates(sets.synthetic, other)
        if can_be_held_against(classes, theirs, galleries.training):
            found[name] = nearness_difference(classes, theirs, *galleries.templates, resamples, seed)
    return found


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
    numbers = np.unique(labels, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, rows.shape[1]))
    np.add.at(sums, numbers, rows.astype(np.float64))
    pairs = len(rows) ** 2 - np.square(np.bincount(numbers).astype(np.float64)).sum()
    mean = (np.square(sums.sum(0)).sum() - np.square(sums).sum()) / max(pairs, 1)
    counted = authentic.impostors
    if counted.counts[counted.edges[:-1] >= mean].sum() >= TOLD_APART * counted.counts.sum():
        return ""
    return (
        f"does not tell its classes apart: two of them score {mean:.2f} on average, which fewer than "
        f"{TOLD_APART:.0%} of pairs of authentic persons reach".replace("%", " %")
    )


def _by_label(
    sets: Embedded,
    settings: Settings,
    auc: Estimate,
    galleries: Galleries | None,
    shuffles: int,
    resamples: int,
    seed: int,
) -> ByLabel:
    """What equal labels show; `auc` is that of the link, with its interval."""
    link = renamed = settings.comparisons[LINK]
    probes = *sets.synthetic, *sets.authentic, shuffles, resamples, seed
    if len(sets.renamed) < len(sets.classes):
        renamed = link.among(sets.renamed)
        auc = bootstrap_comparison(renamed, resamples, seed)["auc"]
    test = shuffle_test(auc_table(renamed.blocks), shuffles, seed, sets.groups)
    return ByLabel(
        link=Tested(dataclasses.replace(auc, value=test.observed), test),
        rank_1=identification.rank_1(*probes, groups=sets.groups),
        neighbours=identification.nearest_label(*probes, groups=sets.groups),
        renamed=len(sets.renamed),
        growth=identification.aggregation(
            *sets.synthetic,
            *sets.authentic,
            galleries and galleries.templates,
            TEMPLATE_SIZES,
            min(shuffles, 200),
            seed,
        ),
        tail=identification.tail(link.top_pairs),
        exposure=exposures(link.blocks),
    )


def _as_many(rows, labels, other_rows, other_labels) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The first images of each identity on both sides, as many as the side with fewer has."""
    place, other_place = map(place_in_class, (labels, other_labels))
    counts, other_counts = (dict(zip(*np.unique(x, return_counts=True), strict=True)) for x in (labels, other_labels))
    kept = place < np.array([other_counts.get(label, 0) for label in labels])
    other_kept = other_place < np.array([counts.get(label, 0) for label in other_labels])
    return rows[kept], labels[kept], other_rows[other_kept], other_labels[other_kept]


def left_of(sets: Embedded, positions: np.ndarray) -> dict[str, float | None]:
    """The link of some of the synthetic images: "link_auc", "link_eer" and "rank1".

    Each is None where none are left, or labels are not those of authentic identities.
    """
    part = tuple(values[positions] for values in sets.synthetic)
    if not sets.by_label or not np.isin(part[1], sets.authentic[1]).any():
        return {"link_auc": None, "link_eer": None, "rank1": None}
    metrics = compare_sets(*sets.authentic, *part).metrics()
    rank_1 = float(identification.ranks(*part, *sets.authentic, 1)[0])
    return {"link_auc": metrics.auc, "link_eer": metrics.eer, "rank1": rank_1}


@dataclasses.dataclass(frozen=True)
class Statistic:
    """What a claim is about: something that is at chance where nothing is given away.

    Attributes
    ----------
    name
        The claim's.
    tested
        The statistic with its null, and how many identities are behind it; None where the sets do not give it.
    has_margin
        Whether it may be equivalent to chance: not the share of identified probes, whose chance is near 0.
    by_label
        Whether it rests on equal labels, so that demographics alone make it where groups are not known.
    needs
        The set, "control" or "held_out", that it cannot do without, and that must be exchangeable with what trained;
        or `UNEXPOSED`.
    instead_of
        The set of `needs` in whose place it stands: it is claimed only where nothing may be claimed from that one.
    exploratory
        Whether it was chosen after a set had been seen, and no other generator has confirmed it yet.
    """

    name: str
    tested: Callable[[Evidence], tuple[Tested, int] | None]
    has_margin: bool = True
    by_label: bool = False
    needs: str | None = None
    instead_of: str | None = None
    exploratory: bool = False

    def stands(self, barred: Mapping[str | None, str]) -> bool:
        """Whether it is asked where nothing is claimed from what is `barred`."""
        return self.instead_of is None or self.instead_of in barred


def _labelled(name: str) -> Callable[[Evidence], tuple[Tested, int] | None]:
    def tested(evidence: Evidence) -> tuple[Tested, int] | None:
        return evidence.labelled and (getattr(evidence.labelled, name), evidence.labelled.renamed)

    return tested


def _label_free(evidence: Evidence) -> tuple[Tested, int] | None:
    free = evidence.label_free
    return free and (Tested(free.estimate, free.test), len(free.training))


def _images(evidence: Evidence) -> tuple[Tested, int] | None:
    images = evidence.images
    return images and (Tested(images.auc, images.test), images.identities)


def _persons(evidence: Evidence) -> tuple[Tested, int] | None:
    persons = evidence.persons
    return persons and (Tested(persons.auc, persons.test), persons.identities)


def _nearest(evidence: Evidence) -> tuple[Tested, int] | None:
    """The difference to the unexposed set that shows least of it: it must hold against every one."""
    if not evidence.nearer:
        return None
    least = max(evidence.nearer.values(), key=lambda found: found.best.test.p_two_sided)
    signs = {np.sign(found.best.estimate.value) for found in evidence.nearer.values()}
    tested = least.best
    if len(signs) > 1:  # Nearer than one and farther than another is neither.
        tested = dataclasses.replace(tested, test=dataclasses.replace(tested.test, p_value=1.0, p_below=1.0))
    return tested, least.persons


STATISTICS = (
    Statistic("same-label link, AUC", _labelled("link"), by_label=True),
    Statistic("rank-1 identification", _labelled("rank_1"), has_margin=False, by_label=True),
    Statistic("label of the nearest image", _labelled("neighbours"), has_margin=False, by_label=True),
    Statistic("label-free link, share of classes", _label_free, needs="control"),
    Statistic(MEMBERSHIP_OF_IMAGES, _images, needs="held_out", exploratory=True),
    Statistic("membership of persons, AUC", _persons, needs="control"),
    Statistic(NEARER, _nearest, has_margin=False, needs=UNEXPOSED, instead_of="control"),
)


def make_claims(
    evidence: Evidence, judge: str, competent: bool, margin: float, barred: Mapping[str | None, str] | None = None
) -> list[Claim]:
    """The claims of a verdict: each statistic is at chance, with this judge's evidence.

    `margin` is the largest distance to chance that counts as equivalent, of an AUC and of the label-free share, and
    `barred` that of `Embedded`.
    """
    barred = barred or {}
    made = ((statistic, statistic.tested(evidence)) for statistic in STATISTICS if statistic.stands(barred))
    return [
        Claim(
            name=statistic.name,
            judge=judge,
            value=found[0].estimate.value,
            chance=float(found[0].test.null.mean()),
            interval=found[0].estimate.interval(EQUIVALENCE_LEVEL),
            p_value=found[0].test.p_two_sided,
            p_floor=2 * found[0].test.floor,
            competent=competent,
            margin=margin if statistic.has_margin else 0.0,
            null_sd=float(found[0].test.null.std()),
            identities=found[1],
            barred=barred.get(statistic.needs, ""),
        )
        for statistic, found in made
        if found is not None
    ]
