"""How good a labelled synthetic set is, in numbers: alike in distribution, consistent, varied, and not copied.

Every number compares embeddings or predicted nuisances; images come in through a recognition model, never through a
downloaded Inception. Embeddings are float32 `[N, d]` of unit length, labels int64 `[N]`, all computed in float64.

Sources: kernel distance, Binkowski et al. (ICLR 2018); Fréchet distance, Heusel et al. (NeurIPS 2017); precision and
recall, Kynkäänniemi et al. (NeurIPS 2019).
"""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_chunked

from sface_lib.biometrics import Estimate, Interval, identity_weights, verification_metrics
from sface_lib.errors import InputError
from sface_lib.matching import best_scores

NEIGHBOURS = 3
BLOCK_ROWS, BLOCK_MIB = 2048, 64


def class_kernel_distance(
    a: np.ndarray,
    a_labels: np.ndarray,
    b: np.ndarray,
    b_labels: np.ndarray,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> tuple[float, Interval]:
    """Squared maximum mean discrepancy of two sets with the same labels, by class, and its identity bootstrap.

    The kernel is the cubic (1 + x·y)³; the published one divides x·y by the width because its features are not
    normalised, and unit embeddings need no such scale. Each pair of classes counts alike. The distance is 0 in
    expectation where both sets come from one distribution; it may come out slightly negative.

    Images of one class are alike, and an image has fewer partners of its class in its own set than in the other: the
    plain estimate of two equal sets would come out below zero. Here the kernel is averaged for each pair of classes
    first, within a set without pairs of an image with itself. One draw of weights serves both sets: a class with itself
    weighs w_i, classes i and j weigh w_i w_j.

    Classes of which a set has one image only are left out. `block_rows` images of `a` are compared at a time.

    Raises
    ------
    InputError
        The sets differ in their labels, or fewer than two classes have two images in both.
    """
    a, b = _pair(a, b)
    labels, counts = np.unique(a_labels, return_counts=True)
    others, other_counts = np.unique(b_labels, return_counts=True)
    if not np.array_equal(labels, others):
        raise InputError("the two sets differ in their labels; a distance by class needs the same ones in both")
    labels = labels[np.minimum(counts, other_counts) >= 2]
    if len(labels) < 2:
        raise InputError("fewer than two classes have two images in both sets; a distance by class needs them")
    first, second = (a, a_labels), (b, b_labels)
    within = [_kernel_blocks(*one, *one, labels, block_rows, own=True) for one in (first, second)]
    blocks = within[0] + within[1] - 2 * _kernel_blocks(*first, *second, labels, block_rows)
    weights = identity_weights(len(labels), resamples, seed)
    drawn = _weighted_share(blocks, np.ones_like(blocks), weights)
    estimate = Estimate.of_draws(float(blocks.mean()), drawn, len(labels), is_rate=False)
    return estimate.value, estimate.interval(level)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (1 + a @ b.T) ** 3


def _kernel_blocks(
    a: np.ndarray,
    a_labels: np.ndarray,
    b: np.ndarray,
    b_labels: np.ndarray,
    labels: np.ndarray,
    block_rows: int,
    own: bool = False,
) -> np.ndarray:
    """Mean of the kernel for each pair of classes, float64 `[K, K]`; `own` leaves out an image with itself."""
    member_a, member_b = ((given[:, None] == labels).astype(np.float64) for given in (a_labels, b_labels))
    sums = np.zeros((len(labels), len(labels)))
    for start in range(0, len(a), block_rows):
        rows = slice(start, start + block_rows)
        sums += member_a[rows].T @ (_kernel(a[rows], b) @ member_b)
    counts = np.outer(member_a.sum(0), member_b.sum(0))
    if own:
        sums -= np.diag(member_a.T @ (1 + (a * a).sum(1)) ** 3)
        counts -= np.diag(member_a.sum(0))
    return sums / counts


def _weighted_share(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the sums in the counts in each resample `[R]`; a class with itself weighs w_i, two classes w_i w_j."""

    def total(matrix: np.ndarray) -> np.ndarray:
        own = np.diag(matrix)
        return ((weights @ (matrix - np.diag(own))) * weights).sum(1) + weights @ own

    return total(sums) / total(counts)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of the same size; biased upward at small sizes.

    Raises
    ------
    InputError
        The sets differ in size, or have no more images than the embedding is wide.
    """
    a, b = _pair(a, b)
    if len(a) != len(b) or len(a) <= a.shape[1]:
        raise InputError(
            f"{len(a)} and {len(b)} embeddings of width {a.shape[1]}: a Fréchet distance needs equal numbers, "
            "more than the width"
        )
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def precision_recall(authentic: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Share of synthetic images within the authentic manifold, and of authentic ones within the synthetic one.

    A manifold is the union of balls around its images that reach to their third nearest neighbour.
    """
    authentic, synthetic = _pair(authentic, synthetic)
    return tuple(
        float(within_support(points, manifold, neighbours).mean())
        for points, manifold in ((synthetic, authentic), (authentic, synthetic))
    )


def within_support(points: np.ndarray, manifold: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Which points lie in a ball of the manifold, bool `[N]`; both `[N, d]` by Euclidean distance."""
    if len(manifold) <= neighbours:
        raise InputError(f"{len(manifold)} images have no {neighbours} neighbours each; give more")
    own = pairwise_distances_chunked(manifold, working_memory=BLOCK_MIB)
    radii = np.concatenate([np.partition(block, neighbours, 1)[:, neighbours] for block in own])
    distances = pairwise_distances_chunked(points, manifold, working_memory=BLOCK_MIB)
    return np.concatenate([(block <= radii).any(1) for block in distances])


def class_consistency(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean score of each class's pairs of different images, float64 `[K]`; NaN for a class of one image."""
    classes = pd.DataFrame(np.asarray(embeddings, np.float64)).groupby(labels)
    sums, counts = classes.sum().to_numpy(), classes.size().to_numpy()
    # Of one image the difference is not exactly 0, for its length is not exactly 1.
    return (np.square(sums).sum(1) - counts) / np.where(counts > 1, counts * (counts - 1), np.nan)


def class_spread(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Standard deviation of values `[N, m]` within each class, float64 `[K, m]` (ddof = 1); NaN for one image."""
    return pd.DataFrame(np.asarray(values, np.float64)).groupby(labels).std().to_numpy()


def pixel_spread(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Root mean squared distance of the pixels of two images of a class, in grey levels, float64 `[K]`.

    Images are uint8 `[N, 3, R, R]`, aligned; each is freed of its own mean level first, so that brightness is no
    variety.
    """
    spreads = []
    for label in np.unique(labels):
        flat = np.asarray(images)[np.asarray(labels) == label].reshape(np.sum(labels == label), -1).astype(np.float64)
        flat -= flat.mean(1, keepdims=True)
        spreads.append(np.sqrt(2 * flat.var(0, ddof=1).mean()) if len(flat) > 1 else np.nan)
    return np.array(spreads)


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """Whether training images can be told from held-out ones of the same identities by their best synthetic match.

    Attributes
    ----------
    auc
        Chance that a training image scores higher than a held-out one; 0.5 where nothing is memorised.
    interval
        Its identity-bootstrap interval.
    member_best, held_out_best
        Best score over the synthetic set of each training and each held-out image, float32 `[M]` each.
    """

    auc: float
    interval: Interval
    member_best: np.ndarray
    held_out_best: np.ndarray


def memorisation(
    synthetic: np.ndarray,
    members: np.ndarray,
    member_labels: np.ndarray,
    held_out: np.ndarray,
    held_out_labels: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
) -> Memorisation:
    """Compare training images and held-out images of the same identities by their best score over a synthetic set.

    Raises
    ------
    InputError
        The two authentic sets differ in identities, or in the number of images of one.
    """
    labels, counts = np.unique(member_labels, return_counts=True)
    if not all(
        np.array_equal(x, y)
        for x, y in zip((labels, counts), np.unique(held_out_labels, return_counts=True), strict=True)
    ):
        raise InputError("training and held-out images must be of the same identities, as many of each")
    best, other = (best_scores(x, synthetic) for x in (members, held_out))
    own, theirs = ((np.asarray(x)[:, None] == labels).astype(np.float64) for x in (member_labels, held_out_labels))
    wins = own.T @ ((best[:, None] > other) + 0.5 * (best[:, None] == other)) @ theirs
    weights = identity_weights(len(labels), resamples, seed)
    drawn = _weighted_share(wins, np.outer(counts, counts), weights)
    auc = verification_metrics(best, other).auc
    return Memorisation(auc, Estimate.of_draws(auc, drawn, len(labels)).interval(), best, other)


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise InputError(f"embeddings must be [N, d] of one width with N >= 2, got {a.shape} and {b.shape}")
    return a, b
