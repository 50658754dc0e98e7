"""Identity bootstrap of verification figures, fast enough for millions of scores.

Scores are binned once for each identity (genuine) or pair of identities (impostor); a resample is then a
weighted sum of those histograms, and all resamples together are matrix products.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.intervals import (
    Estimate,
    identity_indices,
    identity_weights,
)
from sface_lib.biometrics.metrics import fnmr_at_fmr, verification_metrics
from sface_lib.errors import InputError

BLOCK_NUMBERS = 4_000_000  # numbers held at a time in a block of histograms or of weights, 32 MB each
MOST_PRODUCTS = 10**12  # resamples * identity pairs * bins; this many take about a minute on two cores
FEWEST_BINS, MOST_BINS = 200, 10_000
MEAN_SCORES = ("genuine_mean", "impostor_mean")
# Estimate -> (metric of `resampled_metrics`, FPR): TPR at that FPR; it needs 1 / FPR others at least.
RATES = {"tpr": ("fmr100", 0.01), "tpr_1000": ("fmr1000", 0.001)}


def bootstrap_metrics(
    scores_genuine: np.ndarray,
    genuine_identity: np.ndarray,
    scores_impostor: np.ndarray,
    impostor_identity_a: np.ndarray,
    impostor_identity_b: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    bins: int = 1000,
    *,
    most_products: int = MOST_PRODUCTS,
    block_numbers: int = BLOCK_NUMBERS,
) -> dict[str, Estimate]:
    """Return "eer", "auc", "genuine_mean" and "impostor_mean" with their draws of identities.

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
        Number of equal bins from the lowest to the highest score, 200 to 10,000. Fewer are used, down to 200, when
        resamples * identity pairs * bins would exceed `most_products`.
    block_numbers
        Numbers held at a time; the figures do not depend on it.

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
    genuine, *genuine_code = _labelled("scores_genuine", scores_genuine, genuine_identity=genuine_identity)
    both = {"impostor_identity_a": impostor_identity_a, "impostor_identity_b": impostor_identity_b}
    impostor, *impostor_labels = _labelled("scores_impostor", scores_impostor, **both)
    genuine_code, first, second, n_identities = identity_indices([*genuine_code, *impostor_labels])
    _refuse_self_pairs(first, second)
    weights = with_all(identity_weights(n_identities, resamples, seed))
    n_pairs = min(impostor.size, n_identities * (n_identities - 1) // 2)
    bins = affordable_bins(bins, len(weights), n_pairs, most_products)

    low, high = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    genuine_bin, impostor_bin = (bin_of(part, low, high, bins) for part in (genuine, impostor))
    pair_code = np.minimum(first, second) * n_identities + np.maximum(first, second)

    def pair_weights(codes: np.ndarray) -> np.ndarray:
        return weights[:, codes // n_identities] * weights[:, codes % n_identities]

    genuine_blocks = _sorted_blocks(genuine_code, genuine_bin, bins, lambda codes: weights[:, codes], block_numbers)
    impostor_blocks = _sorted_blocks(pair_code, impostor_bin, bins, pair_weights, block_numbers)
    means = (_bin_means(part, place, bins) for part, place in ((genuine, genuine_bin), (impostor, impostor_bin)))
    values = resampled_metrics(genuine_blocks, impostor_blocks, *means)
    return as_estimates({name: values[name] for name in ("eer", "auc", *MEAN_SCORES)}, n_identities)


def with_all(weights: np.ndarray) -> np.ndarray:
    """Put a row of ones, the sample itself, before the weights of R resamples [R, K]: float64 [1 + R, K]."""
    return np.vstack([np.ones(weights.shape[1]), weights])


def as_estimates(values: Mapping[str, np.ndarray], identities: int) -> dict[str, Estimate]:
    """Estimates from float64 [1 + R]: that of the sample, then the draws; all but mean scores are rates."""
    return {
        name: Estimate.of_draws(float(draws[0]), draws[1:], identities, is_rate=name not in MEAN_SCORES)
        for name, draws in values.items()
    }


def bootstrap_samples(
    members: np.ndarray,
    member_identity: np.ndarray,
    others: np.ndarray,
    other_identity: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    bins: int = 1000,
) -> dict[str, Estimate]:
    """How far members score above others: "auc", and TPR at an FPR of 1 %, "tpr", and of 0.1 %, "tpr_1000".

    A TPR is left out where there are fewer than 100, or 1,000, others. Each score belongs to one identity, and a draw
    weighs all of an identity's scores alike, whichever side they are on. Intervals are for the identities of the side
    that has fewer: where members and others are different persons, each side's rate rests on its own.

    Parameters
    ----------
    members, others
        Real scores [M] and [N].
    member_identity, other_identity
        Integer identity of each; a label is one person on both sides.
    bins
        Number of equal bins from the lowest to the highest score; only the intervals depend on them.

    Raises
    ------
    InputError
        Unusable arrays, or too few identities to resample.
    """
    members, labels = _labelled("members", members, member_identity=member_identity)
    others, other_labels = _labelled("others", others, other_identity=other_identity)
    member_code, other_code, count = identity_indices([labels, other_labels])
    auc = verification_metrics(members, others).auc
    weights = identity_weights(count, resamples, seed)
    low, high = min(members.min(), others.min()), max(members.max(), others.max())
    cells = [
        code * bins + bin_of(part, low, high, bins) for code, part in ((member_code, members), (other_code, others))
    ]
    histograms = [np.bincount(cell, minlength=count * bins).reshape(count, bins) for cell in cells]
    drawn = resampled_metrics(*([(weights, histogram)] for histogram in histograms), np.zeros(bins), np.zeros(bins))
    figures = {"auc": (auc, drawn["auc"])}
    for name, (metric, rate) in RATES.items():
        if others.size * rate >= 1:
            figures[name] = (1 - fnmr_at_fmr(members, others, rate)[0], 1 - drawn[metric])
    fewest_identities = min(len(np.unique(member_code)), len(np.unique(other_code)))
    return {name: Estimate.of_draws(float(value), draws, fewest_identities) for name, (value, draws) in figures.items()}


def resampled_metrics(
    genuine: Iterable[tuple[np.ndarray, np.ndarray]],
    impostor: Iterable[tuple[np.ndarray, np.ndarray]],
    genuine_means: np.ndarray,
    impostor_means: np.ndarray,
) -> dict[str, np.ndarray]:
    """Metrics of every resample, float64 [R] each, NaN where it lacks genuine or impostor scores.

    Parameters
    ----------
    genuine, impostor
        Blocks of (weights [R, C], histogram [C, bins]): how much each of C groups weighs in each resample, and where
        its scores lie. Bins ascend and are the same for all.
    genuine_means, impostor_means
        Mean score in each bin [bins].

    Returns
    -------
    "eer", "auc", "fmr100", "fmr1000" (FNMR at an FMR of 1 %, 0.1 %), "genuine_mean" and "impostor_mean".
    """
    genuine_share, impostor_share = _shares(genuine, len(genuine_means)), _shares(impostor, len(impostor_means))
    return {
        "eer": _equal_error(genuine_share, impostor_share),
        "auc": _area(genuine_share, impostor_share),
        "fmr100": _fnmr_at(genuine_share, impostor_share, 0.01),
        "fmr1000": _fnmr_at(genuine_share, impostor_share, 0.001),
        "genuine_mean": genuine_share @ genuine_means,
        "impostor_mean": impostor_share @ impostor_means,
    }


def _labelled(name: str, scores: np.ndarray, **identities: np.ndarray) -> tuple[np.ndarray, ...]:
    """Checked scores, float64 `[N]`, and the identities behind them, int64 `[N]` each."""
    scores = checks.scores(name, scores)
    return scores, *(checks.labels(side, labels, scores.size) for side, labels in identities.items())


def _refuse_self_pairs(first: np.ndarray, second: np.ndarray) -> None:
    equal = np.flatnonzero(first == second)
    if equal.size:
        raise InputError(
            f"impostor_identity_a and impostor_identity_b are equal for {equal.size} score(s), the first at index "
            f"{equal[0]}; an impostor score joins two different identities."
        )


def affordable_bins(bins: int, resamples: int, n_pairs: int, most_products: int = MOST_PRODUCTS) -> int:
    """`bins`, or as many as `most_products` allow; raises `InputError` where that is fewer than 200."""
    bins = checks.integer("bins", bins, FEWEST_BINS, MOST_BINS)
    affordable = most_products // (resamples * n_pairs)
    if affordable < FEWEST_BINS:
        raise InputError(
            f"{resamples} resamples of up to {n_pairs} identity pairs are too many, also with {FEWEST_BINS} bins; "
            f"keep their product below {most_products // FEWEST_BINS:.0e} by giving the scores of fewer "
            "identities, a random part of the impostor scores, or fewer resamples."
        )
    return min(bins, affordable)


def bin_of(scores: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Return which of equal bins from `low` to `high` each score is in, int64; the highest is in the last."""
    if low == high:
        return np.zeros(scores.shape, dtype=np.int64)
    return np.minimum(((scores - low) / (high - low) * bins).astype(np.int64), bins - 1)


def _bin_means(scores: np.ndarray, bin_of: np.ndarray, bins: int) -> np.ndarray:
    """Return the mean of all scores in each bin, float64 [bins], 0 in an empty one."""
    return np.bincount(bin_of, scores, bins) / np.maximum(np.bincount(bin_of, minlength=bins), 1)


def _sorted_blocks(
    code: np.ndarray,
    bin_of: np.ndarray,
    bins: int,
    weights_of: Callable[[np.ndarray], np.ndarray],
    block_numbers: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights [R, C] and histograms [C, bins] of groups of scores, a block of groups at a time.

    `code` [N] names the group (identity or pair of identities) of each score, and `weights_of` gives the weights of
    groups.
    """
    key = np.sort(code * bins + bin_of)
    groups, starts = np.unique(key // bins, return_index=True)
    starts = np.append(starts, key.size)
    block = max(1, block_numbers // max(len(weights_of(groups[:1])), bins))
    for start in range(0, groups.size, block):
        codes = groups[start : start + block]
        sizes = np.diff(starts[start : start + codes.size + 1])
        cell = key[starts[start] : starts[start + codes.size]] - np.repeat(codes - np.arange(codes.size), sizes) * bins
        yield weights_of(codes), np.bincount(cell, minlength=codes.size * bins).reshape(codes.size, bins)


def _shares(blocks: Iterable[tuple[np.ndarray, np.ndarray]], bins: int) -> np.ndarray:
    """Return the weighted share of scores in each bin, float64 [R, bins]; NaN rows where no weight is left."""
    total = np.zeros((1, bins))
    for weights, histogram in blocks:
        # Counts below 2**24 are exact in float32; above, the rounding error is far below the width of a bin.
        total = total + weights.astype(np.float32) @ histogram.astype(np.float32)
    mass = total.sum(axis=1, keepdims=True)
    return np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0)


def _fnmr_at(genuine_share: np.ndarray, impostor_share: np.ndarray, target: float) -> np.ndarray:
    """Return FNMR where FMR is `target`, linear between the bins' edges, for each resample [R]."""
    fmr = np.cumsum(impostor_share[:, ::-1], axis=1)  # accepting the bins from the last down to this one
    tmr = np.cumsum(genuine_share[:, ::-1], axis=1)
    at = np.argmax(fmr > target, axis=1)[:, None]
    fmr_step, tmr_step = (np.take_along_axis(part[:, ::-1], at, 1)[:, 0] for part in (impostor_share, genuine_share))
    fraction = (target - np.take_along_axis(fmr, at, 1)[:, 0] + fmr_step) / fmr_step  # Of the bin, accepted.
    return 1 - np.take_along_axis(tmr, at, 1)[:, 0] + (1 - fraction) * tmr_step


def _equal_error(genuine_share: np.ndarray, impostor_share: np.ndarray) -> np.ndarray:
    """Return where FMR and FNMR cross, linear between the bins' edges, for each resample [R]."""
    fnmr = np.cumsum(genuine_share, axis=1)  # rejecting the bins up to and including this one
    fmr = 1 - np.cumsum(impostor_share, axis=1)
    at = np.argmax(fmr <= fnmr + 1e-12, axis=1)[:, None]  # the bin of the crossing; 1e-12 is above rounding
    fmr_step, fnmr_step = (np.take_along_axis(part, at, 1)[:, 0] for part in (impostor_share, genuine_share))
    fmr_before = np.take_along_axis(fmr, at, 1)[:, 0] + fmr_step
    fnmr_before = np.take_along_axis(fnmr, at, 1)[:, 0] - fnmr_step
    fraction = (fmr_before - fnmr_before) / (fmr_step + fnmr_step)  # Of the bin, rejected.
    return np.clip(fmr_before - fraction * fmr_step, 0, 1)  # rounding may step just outside


def _area(genuine_share: np.ndarray, impostor_share: np.ndarray) -> np.ndarray:
    """Return the chance that a genuine outscores an impostor, one bin a tie, for each resample [R]."""
    below = np.cumsum(impostor_share, axis=1) - impostor_share / 2
    return np.einsum("rb,rb->r", genuine_share, below)
