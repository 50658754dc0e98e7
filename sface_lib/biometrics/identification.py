"""Identification: at which rank a probe finds its own identity in a gallery, and above which score in an open set."""

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.intervals import Estimate
from sface_lib.biometrics.rates import Counts, Scored, error_rate
from sface_lib.errors import InputError

FEWEST_SEARCHED = 4  # Identities of two images or more: two are then enrolled, and two are not.
BLOCK_SCORES = 4_000_000  # scores held at a time, 32 MB
# Rounding of a float64 dot product of unit vectors stays below this, so nearer scores are ties.
TIE = 1e-12


def cmc(
    probe: np.ndarray,
    probe_labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    max_rank: int,
    block_scores: int = BLOCK_SCORES,
) -> np.ndarray:
    """Return the share of probes whose own identity is among the k best gallery identities, k = 1..max_rank.

    Parameters
    ----------
    probe, gallery
        Embeddings [P, d] and [G, d], any float dtype; only their direction counts.
    probe_labels, gallery_labels
        Integer identities [P] and [G].
    max_rank
        Highest rank, at least 1; from rank K on, the number of gallery identities, the share is 1.
    block_scores
        Scores held at a time; the ranks do not depend on it.

    Returns
    -------
    float64 [max_rank], ascending, in [0, 1].

    Raises
    ------
    InputError
        Unusable embeddings or labels, embeddings that differ in width or cancel out, a `max_rank` below 1, or a probe
        whose identity is not in the gallery (closed set).

    Notes
    -----
    An identity's template is the mean of its unit embeddings, renormalised. Ties count against the probe.
    """
    max_rank = checks.integer("max_rank", max_rank, 1)
    probe_ranks = _own_ranks(probe, probe_labels, gallery, gallery_labels, block_scores)
    at_rank = np.bincount(np.minimum(probe_ranks, max_rank + 1), minlength=max_rank + 2)
    return np.cumsum(at_rank[1 : max_rank + 1]) / len(probe_ranks)


def cmc_estimates(
    probe: np.ndarray,
    probe_labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    max_rank: int,
) -> list[Estimate]:
    """The shares that `cmc` gives, each with its sampling variance over the probes' identities.

    The probes of one identity count together, as they are alike; the gallery is taken as given. See `error_rate`.
    """
    max_rank, labels = checks.integer("max_rank", max_rank, 1), np.asarray(probe_labels)
    rank = _own_ranks(probe, probe_labels, gallery, gallery_labels)
    return [error_rate(Counts.of_scores(rank > k, labels, labels)).complement for k in range(1, max_rank + 1)]


