"""Identity-bootstrap intervals of verification figures, fast enough for millions of scores.

Scores are binned once for each identity (genuine) or pair of identities (impostor); a resample is then a
weighted sum of those histograms, and all resamples together are matrix products.
"""

from collections.abc import Callable

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.intervals import Interval, identity_indices, identity_weights, percentile_interval
from sface_lib.errors import InputError

BLOCK_NUMBERS = 4_000_000  # numbers held at a time in a block of histograms or of weights, 32 MB each
MOST_PRODUCTS = 10**12  # resamples * identity pairs * bins, about a minute on two cores
FEWEST_BINS, MOST_BINS = 200, 10_000


def bootstrap_metrics(
    scores_genuine: np.ndarray,
    genuine_identity: np.ndarray,
    scores_impostor: np.ndarray,
    impostor_identity_a: np.ndarray,
    impostor_identity_b: np.ndarray,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    bins: int = 1000,
) -> dict[str, Interval]:
    """Return identity-bootstrap intervals of "eer", "auc", "genuine_mean" and "impostor_mean".

    Parameters
    ----------
    scores_genuine, scores_impostor
        Real scores [G] and [I].
    genuine_identity
        Integer identity [G] of each genuine score.
    impostor_identity_a, impostor_identity_b
        The two integer identities [I] of each impostor score, never equal. A label is one person in every
        array: where two sets are compared, one draw serves both.
    bins
        Equal steps from the lowest to the highest score, 200 to 10,000. Fewer are used, down to 200, when
        resamples * identity pairs * bins would exceed 1e12.

    Raises
    ------
    InputError
        Unusable arrays, an impostor score within one identity, too few identities to resample, or so many
        pairs that even 200 bins are too slow.

    Notes
    -----
    What binning costs, in each resample: scores in one bin tie, so AUC is off by at most half the chance
    that a genuine and an impostor share a bin. FMR and FNMR are exact at the bins' edges and linear
    between them, so EER is off by at most the larger of their steps in the bin where they cross. A bin
    stands for the mean of all scores in it, so means are off by less than a bin's width.
    """
    genuine = checks.scores("scores_genuine", scores_genuine)
    impostor = checks.scores("scores_impostor", scores_impostor)
    own, first, second, n_identities = identity_indices(
        [
            checks.labels("genuine_identity", genuine_identity, genuine.size),
            checks.labels("impostor_identity_a", impostor_identity_a, impostor.size),
            checks.labels("impostor_identity_b", impostor_identity_b, impostor.size),
        ]
    )
    _refuse_self_pairs(first, second)
    level = checks.share("level", level, one_allowed=False)
    weights = identity_weights(n_identities, resamples, seed)
    bins = _affordable_bins(bins, len(weights), min(impostor.size, n_identities * (n_identities - 1) // 2))

    low, high = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    genuine_bin, impostor_bin = (_bin_of(part, low, high, bins) for part in (genuine, impostor))
    pair = np.minimum(first, second) * n_identities + np.maximum(first, second)

    def pair_weights(codes: np.ndarray) -> np.ndarray:
        return weights[:, codes // n_identities] * weights[:, codes % n_identities]

    genuine_share = _resampled_shares(own, genuine_bin, bins, lambda codes: weights[:, codes])
    impostor_share = _resampled_shares(pair, impostor_bin, bins, pair_weights)
    values = {
        "eer": _equal_error(genuine_share, impostor_share),
        "auc": _area(genuine_share, impostor_share),
        "genuine_mean": genuine_share @ _bin_means(genuine, genuine_bin, bins),
        "impostor_mean": impostor_share @ _bin_means(impostor, impostor_bin, bins),
    }
    return {name: percentile_interval(value, level) for name, value in values.items()}


def _refuse_self_pairs(first: np.ndarray, second: np.ndarray) -> None:
    equal = np.flatnonzero(first == second)
    if equal.size:
        raise InputError(
            f"impostor_identity_a and impostor_identity_b are equal for {equal.size} score(s), the first at index "
            f"{equal[0]}; an impostor score joins two different identities."
        )


def _affordable_bins(bins: int, resamples: int, n_pairs: int) -> int:
    bins = checks.integer("bins", bins, FEWEST_BINS, MOST_BINS)
    affordable = MOST_PRODUCTS // (resamples * n_pairs)
    if affordable < FEWEST_BINS:
        raise InputError(
            f"{resamples} resamples of up to {n_pairs} identity pairs are too many, also with {FEWEST_BINS} bins; "
            f"keep their product below {MOST_PRODUCTS // FEWEST_BINS:.0e} by giving the scores of fewer "
            "identities, a random part of the impostor scores, or fewer resamples."
        )
    return min(bins, affordable)


def _bin_of(scores: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Return the bin of each score, int64 [N]; the highest score falls into the last bin."""
    if low == high:
        return np.zeros(scores.size, dtype=np.int64)
    return np.minimum(((scores - low) / (high - low) * bins).astype(np.int64), bins - 1)


def _bin_means(scores: np.ndarray, bin_of: np.ndarray, bins: int) -> np.ndarray:
    """Return the mean of all scores in each bin, float64 [bins], 0 in an empty one."""
    return np.bincount(bin_of, scores, bins) / np.maximum(np.bincount(bin_of, minlength=bins), 1)


def _resampled_shares(
    code: np.ndarray, bin_of: np.ndarray, bins: int, weights_of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the weighted share of scores in each bin, float64 [R, bins]; NaN rows where no weight is left.

    `code` [N] names the group (identity or pair of identities) of each score, and `weights_of` gives the
    weights [R, C] of C groups. Sorted by group, scores are taken a block of groups at a time.
    """
    key = np.sort(code * bins + bin_of)
    groups, starts = np.unique(key // bins, return_index=True)
    starts = np.append(starts, key.size)
    total = np.zeros((len(weights_of(groups[:1])), bins))
    block = max(1, BLOCK_NUMBERS // max(total.shape))
    for at in range(0, groups.size, block):
        codes = groups[at : at + block]
        sizes = np.diff(starts[at : at + codes.size + 1])
        cell = key[starts[at] : starts[at + codes.size]] - np.repeat(codes - np.arange(codes.size), sizes) * bins
        histogram = np.bincount(cell, minlength=codes.size * bins).reshape(codes.size, bins)
        total += weights_of(codes) @ histogram.astype(np.float64)
    mass = total.sum(axis=1, keepdims=True)
    return np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0)


def _equal_error(genuine_share: np.ndarray, impostor_share: np.ndarray) -> np.ndarray:
    """Return where FMR and FNMR cross, linear between the bins' edges, for each resample [R]."""
    fnmr = np.cumsum(genuine_share, axis=1)  # rejecting the bins up to and including this one
    fmr = 1 - np.cumsum(impostor_share, axis=1)
    at = np.argmax(fmr <= fnmr + 1e-12, axis=1)[:, None]  # the bin of the crossing; 1e-12 is above rounding
    fmr_step, fnmr_step = (np.take_along_axis(part, at, 1)[:, 0] for part in (impostor_share, genuine_share))
    fmr_before = np.take_along_axis(fmr, at, 1)[:, 0] + fmr_step
    fnmr_before = np.take_along_axis(fnmr, at, 1)[:, 0] - fnmr_step
    part = (fmr_before - fnmr_before) / (fmr_step + fnmr_step)
    return np.clip(fmr_before - part * fmr_step, 0, 1)  # rounding may step just outside


def _area(genuine_share: np.ndarray, impostor_share: np.ndarray) -> np.ndarray:
    """Return the chance that a genuine outscores an impostor, one bin a tie, for each resample [R]."""
    below = np.cumsum(impostor_share, axis=1) - impostor_share / 2
    return np.einsum("rb,rb->r", genuine_share, below)
