"""The whole analysis of one judge: three settings, identification, and the sceptic's tests, each pre-stated.

A judge is whatever gives embeddings: a recognition model, or raw pixels as the floor. What needs unseen images of the
same persons, or unseen persons, is left out where there are none, and says so by being None.
"""

import dataclasses

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import Estimate, VerificationMetrics, templates
from sface_lib.data import place_in_class
from sface_lib.privacy import identification
from sface_lib.privacy.chance import ShuffleTest, auc_table, shuffle_test
from sface_lib.privacy.compare import MOST_EXACT, Comparison, checked_set, compare_sets, compare_within
from sface_lib.privacy.exposure import exposures
from sface_lib.privacy.intervals import bootstrap_comparison
from sface_lib.privacy.link import TEMPLATE_SIZES, LabelFreeLink, label_free_link
from sface_lib.privacy.membership import Membership, MembershipOfImages, membership, membership_of_images
from sface_lib.privacy.verdict import EQUIVALENCE_LEVEL, Claim

SETTINGS = ("authentic-authentic", "synthetic-synthetic", "authentic-synthetic")
LINK = SETTINGS[2]
MEMBERSHIP_OF_IMAGES = "membership of images within persons, AUC"
EXPLORATORY = (MEMBERSHIP_OF_IMAGES,)  # Claims whose statistic was chosen after a set was seen, and not yet confirmed.
COMPETENT_EER = 0.2
FEWEST_PROBES = 100
MOST_IDENTITIES = 2000  # 500 resamples of all their pairs are affordable.
STRONGEST = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Embedded:
    """The sets of a study by one judge: unit embeddings float32 `[N, d]` and labels int64 `[N]` of each.

    `authentic` trained the generator and `synthetic` is what it drew, labels meaning the same in both. `control` are
    unseen persons of the same law, `held_out` unseen images of the authentic persons; either may be None.
    """

    authentic: tuple[np.ndarray, np.ndarray]
    synthetic: tuple[np.ndarray, np.ndarray]
    control: tuple[np.ndarray, np.ndarray] | None = None
    held_out: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if (given := getattr(self, field.name)) is not None:
                checked_set(field.name, *given)


