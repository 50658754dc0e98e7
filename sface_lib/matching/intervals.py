"""Identity-bootstrap intervals of a comparison, pair by pair or with every identity counting alike."""

from collections.abc import Iterator

import numpy as np

from sface_lib.biometrics import Estimate, identity_weights
from sface_lib.biometrics.bootstrap import affordable_bins, as_estimates, bin_of, resampled_metrics, with_all
from sface_lib.biometrics.metrics import TARGETS
from sface_lib.errors import InputError
from sface_lib.matching.groups import group_codes
from sface_lib.matching.scores import PairScores, ScoreBlocks
from sface_lib.matching.stream import label_range

BINS = 1000


def bootstrap_comparison(
    comparison: PairScores, resamples: int, seed: int, per_identity: bool = False
) -> dict[str, Estimate]:
    """Identity-bootstrap intervals of a comparison's metrics.

    One draw of identities serves both sets: a genuine score of identity i weighs w_i, an impostor score of i and j
    w_i w_j.

    Parameters
    ----------
    comparison
        With all its scores, at most 1e8.
    resamples, seed
        Of the bootstrap.
    per_identity
        Every identity weighs alike in the genuine scores, and every pair of identities in the impostor scores, however
        many images they have. Otherwise every score does.

    Returns
    -------
    For "eer", "auc", "fmr100", "fmr1000" (where the impostors can show them), "genuine_mean" and "impostor_mean" the
    value, to the width of one of 1,000 bins between the lowest and the highest score, and its draws.

    Raises
    ------
    InputError
        The scores were only counted, or there are too few identities to resample.
    """
    blocks = comparison.blocks
    if blocks is None:
        raise InputError("intervals need all scores, at most 1e8; compare fewer images of each identity")
    identities = np.union1d(blocks.a_labels, blocks.b_labels)
    drawn = identity_weights(len(identities), resamples, seed)
    bins = affordable_bins(BINS, len(drawn), len(identities) ** 2)
    weights = with_all(drawn)
    both = comparison.genuine, comparison.impostor
    low, high = float(min(part.min() for part in both)), float(max(part.max() for part in both))
    own = np.searchsorted(identities, comparison.genuine_identity) * bins + bin_of(comparison.genuine, low, high, bins)
    genuine = np.bincount(own, minlength=len(identities) * bins).reshape(-1, bins)
    middles = low + (np.arange(bins) + 0.5) * (high - low) / bins
    values = resampled_metrics(
        [(weights, _levelled(genuine, per_identity))],
        _impostor_blocks(blocks, identities, weights, low, high, bins, per_identity),
        middles,
        middles,
    )
    shown = [name for name in values if comparison.impostor.size * TARGETS.get(name, 1) >= 1]
    return as_estimates({name: values[name] for name in shown}, len(identities))


def _impostor_blocks(
    blocks: ScoreBlocks, identities: np.ndarray, weights: np.ndarray, low: float, high: float, bins: int, levelled: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights and histograms of one identity's rows against the other identities, for each identity in turn."""
    columns, count = np.searchsorted(identities, blocks.b_labels), len(identities)
    codes = np.zeros(count) if blocks.groups is None else group_codes(identities, blocks.groups)
    for i, identity in enumerate(identities):
        # Within one set each pair of identities stands once, above the diagonal.
        first = i + 1 if blocks.within else 0
        others = (columns >= first) & (columns != i) & (codes[columns] == codes[i])
        rows = blocks.scores[label_range(blocks.a_labels, identity)][:, others]
        cells = (columns[others] - first) * bins + bin_of(rows, low, high, bins)
        histogram = np.bincount(cells.ravel(), minlength=(count - first) * bins).reshape(-1, bins)
        yield weights[:, first:] * weights[:, i : i + 1], _levelled(histogram, levelled)


def _levelled(histogram: np.ndarray, levelled: bool) -> np.ndarray:
    """Rows as they are, or each of one sum."""
    return histogram / np.maximum(histogram.sum(1, keepdims=True), 1) if levelled else histogram
