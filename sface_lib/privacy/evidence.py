"""The whole analysis by one judge: intervals, identification, and the statistical tests, all planned beforehand.

A judge is whatever gives embeddings: a recognition model, or raw pixels as a reference. Tests that need unseen images
of the training persons, or unseen persons, are left out where there are none: their field is then None or empty.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sface_lib.biometrics import Estimate, templates
from sface_lib.data import place_in_class
from sface_lib.matching import bootstrap_comparison, compare_sets
from sface_lib.privacy import identification
from sface_lib.privacy.chance import Tested, auc_table, shuffle_test
from sface_lib.privacy.exposure import exposures, of_equal_images
from sface_lib.privacy.link import TEMPLATE_SIZES, LabelFreeLink, equal_templates, label_free_link
from sface_lib.privacy.membership import Membership, MembershipOfImages, membership, membership_of_images
from sface_lib.privacy.nearness import NearnessDifference, can_be_held_against, nearness_difference
from sface_lib.privacy.settings import LINK, SETTINGS, EmbeddedSet, EmbeddedSets, SettingScores
from sface_lib.privacy.unlabelled import Galleries, Unlabelled, compare_unlabelled
from sface_lib.privacy.verdict import ALPHA

FEWEST_PROBES = 100
GROWTH_RESAMPLES = 100  # At each size of templates: enough for a band, and a claim rests on none of them.


@dataclasses.dataclass(frozen=True, eq=False)
class ByLabel:
    """What equal labels show, where a set's labels are those of authentic identities.

    Attributes
    ----------
    link, rank_1, neighbours
        AUC of the same-label link, rank-1 identification among templates, and share of images whose nearest authentic
        image has their label, each with its null. Where groups are known, labels are shuffled within groups, and
        identities that are alone in one are left out.
    renamed
        Number of identities behind these three: those in both sets, without identities that are alone in their group.
    growth
        Both links by the number of images behind a template: see `identification.aggregation`.
    tail
        Share of equal labels among the strongest pairs: see `identification.tail`.
    exposure, exposure_alike
        AUC of the link of each identity, over all its images, and over equally many of each identity.
    """

    link: Tested
    rank_1: Tested
    neighbours: Tested
    renamed: int
    growth: pd.DataFrame
    tail: pd.DataFrame
    exposure: pd.Series
    exposure_alike: pd.Series


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """The results of all tests by one judge.

    Attributes
    ----------
    sets, shuffles, seed
        What it was computed from, with number and seed of label shuffles: for statistics that other packages add.
    by_pair, by_identity
        Setting -> metric -> estimate, with every score, or every identity, weighted equally.
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

    sets: EmbeddedSets
    shuffles: int
    seed: int
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
    sets: EmbeddedSets,
    scores: SettingScores,
    shuffles: int,
    resamples: int,
    seed: int,
    earlier: Evidence | None = None,
    level: float = 1 - ALPHA,
) -> Evidence:
    """Run all tests on scored settings.

    `earlier` is the evidence on another synthetic set with the same authentic images, whose intervals within the
    authentic set are reused; `level` is the confidence level of the leak share.
    """
    intervals = []
    for per_identity, earlier_intervals in (
        (False, earlier and earlier.by_pair),
        (True, earlier and earlier.by_identity),
    ):
        to_resample = {
            name: c for name, c in scores.comparisons.items() if not earlier_intervals or name != SETTINGS[0]
        }
        estimates = {
            name: bootstrap_comparison(c, resamples, seed, per_identity=per_identity) for name, c in to_resample.items()
        }
        intervals.append(({SETTINGS[0]: earlier_intervals[SETTINGS[0]]} if earlier_intervals else {}) | estimates)
    classes, class_templates = templates(*sets.synthetic)
    galleries = sets.control and Galleries.of(sets.authentic, sets.control, seed)
    images = pooled = persons = label_free = open_set = None
    unlabelled, nearer = [], {}
    if sets.held_out is not None:
        image_sides = *sets.authentic, *sets.held_out
        images = membership_of_images(sets.synthetic.rows, *image_sides, shuffles, resamples, seed)
        pooled = membership(sets.synthetic.rows, *_as_many(*image_sides), shuffles, resamples, seed)
    if galleries is not None:
        training, unseen = galleries.templates
        label_free = label_free_link(class_templates, training, unseen, shuffles, resamples, seed)
        owners = np.arange(2 * len(training)).reshape(2, -1)
        persons = membership(class_templates, training, owners[0], unseen, owners[1], shuffles, resamples, seed)
        leak_level = None if "control" in sets.barred else level
        unlabelled = compare_unlabelled(*sets.synthetic, galleries, leak_level, shuffles, seed)
        nearer = _nearer(sets, galleries, resamples, seed)
    if sets.control is not None and len(sets.control.rows) >= FEWEST_PROBES:
        open_set = identification.open_set(*sets.synthetic, *sets.authentic, *sets.control)
    labelled = None
    if sets.by_label:
        labelled = _by_label(sets, scores, intervals[0][LINK]["auc"], galleries, shuffles, resamples, seed)
    return Evidence(
        sets=sets,
        shuffles=shuffles,
        seed=seed,
        by_pair=intervals[0],
        by_identity=intervals[1],
        labelled=labelled,
        label_free=label_free,
        open_set=open_set,
        images=images,
        images_pooled=pooled,
        persons=persons,
        unlabelled=tuple(unlabelled),
        nearer=nearer,
    )