def affordable(
    authentic: np.ndarray, synthetic: np.ndarray, most_scores: int = MOST_EXACT, most_identities: int = MOST_IDENTITIES
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the images of two labelled sets that intervals and shuffles can be computed for: all of small sets.

    Identities that only one set has are left out. Of more identities the first are kept, and of each identity as many
    images, the first, as let the comparison have at most `most_scores`.
    """
    kept = np.intersect1d(authentic, synthetic)[:most_identities]
    places = [
        np.where(np.isin(labels, kept), place_in_class(labels), np.iinfo(np.int64).max)
        for labels in (authentic, synthetic)
    ]
    cap = int(np.unique(np.concatenate([authentic, synthetic]), return_counts=True)[1].max())
    while cap > 1 and float((places[0] < cap).sum()) * (places[1] < cap).sum() > most_scores:
        cap -= 1
    return tuple(np.flatnonzero(place < cap) for place in places)


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """The paper's three settings by one judge: comparisons and metrics by the names of `SETTINGS`."""

    comparisons: dict[str, Comparison]
    metrics: dict[str, VerificationMetrics]
    found: np.ndarray
    found_back: np.ndarray

    @property
    def competent(self) -> bool:
        """Whether the judge tells authentic identities apart: an EER of at most 20 %."""
        return self.metrics[SETTINGS[0]].eer <= COMPETENT_EER


def three_settings(sets: Embedded, max_rank: int, accelerator: Accelerator | None = None) -> Settings:
    """Score the three settings, and rank synthetic probes among authentic templates (`found`) and the reverse."""
    comparisons = {
        SETTINGS[0]: compare_within(*sets.authentic, accelerator=accelerator),
        SETTINGS[1]: compare_within(*sets.synthetic, accelerator=accelerator),
        LINK: compare_sets(*sets.authentic, *sets.synthetic, top_pairs=STRONGEST, accelerator=accelerator),
    }
    return Settings(
        comparisons,
        {name: comparison.metrics() for name, comparison in comparisons.items()},
        identification.ranks(*sets.synthetic, *sets.authentic, max_rank),
        identification.ranks(*sets.authentic, *sets.synthetic, max_rank),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What the sceptic asks, by one judge.

    Attributes
    ----------
    by_pair, by_identity
        Intervals of each setting's metrics, every score or every identity counting alike.
    auc, rank_1, neighbours
        The same-label link's AUC, rank-1 identification among templates and share of nearest images, with their nulls.
    label_free
        The label-free link, or None without unseen persons.
    open_set
        Identification above a threshold that unseen persons set, or None with fewer than 100 images of them.
    images, images_pooled
        Membership of images within persons, and pooled over persons with as many images of both kinds; None without
        unseen images of the same persons.
    persons
        Membership of persons; None without unseen ones.
    growth
        Both links by the number of images behind a template.
    tail
        Share of equal labels among the strongest pairs.
    exposure
        AUC of the link of each identity.
    """

    by_pair: dict[str, dict[str, Estimate]]
    by_identity: dict[str, dict[str, Estimate]]
    auc: ShuffleTest
    rank_1: identification.Hits
    neighbours: identification.Hits
    label_free: LabelFreeLink | None
    open_set: identification.OpenSet | None
    images: MembershipOfImages | None
    images_pooled: Membership | None
    persons: Membership | None
    growth: pd.DataFrame
    tail: pd.DataFrame
    exposure: pd.Series


def gather_evidence(sets: Embedded, settings: Settings, shuffles: int, resamples: int, seed: int) -> Evidence:
    """Run the sceptic's tests on scored settings."""
    link = settings.comparisons[LINK]
    intervals = [
        {name: bootstrap_comparison(c, resamples, seed, per_identity=flag) for name, c in settings.comparisons.items()}
        for flag in (False, True)
    ]
    classes, drawn = templates(*sets.synthetic)
    galleries = _galleries(sets, seed)
    images = pooled = persons = label_free = opened = None
    if sets.held_out is not None:
        both = *sets.authentic, *sets.held_out
        images = membership_of_images(sets.synthetic[0], *both, shuffles, resamples, seed)
        pooled = membership(sets.synthetic[0], *_as_many(*both), shuffles, resamples, seed)
    if galleries is not None:
        label_free = label_free_link(drawn, *galleries, shuffles, resamples, seed)
        owners = np.arange(2 * len(galleries[0])).reshape(2, -1)
        persons = membership(drawn, galleries[0], owners[0], galleries[1], owners[1], shuffles, resamples, seed)
    if sets.control is not None and len(sets.control[0]) >= FEWEST_PROBES:
        opened = identification.open_set(*sets.synthetic, *sets.authentic, sets.control[0])
    return Evidence(
        by_pair=intervals[0],
        by_identity=intervals[1],
        auc=shuffle_test(auc_table(link.blocks), shuffles, seed),
        rank_1=identification.rank_1(*sets.synthetic, *sets.authentic, shuffles, resamples, seed),
        neighbours=identification.nearest_label(*sets.synthetic, *sets.authentic, shuffles, resamples, seed),
        label_free=label_free,
        open_set=opened,
        images=images,
        images_pooled=pooled,
        persons=persons,
        growth=identification.aggregation(
            *sets.synthetic, *sets.authentic, galleries, TEMPLATE_SIZES, min(shuffles, 200), seed
        ),
        tail=identification.tail(link.top_pairs),
        exposure=exposures(link.blocks),
    )


def _galleries(sets: Embedded, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Templates of training persons and of as many unseen ones, each of as many images; None without unseen ones.

    Where there are fewer of one kind, that many of the other are drawn at random.
    """
    if sets.control is None:
        return None
    both, random = (sets.authentic, sets.control), np.random.default_rng(seed)
    most = min(int(np.unique(labels, return_counts=True)[1].min()) for _, labels in both)
    found = [templates(*part, most)[1] for part in both]
    count = min(map(len, found))
    return tuple(rows[np.sort(random.permutation(len(rows))[:count])] for rows in found) if count > 1 else None


def _as_many(rows, labels, other_rows, other_labels) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The first images of each identity on both sides, as many as the side with fewer has."""
    place, other_place = map(place_in_class, (labels, other_labels))
    counts, other_counts = (dict(zip(*np.unique(x, return_counts=True), strict=True)) for x in (labels, other_labels))
    kept = place < np.array([other_counts.get(label, 0) for label in labels])
    other_kept = other_place < np.array([counts.get(label, 0) for label in other_labels])
    return rows[kept], labels[kept], other_rows[other_kept], other_labels[other_kept]


def link_of_part(sets: Embedded, positions: np.ndarray) -> dict[str, float | None]:
    """The link of some of the synthetic images: "link_auc", "link_eer" and "rank1", each None where none are left."""
    part = tuple(values[positions] for values in sets.synthetic)
    if not np.isin(part[1], sets.authentic[1]).any():
        return {"link_auc": None, "link_eer": None, "rank1": None}
    metrics = compare_sets(*sets.authentic, *part).metrics()
    rank_1 = float(identification.ranks(*part, *sets.authentic, 1)[0])
    return {"link_auc": metrics.auc, "link_eer": metrics.eer, "rank1": rank_1}


def make_claims(evidence: Evidence, judge: str, competent: bool, margin: float) -> list[Claim]:
    """The claims of a verdict: what is at chance where nothing is given away, with this judge's evidence.

    `margin` is the largest distance to chance that counts as equivalent, of an AUC and of the label-free share; the
    shares of identified probes, whose chance is near 0, have none.
    """

    def claim(name: str, estimate: Estimate, test: ShuffleTest, margin: float) -> Claim:
        span, chance, sd = estimate.interval(EQUIVALENCE_LEVEL), float(test.null.mean()), float(test.null.std())
        return Claim(name, judge, estimate.value, chance, span, test.p_two_sided, competent, margin, sd)

    link = Estimate(evidence.auc.observed, evidence.by_pair[LINK]["auc"].draws)
    found = [
        claim("same-label link, AUC", link, evidence.auc, margin),
        claim("rank-1 identification", evidence.rank_1.estimate, evidence.rank_1.test, 0.0),
        claim("label of the nearest image", evidence.neighbours.estimate, evidence.neighbours.test, 0.0),
    ]
    if (free := evidence.label_free) is not None:
        found.append(claim("label-free link, share of classes", free.estimate, free.test, margin))
    if (images := evidence.images) is not None:
        found.append(claim(MEMBERSHIP_OF_IMAGES, images.auc, images.test, margin))
    if (persons := evidence.persons) is not None:
        found.append(claim("membership of persons, AUC", persons.auc, persons.test, margin))
    return found
