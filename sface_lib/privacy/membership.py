"""Whether a set shows which images, or which persons, its generator was trained on."""

import dataclasses

import numpy as np
import pandas as pd

from sface_lib.biometrics import Estimate, bootstrap_samples
from sface_lib.privacy.chance import ShuffleTest, against_null
from sface_lib.privacy.stream import best_scores


@dataclasses.dataclass(frozen=True, eq=False)
class Membership:
    """How well members are told from others by their best score over a synthetic set.

    Attributes
    ----------
    auc
        Chance that a member scores higher, with draws of identities; 0.5 where nothing shows.
    tpr, tpr_1000
        Share of members above all but 1 % of the others, 0.1 % of them; None for fewer than 100, 30,000 others.
    test
        The AUC against its null: who is a member is shuffled among the images of each identity or, where members and
        others share none, among all.
    """

    auc: Estimate
    tpr: Estimate | None
    tpr_1000: Estimate | None
    test: ShuffleTest


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
    found = bootstrap_samples(best[0], member_labels, best[1], other_labels, resamples, seed=seed)
    blocks = np.concatenate([member_labels, other_labels])
    if not np.intersect1d(member_labels, other_labels).size:
        blocks = np.zeros_like(blocks)
    test = _shuffled(np.concatenate(best), len(members), blocks, shuffles, seed)
    return Membership(found["auc"], found.get("tpr"), found.get("tpr_1000"), test)


def _shuffled(scores: np.ndarray, count: int, blocks: np.ndarray, shuffles: int, seed: int) -> ShuffleTest:
    """The AUC of the first `count` scores over the others, and with members drawn anew within each block."""
    ranks, blocks = pd.Series(scores).rank().to_numpy(), np.unique(blocks, return_inverse=True)[1]
    members = np.bincount(blocks[:count], minlength=blocks.max() + 1)
    ordered = np.sort(blocks)
    # In block order, the first places of each block are its members'.
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen = place < members[ordered]
    random = np.random.default_rng(seed)
    sums = [ranks[np.argsort(blocks + random.random(len(blocks)))][chosen].sum() for _ in range(shuffles)]
    others = len(scores) - count

    def auc(rank_sum):
        return (rank_sum - count * (count + 1) / 2) / (count * others)

    return against_null(float(auc(ranks[:count].sum())), auc(np.array(sums)))
