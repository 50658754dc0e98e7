"""Whether a set shows which images, or which persons, its generator was trained on."""

import dataclasses

import numpy as np
import pandas as pd

from sface_lib.biometrics import Estimate, bootstrap_samples, identity_weights
from sface_lib.errors import InputError
from sface_lib.matching import best_scores
from sface_lib.privacy.chance import ShuffleTest, against_null


@dataclasses.dataclass(frozen=True, eq=False)
class MembershipOfImages:
    """How well training images are told from other images of the same persons, person by person.

    Attributes
    ----------
    auc
        Chance that a member scores higher than another image of its person, over all such pairs, with draws of
        identities; 0.5 where nothing shows.
    test
        The AUC against its null: who is a member is shuffled among the images of each identity.
    identities
        How many have images of both kinds.
    comparisons
        Of how many pairs of a member and another image.
    """

    auc: Estimate
    test: ShuffleTest
    identities: int
    comparisons: int


def membership_of_images(
    synthetic: np.ndarray,
    members: np.ndarray,
    member_labels: np.ndarray,
    others: np.ndarray,
    other_labels: np.ndarray,
    shuffles: int = 1000,
    resamples: int = 1000,
    seed: int = 0,
) -> MembershipOfImages:
    """Tell training images from images of the same persons that the generator never saw, within each person.

    An image's score is its best over the synthetic set. How near a person as a whole comes to the set says nothing of
    which images trained, so that only images of one person are compared: pooled over persons, the differences between
    them would hide those within. The test is exact where the other images were split off at random before training.

    Parameters
    ----------
    synthetic, members, others
        Unit embeddings, float `[S, d]`, `[M, d]` and `[N, d]`.
    member_labels, other_labels
        Identity of each row; a label is one person in both. Persons with images of one kind alone are left out.

    Raises
    ------
    InputError
        Widths differ, or fewer than two identities have images of both kinds.
    """
    scores = np.concatenate([best_scores(members, synthetic), best_scores(others, synthetic)])
    labels = np.concatenate([member_labels, other_labels])
    member = np.arange(len(scores)) < len(members)
    shared = np.intersect1d(member_labels, other_labels)
    if len(shared) < 2:
        raise InputError(
            f"{len(shared)} identities have training images and others; membership of images needs two at least"
        )
    kept = np.isin(labels, shared)
    persons, member = np.searchsorted(shared, labels[kept]), member[kept]
    ranks = pd.Series(scores[kept]).groupby(persons).rank().to_numpy()
    members = np.bincount(persons, member).astype(np.int64)
    pairs = members * (np.bincount(persons) - members)
    wins = np.bincount(persons[member], ranks[member]) - members * (members + 1) / 2
    weights = identity_weights(len(shared), resamples, seed)
    auc = Estimate.of_draws(float(wins.sum() / pairs.sum()), (weights @ wins) / (weights @ pairs), len(shared))
    sums = _rank_sums(ranks, persons, members, shuffles, seed)
    null = (sums - (members * (members + 1) / 2).sum()) / pairs.sum()
    return MembershipOfImages(auc, against_null(auc.value, null), len(shared), int(pairs.sum()))


@dataclasses.dataclass(frozen=True, eq=False)
class Membership:
    """How well members are told from others by their best score over a synthetic set.

    Attributes
    ----------
    auc
        Chance that a member scores higher, with draws of identities; 0.5 where nothing shows.
    tpr, tpr_1000
        Share of members above all but 1 % of the others, 0.1 % of them; None for fewer than 100, 1,000 others.
    test
        The AUC against its null: who is a member is shuffled among the images of each identity or, where members and
        others share none, among all.
    identities
        How many have members.
    members, others
        How many there are.
    """

    auc: Estimate
    tpr: Estimate | None
    tpr_1000: Estimate | None
    test: ShuffleTest
    identities: int
    members: int
    others: int


def membership(
    synthetic: np.ndarray,
    members: np.ndarray,
    member_labels: np.ndarray,
    others: np.ndarray,
    other_labels: np.ndarray,
    shuffles: int = 1000,
    resamples: int = 1000,
    seed: int = 0,
) -> Membership:
    """Tell what was trained on from what was not, by the best score over a synthetic set.

    For images: training images against images of the same identities that the generator never saw. For persons: their
    templates against those of as many persons that it never saw, over the templates of the synthetic classes.

    Parameters
    ----------
    synthetic, members, others
        Unit embeddings, float `[S, d]`, `[M, d]` and `[N, d]`.
    member_labels, other_labels
        Identity of each row; a label is one person in both.

    Raises
    ------
    InputError
        Widths differ.
    """
    best = best_scores(members, synthetic), best_scores(others, synthetic)
    estimates = bootstrap_samples(best[0], member_labels, best[1], other_labels, resamples, seed=seed)
    blocks = np.concatenate([member_labels, other_labels])
    if not np.intersect1d(member_labels, other_labels).size:
        blocks = np.zeros_like(blocks)
    test = _shuffled(np.concatenate(best), len(members), blocks, shuffles, seed)
    rates = estimates.get("tpr"), estimates.get("tpr_1000")
    return Membership(estimates["auc"], *rates, test, len(np.unique(member_labels)), *map(len, best))


def _shuffled(scores: np.ndarray, count: int, blocks: np.ndarray, shuffles: int, seed: int) -> ShuffleTest:
    """The AUC of the first `count` scores over the others, and with members drawn anew within each block."""
    ranks, blocks = pd.Series(scores).rank().to_numpy(), np.unique(blocks, return_inverse=True)[1]
    members = np.bincount(blocks[:count], minlength=blocks.max() + 1)
    sums = _rank_sums(ranks, blocks, members, shuffles, seed)
    others = len(scores) - count

    def auc(rank_sum):
        return (rank_sum - count * (count + 1) / 2) / (count * others)

    return against_null(float(auc(ranks[:count].sum())), auc(sums))


def _rank_sums(ranks: np.ndarray, blocks: np.ndarray, members: np.ndarray, shuffles: int, seed: int) -> np.ndarray:
    """Sum of the members' ranks, float64 `[B]`, with as many members as there are drawn anew within each block."""
    ordered = np.sort(blocks)
    # In block order, the first places of each block are its members'.
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen = place < members[ordered]
    random = np.random.default_rng(seed)
    return np.array([ranks[np.argsort(blocks + random.random(len(blocks)))][chosen].sum() for _ in range(shuffles)])