def _nearer(sets: EmbeddedSets, galleries: Galleries, resamples: int, seed: int) -> dict[str, NearnessDifference]:
    """The set compared to every unexposed one, by templates of equally many images; by the unexposed set's name."""
    differences = {}
    for name, other in sets.unexposed.items():
        (_, classes), (_, other_classes) = equal_templates(sets.synthetic, other)
        if can_be_held_against(classes, other_classes, galleries.training):
            differences[name] = nearness_difference(classes, other_classes, *galleries.templates, resamples, seed)
    return differences


def _by_label(
    sets: EmbeddedSets,
    scores: SettingScores,
    auc: Estimate,
    galleries: Galleries | None,
    shuffles: int,
    resamples: int,
    seed: int,
) -> ByLabel:
    """What equal labels show; `auc` is that of the link, with its interval."""
    link = renamed = scores.comparisons[LINK]
    arguments = *sets.synthetic, *sets.authentic, shuffles, resamples, seed
    if len(sets.renamed) < len(sets.classes):
        renamed = link.among(sets.renamed)
        auc = bootstrap_comparison(renamed, resamples, seed)["auc"]
    table = auc_table(renamed.blocks)
    test = shuffle_test(table, shuffles, seed, sets.groups)
    return ByLabel(
        link=Tested(dataclasses.replace(auc, value=test.observed), test, int(table.counts.sum())),
        rank_1=identification.rank_1(*arguments, groups=sets.groups),
        neighbours=identification.nearest_label(*arguments, groups=sets.groups),
        renamed=len(sets.renamed),
        growth=identification.aggregation(
            *sets.synthetic,
            *sets.authentic,
            galleries and galleries.templates,
            TEMPLATE_SIZES,
            min(resamples, GROWTH_RESAMPLES),
            seed,
        ),
        tail=identification.tail(link.top_pairs, sets.authentic.labels, sets.synthetic.labels),
        exposure=exposures(link.blocks),
        exposure_alike=exposures(of_equal_images(link.blocks)),
    )


def _as_many(
    rows: np.ndarray, labels: np.ndarray, other_rows: np.ndarray, other_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and labels of both sides, of each identity only its first n images: n is what the side with fewer has."""
    place, other_place = map(place_in_class, (labels, other_labels))
    counts, other_counts = (dict(zip(*np.unique(x, return_counts=True), strict=True)) for x in (labels, other_labels))
    kept = place < np.array([other_counts.get(label, 0) for label in labels])
    other_kept = other_place < np.array([counts.get(label, 0) for label in other_labels])
    return rows[kept], labels[kept], other_rows[other_kept], other_labels[other_kept]


def left_of(sets: EmbeddedSets, positions: np.ndarray) -> dict[str, float | None]:
    """The link of the synthetic images at `positions`, int64 `[n]`: "link_auc", "link_eer" and "rank1", each 0 to 1.

    Each is None where no image with an authentic identity's label is left, or labels mean something else.
    """
    part = EmbeddedSet(*(values[positions] for values in sets.synthetic))
    if not sets.by_label or not np.isin(part.labels, sets.authentic.labels).any():
        return {"link_auc": None, "link_eer": None, "rank1": None}
    metrics = compare_sets(*sets.authentic, *part).metrics()
    rank_1 = identification.ranks(*part, *sets.authentic, 1)[0].value
    return {"link_auc": metrics.auc, "link_eer": metrics.eer, "rank1": rank_1}
