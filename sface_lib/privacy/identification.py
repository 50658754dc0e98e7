"""Identification of synthetic images among authentic identities: closed set, open set, and by images per template."""

import dataclasses

import numpy as np
import pandas as pd

from sface_lib.biometrics import Counts, Estimate, Interval, Scored, cmc_estimates, error_rate, templates
from sface_lib.errors import InputError
from sface_lib.matching import Pairs, best_scores, bootstrap_comparison, compare_sets
from sface_lib.privacy.chance import Tested, hit_table, shuffle_test
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.link import best_label, share_nearer

OPEN_SET_FPIR = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class OpenSet:
    """Synthetic probes and those of unseen persons, searched among the templates of authentic identities.

    Attributes
    ----------
    own
        Mated scores are those of synthetic probes with the template of their own label where it is the best, else minus
        infinity; meaningless where labels are not those of authentic identities.
    anyone
        Mated scores are the best ones of the synthetic probes, whichever template they are with.
    """

    own: Scored
    anyone: Scored


def ranks(
    probes: np.ndarray, probe_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray, max_rank: int
) -> list[Estimate]:
    """The share of probes found within each rank, `cmc_estimates`, of those whose label the gallery has."""
    mine, identities = np.isin(probe_labels, gallery_labels), len(np.unique(gallery_labels))
    return cmc_estimates(probes[mine], probe_labels[mine], gallery, gallery_labels, min(max_rank, identities))


def open_set(
    synthetic: np.ndarray,
    labels: np.ndarray,
    authentic: np.ndarray,
    authentic_labels: np.ndarray,
    unseen: np.ndarray,
    unseen_labels: np.ndarray,
) -> OpenSet:
    """Rank-1 identification of synthetic probes above a threshold that unseen persons set: TPIR at an FPIR.

    Parameters
    ----------
    synthetic, labels
        Mated probes, unit embeddings, float `[S, d]`, and their class labels, int `[S]`.
    authentic, authentic_labels
        Embeddings, float `[A, d]`, and labels, int `[A]`, of which a template for each identity is enrolled.
    unseen, unseen_labels
        Non-mated probes, float `[U, d]` with U >= 100, of persons who are not enrolled, and their labels, int `[U]`.

    Raises
    ------
    InputError
        Fewer than 100 unseen probes.
    """
    if len(unseen) * OPEN_SET_FPIR < 1:
        raise InputError(f"{len(unseen)} probes of unseen persons cannot show an FPIR of 1 %; at least 100 are needed")
    identities, gallery = templates(authentic, authentic_labels)
    unseen_searches = best_scores(unseen, gallery), unseen_labels, unseen_labels
    best = best_scores(synthetic, gallery)
    own_scores = np.where(best_label(synthetic, gallery, identities) == labels, best, -np.inf)
    return OpenSet(Scored(own_scores, labels, *unseen_searches), Scored(best, labels, *unseen_searches))


def nearest_label(
    probes: np.ndarray,
    probe_labels: np.ndarray,
    others: np.ndarray,
    other_labels: np.ndarray,
    shuffles: int,
    resamples: int,
    seed: int,
    groups: pd.Series | None = None,
) -> Tested:
    """The share of images whose nearest image of the other set carries their label; a tie between labels is no hit.

    With `groups`, the group of each label, labels are shuffled within groups only, and identities that are alone in
    their group are left out. Where `others` are templates, one for each identity, this is rank-1 identification.

    Parameters
    ----------
    probes, others
        Unit embeddings, float `[P, d]` and `[O, d]`.
    probe_labels, other_labels
        int `[P]` and `[O]`.

    Raises
    ------
    InputError
        Unusable embeddings, or fewer than two labels that both have.
    """
    classes = exchangeable(np.intersect1d(probe_labels, other_labels), groups)
    table = hit_table(probe_labels, best_label(probes, others, other_labels), classes)
    test, searches = shuffle_test(table, shuffles, seed, groups), int(table.counts.diagonal().sum())
    return Tested(table.bootstrap(resamples, seed), test, searches)