def _own_ranks(
    probe: np.ndarray,
    probe_labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    block_scores: int = BLOCK_SCORES,
) -> np.ndarray:
    """At which rank each probe finds its own identity, int64 `[P]`; see `cmc`."""
    probe, gallery = checks.embeddings("probe", probe), checks.embeddings("gallery", gallery)
    checks.same_width(probe=probe, gallery=gallery)
    probe_labels = checks.labels("probe_labels", probe_labels, len(probe))
    gallery_labels = checks.labels("gallery_labels", gallery_labels, len(gallery))
    identities, rows = templates(gallery, gallery_labels)
    absent = np.setdiff1d(probe_labels, identities)
    if absent.size:
        named = ", ".join(map(str, absent[:5])) + (", …" if absent.size > 5 else "")
        raise InputError(
            f"probe_labels holds {absent.size} identities that the gallery lacks ({named}); "
            "the set is closed: leave out their probes or add them to the gallery."
        )
    return _ranks(probe, rows, np.searchsorted(identities, probe_labels), block_scores)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def templates(embeddings: np.ndarray, labels: np.ndarray, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One template for each identity: the mean of its first `most` unit embeddings (None: of all), renormalised.

    Parameters
    ----------
    embeddings
        Any float dtype, `[N, d]`; only their direction counts.
    labels
        Integer identities `[N]`.

    Returns
    -------
    The identities, ascending [K], and their templates, float64 [K, d].

    Raises
    ------
    InputError
        Unusable embeddings or labels, or the embeddings of an identity cancel out.

    Examples
    --------
    >>> templates(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), np.array([0, 0, 1]))[1].round(3).tolist()
    [[0.707, 0.707], [1.0, 0.0]]
    """
    embeddings = checks.embeddings("embeddings", embeddings)
    labels = checks.labels("labels", labels, len(embeddings))
    order = np.argsort(labels, kind="stable")
    identities, first = np.unique(labels[order], return_index=True)
    rows = np.split(order, first[1:])
    means = np.stack([_unit(embeddings[row[:most]]).mean(axis=0) for row in rows])
    empty = np.flatnonzero(np.linalg.norm(means, axis=1) <= TIE)
    if empty.size:
        raise InputError(
            f"the embeddings of identity {identities[empty[0]]} cancel out, so it has no template; check them."
        )
    return identities, _unit(means)


def _ranks(probe: np.ndarray, templates: np.ndarray, own: np.ndarray, block_scores: int = BLOCK_SCORES) -> np.ndarray:
    """Return the rank of template `own[i]` for probe i, int64 [P], 1 the best, ties counting against it."""
    rank = np.empty(len(probe), dtype=np.int64)
    block = max(1, block_scores // len(templates))
    for start in range(0, len(probe), block):
        rows = slice(start, start + block)
        scores = _unit(probe[rows]) @ templates.T  # [block, K]
        own_score = np.take_along_axis(scores, own[rows, None], axis=1)
        rank[rows] = np.count_nonzero(scores >= own_score - TIE, axis=1)
    return rank


def open_set(embeddings: np.ndarray, labels: np.ndarray, seed: int) -> Scored:
    """Open-set identification: enrol a random half of the identities that have several images, and search for all.

    A random half of the images of an enrolled identity make its template, and its other images are mated probes; all
    images of the identities that are not enrolled are non-mated probes, with their best score. A mated probe has the
    score of its own template, or minus infinity where another's is as good: `Scored.at` gives 1 - TPIR at an FPIR.

    Parameters
    ----------
    embeddings
        Any float dtype, `[N, d]`; only their direction counts.
    labels
        Integer identities `[N]`.

    Raises
    ------
    InputError
        Unusable embeddings or labels, or fewer than four identities of two images or more.
    """
    embeddings = checks.embeddings("embeddings", embeddings)
    labels = checks.labels("labels", labels, len(embeddings))
    identities, counts = np.unique(labels, return_counts=True)
    with_several = identities[counts > 1]
    if len(with_several) < FEWEST_SEARCHED:
        raise InputError(
            f"{len(with_several)} identities have two images or more; an open set needs at least {FEWEST_SEARCHED} such"
        )
    random = np.random.default_rng(seed)
    mated = np.isin(labels, random.permutation(with_several)[: len(with_several) // 2])
    order = random.permutation(len(labels))
    grouped = order[np.argsort(labels[order], kind="stable")]
    place = np.empty(len(labels), np.int64)  # Of each image among those of its identity, in the random order.
    place[grouped] = np.arange(len(labels)) - np.searchsorted(labels[grouped], labels[grouped])
    enrolled, enrolled_templates = templates(embeddings[mated & (place % 2 == 0)], labels[mated & (place % 2 == 0)])
    probes = mated & (place % 2 == 1)
    own_template = np.searchsorted(enrolled, labels[probes])
    scores = np.einsum("pd,pd->p", _unit(embeddings[probes]), enrolled_templates[own_template])
    mated_scores = np.where(_ranks(embeddings[probes], enrolled_templates, own_template) == 1, scores, -np.inf)
    nonmated = labels[~mated]
    return Scored(mated_scores, labels[probes], _best(embeddings[~mated], enrolled_templates), nonmated, nonmated)


def _best(probe: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """Best score of each probe over all templates, with bounded memory."""
    block = max(1, BLOCK_SCORES // len(templates))
    return np.concatenate(
        [(_unit(part) @ templates.T).max(1) for part in np.split(probe, range(block, len(probe), block))]
    )
