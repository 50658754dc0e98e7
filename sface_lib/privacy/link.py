"""The link between synthetic classes and authentic identities, by templates: with the names of labels and without."""

import dataclasses

import numpy as np

from sface_lib.biometrics import Estimate, bootstrap_mean, checks, templates
from sface_lib.biometrics.identification import BLOCK_SCORES, TIE
from sface_lib.errors import InputError
from sface_lib.privacy.chance import ShuffleTest, against_null

TEMPLATE_SIZES = (1, 2, 5, 10)


def equal_templates(*sets: tuple[np.ndarray, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Identities and templates of each set of embeddings `[N, d]` and labels `[N]`, all of as many images.

    That is as many as the identity with the fewest has: a mean of more images scores higher with anything.
    """
    most = min(int(np.unique(labels, return_counts=True)[1].min()) for _, labels in sets)
    return [templates(*part, most) for part in sets]


def best_label(probes: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Label of each probe's best-scoring gallery row, int64 `[P]`; -1 where the best belong to several labels.

    Parameters
    ----------
    probes, gallery
        Unit rows, float `[P, d]` and `[G, d]`.
    labels
        int `[G]`.
    """
    gallery = checks.embeddings("gallery", gallery).astype(np.float64)
    probes = checks.embeddings("probes", probes).astype(np.float64)
    matches, block = np.empty(len(probes), np.int64), max(1, BLOCK_SCORES // len(gallery))
    for start in range(0, len(probes), block):
        scores = probes[start : start + block] @ gallery.T
        best = scores.argmax(1)
        near = scores >= scores[np.arange(len(scores)), best][:, None] - TIE
        matches[start : start + block] = labels[best]
        for i in np.flatnonzero(near.sum(1) > 1):
            if len(np.unique(labels[near[i]])) > 1:
                matches[start + i] = -1
    return matches


@dataclasses.dataclass(frozen=True, eq=False)
class LabelFreeLink:
    """How much nearer synthetic classes come to the training identities than to as many unseen ones.

    Attributes
    ----------
    training, control
        Each class template's best score over the training and over the control identities, float64 `[K]`.
    test
        The share of classes that are nearer to a training identity, ties half, against random halves of all the
        identities: chance is about 0.5.
    estimate
        That share, with its bootstrap.
    """

    training: np.ndarray
    control: np.ndarray
    test: ShuffleTest
    estimate: Estimate


def label_free_link(
    classes: np.ndarray,
    training: np.ndarray,
    control: np.ndarray,
    shuffles: int,
    resamples: int,
    seed: int,
) -> LabelFreeLink:
    """Compare class templates with training identities and with as many of the same distribution that no generator saw.

    No label enters, so that renaming classes changes nothing. Were the training identities no nearer than others, any
    half of all the identities would do as well: that is the null. Templates of both galleries must be of equally many
    images, as a mean of more images scores higher with anything. The bootstrap draws classes, with both galleries as
    they are.

    Parameters
    ----------
    classes, training, control
        Unit templates, float `[K, d]`, `[T, d]` and `[T, d]`.

    Raises
    ------
    InputError
        Not as many control as training identities, or fewer than two of either.
    """
    if len(training) != len(control) or len(training) < 2 or not len(classes):
        raise InputError(
            f"{len(training)} training and {len(control)} control identities; give as many of both, at least two"
        )
    classes, training, control = (
        checks.embeddings(name, rows).astype(np.float64)
        for name, rows in (("classes", classes), ("training", training), ("control", control))
    )
    scores = classes @ training.T, classes @ control.T
    best = (each.max(1) for each in scores)
    return LabelFreeLink(*best, nearer_share(*scores, shuffles, seed), share_nearer(*scores, resamples, seed))


def share_nearer(training: np.ndarray, control: np.ndarray, resamples: int, seed: int) -> Estimate:
    """The share that `nearer_share` tests, with its bootstrap over classes."""
    return bootstrap_mean(_nearer(training, control), resamples, seed)


def _nearer(training: np.ndarray, control: np.ndarray) -> np.ndarray:
    """For each class 1 where its best score is over training persons, 0.5 where it is a tie, else 0."""
    best = training.max(1), control.max(1)
    return (best[0] > best[1]) + 0.5 * (best[0] == best[1])


def nearer_share(training: np.ndarray, control: np.ndarray, shuffles: int, seed: int) -> ShuffleTest:
    """The share of classes with a better best score over training than over control persons, ties half.

    Against random halves of all these persons: scores float `[K, T]` of each class with both.
    """
    scores, count = np.concatenate([training, control], axis=1), training.shape[1]
    # The better half of a class is the one that holds its best identity; of equally good ones, both may.
    rows, columns = np.nonzero(scores == scores.max(1, keepdims=True))
    starts, random = np.flatnonzero(np.diff(rows, prepend=-1)), np.random.default_rng(seed)
    null = np.empty(shuffles)
    for i in range(shuffles):
        first = (random.permutation(2 * count) < count)[columns].astype(np.float64)
        null[i] = (np.maximum.reduceat(first, starts) + np.minimum.reduceat(first, starts)).mean() / 2
    return against_null(float(_nearer(training, control).mean()), null)