def rank_1(
    probes: np.ndarray,
    probe_labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    *tested,
    groups: pd.Series | None = None,
) -> Tested:
    """Rank-1 identification among templates of the gallery's identities: see `nearest_label`.

    `tested` are its `shuffles`, `resamples` and `seed`. Raises `InputError` as it does.
    """
    identities, rows = templates(gallery, gallery_labels)
    return nearest_label(probes, probe_labels, rows, identities, *tested, groups)


def aggregation(
    synthetic: np.ndarray,
    labels: np.ndarray,
    authentic: np.ndarray,
    authentic_labels: np.ndarray,
    galleries,
    sizes: tuple[int, ...],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Both links of templates of so many images a class, with 95 % intervals over identities.

    Columns: "measure" ("AUC", "rank 1" and, with galleries, "label-free share"), "images", "value", "95 % low" and
    "95 % high".

    Parameters
    ----------
    galleries
        Templates of training persons and of as many unseen persons, all of equally many images, float `[T, d]` each;
        None without unseen persons.
    sizes
        Most images in a synthetic template; sizes from that of the largest class on are replaced by that size.
    """
    identities, gallery = templates(authentic, authentic_labels)
    largest_class = int(np.unique(labels, return_counts=True)[1].max())
    rows = []
    for size in [*(size for size in sizes if size < largest_class), largest_class]:
        classes, probes = templates(synthetic, labels, size)
        link = compare_sets(gallery, identities, probes, classes)
        auc = bootstrap_comparison(link, resamples, seed)["auc"]
        estimates = {
            "AUC": dataclasses.replace(auc, value=link.metrics().auc),
            "rank 1": ranks(probes, classes, gallery, identities, 1)[0],
        }
        if galleries is not None:
            estimates["label-free share"] = share_nearer(*(probes @ each.T for each in galleries), resamples, seed)
        rows += [{"measure": name, "images": size} | estimate_row(each) for name, each in estimates.items()]
    return pd.DataFrame(rows)


def tail(
    pairs: Pairs, owners: np.ndarray, classes: np.ndarray, sizes: tuple[int, ...] = (10, 100, 1000)
) -> pd.DataFrame:
    """Share of equal labels among the strongest pairs of all, down to which score they reach.

    With 95 % intervals over identities, which take that score as given. `owners` and `classes` are the labels of the
    rows of the pairs' two sets.
    """
    left, right = owners[pairs.a_rows], classes[pairs.b_rows]
    rows = []
    for size in sizes:
        if size <= len(pairs.scores):
            other = Counts.of_scores(~pairs.same_label[:size], left[:size], right[:size])
            row = {"strongest pairs": size, "subjects": other.subjects, "lowest score": float(pairs.scores[size - 1])}
            share = estimate_row(error_rate(other).complement)
            rows.append(row | {"same label": share.pop("value")} | share)
    return pd.DataFrame(rows)


def estimate_row(estimate: Estimate) -> dict[str, float]:
    """Columns of a figure with its 95 % interval, which one identity alone does not give."""
    span = estimate.interval() if estimate.identities > 1 else Interval(np.nan, np.nan, 0.95)
    return {"value": estimate.value, "95 % low": span.low, "95 % high": span.high}


def by_score(genuine: np.ndarray, impostor: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    """Share of equal labels among the pairs in each bin of the score.

    Columns: "from", "to", "pairs", "genuine", and "same label", 0 to 1, NaN in an empty bin. `genuine` and `impostor`
    are scores, float `[G]` and `[I]`; `edges` those of the bins, ascending, `[B + 1]`.
    """
    own, other = np.histogram(genuine, edges)[0], np.histogram(impostor, edges)[0]
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "pairs": own + other, "genuine": own})
    table["same label"] = np.divide(own, own + other, out=np.full(len(own), np.nan), where=own + other > 0)
    return table
