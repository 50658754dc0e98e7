"""Metrics of scores so many that the impostors are only counted in bins: estimates, and what the bins leave open."""

import dataclasses

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.curves import RocCurve, to_curve
from sface_lib.biometrics.metrics import VerificationMetrics, summarise
from sface_lib.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class BinnedImpostors:
    """Impostor scores counted in bins.

    Attributes
    ----------
    edges
        float64 [B + 1], ascending; bin i holds the scores from edge i up to edge i + 1.
    counts
        int64 [B].
    mean, sd
        Of the scores themselves, not of the bins.
    """

    edges: np.ndarray
    counts: np.ndarray
    mean: float
    sd: float


def binned_metrics(genuine: np.ndarray, impostors: BinnedImpostors) -> tuple[VerificationMetrics, dict]:
    """Metrics with every impostor at the middle of its bin, and the bracket of each that depends on the place.

    Parameters
    ----------
    genuine
        Scores [G], exact.
    impostors
        Counted scores.

    Returns
    -------
    The metrics, and for each of "eer", "fmr100", "fmr1000" and "auc" the (low, high) between which the metric of the
    scores themselves lies, None where the metric is. FNMR at an FMR and AUC are monotone in the impostor scores, so
    that the bins' two edges bound them. FMR and FNMR cross between their crossings at the two edges; the EER, a mean at
    the nearest threshold, is within half a step of either rate from there.

    Raises
    ------
    InputError
        Unusable genuine scores, no impostor, or edges that do not ascend.
    """
    genuine = checks.scores("genuine", genuine)
    if np.any(np.diff(impostors.edges) <= 0) or len(impostors.edges) != len(impostors.counts) + 1:
        raise InputError("the edges of the bins must ascend, one more than there are bins")
    if not impostors.counts.sum():
        raise InputError("the bins hold no impostor score; at least one is needed")
    moments = (float(genuine.mean()), float(genuine.std())), (impostors.mean, impostors.sd)
    low, high = impostors.edges[:-1], impostors.edges[1:]
    counted = [_accepted(genuine, places, impostors.counts) for places in ((low + high) / 2, low, high)]
    metrics, *ends = (summarise(counts, *moments) for counts in counted)
    brackets = {"eer": _crossing_bracket(genuine, impostors.counts, *(to_curve(*c) for c in counted[1:]))}
    for name in ("fmr100", "fmr1000", "auc"):
        values = [getattr(end, name) for end in ends]
        brackets[name] = None if None in values else (min(values), max(values))
    return metrics, brackets


def _crossing_bracket(genuine: np.ndarray, counts: np.ndarray, low: RocCurve, high: RocCurve) -> tuple[float, float]:
    """Bounds of the EER, from the curves with all impostors at the low and at the high edges of their bins."""
    largest_tie = np.unique(genuine, return_counts=True)[1].max() / genuine.size
    half_step = max(largest_tie, counts.max() / counts.sum()) / 2
    least, most = np.maximum(low.fmr, low.fnmr).min(), np.minimum(high.fmr, high.fnmr).max()
    return max(0.0, float(least - half_step)), min(1.0, float(most + half_step))


def binned_roc(genuine: np.ndarray, impostors: BinnedImpostors) -> RocCurve:
    """The curve with every impostor at the middle of its bin."""
    middles = (impostors.edges[:-1] + impostors.edges[1:]) / 2
    return to_curve(*_accepted(checks.scores("genuine", genuine), middles, impostors.counts))


def _accepted(genuine: np.ndarray, places: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `accepted_counts`, with `counts` impostors at each of the ascending `places`."""
    genuine, held = np.sort(genuine), counts > 0
    places, below = places[held], np.concatenate([[0], np.cumsum(counts[held])])
    threshold = np.append(np.unique(np.concatenate([genuine, places])), np.inf)[::-1]
    return (
        threshold,
        genuine.size - np.searchsorted(genuine, threshold, side="left"),
        below[-1] - below[np.searchsorted(places, threshold, side="left")],
    )
