"""A remedy: leave out synthetic images that come too near to an identity of the training set.

What counts as too near is set by unseen persons: their images pass the same test at a chosen false match rate. The
filter's own view of what is left is flattered; only a verifier that neither filtered nor taught may judge it.
"""

import dataclasses

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.errors import InputError
from sface_lib.matching import best_scores


@dataclasses.dataclass(frozen=True, eq=False)
class Filtered:
    """What a filter keeps.

    Attributes
    ----------
    kept
        bool `[S]`: the synthetic images whose best score over the training identities is below the threshold.
    scores
        That best score of each, float32 `[S]`.
    threshold
        The score that at most `fmr` of one half of the unseen persons' images reach.
    fmr
        The chosen rate.
    tested_fmr
        The rate on the other half.
    """

    kept: np.ndarray
    scores: np.ndarray
    threshold: float
    fmr: float
    tested_fmr: float


def filter_synthetic(
    synthetic: np.ndarray,
    training_templates: np.ndarray,
    unseen: np.ndarray,
    unseen_identity: np.ndarray,
    fmr: float,
    seed: int = 0,
) -> Filtered:
    """Mark the synthetic images to keep.

    Parameters
    ----------
    synthetic
        Unit embeddings `[S, d]`.
    training_templates
        One of each training identity, `[T, d]`.
    unseen, unseen_identity
        Embeddings and identities of images that trained nothing, `[U, d]` and `[U]`; whole persons go to either half.
    fmr
        False match rate of the threshold, above 0 and below 1.
    seed
        Of the halves.

    Raises
    ------
    InputError
        A rate that the calibrating half cannot show.
    """
    unseen_identity = checks.labels("unseen_identity", unseen_identity, len(unseen))
    persons = np.random.default_rng(seed).permutation(np.unique(unseen_identity))
    first = np.isin(unseen_identity, persons[: len(persons) // 2])
    best = best_scores(unseen, training_templates)
    calibrating = best[first]
    if not 0 < fmr < 1 or len(calibrating) * fmr < 1:
        raise InputError(
            f"fmr = {fmr:g}: half of the unseen persons have {len(calibrating)} images, which calibrate rates from "
            f"{1 / max(1, len(calibrating)):.2g} to below 1"
        )
    threshold = _threshold_at(calibrating, fmr)
    scores = best_scores(synthetic, training_templates)
    return Filtered(scores < threshold, scores, threshold, fmr, float(np.mean(best[~first] >= threshold)))


def _threshold_at(impostors: np.ndarray, fmr: float) -> float:
    """The score that at most a share `fmr` of the given ones, float32 `[N]`, reach: just above the first too many."""
    return float(np.nextafter(np.sort(impostors)[::-1][int(len(impostors) * fmr)], np.float32(2)))
