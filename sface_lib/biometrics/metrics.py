"""The table row of a verification experiment: error rates, operating points, separation."""

from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.curves import RocCurve, accepted_counts, decisive_counts, to_curve
from sface_lib.errors import InputError

# Below 30 expected errors a rate is known to about +-30 % at best (the rule of 30, ISO/IEC 19795-1).
ERRORS_FOR_PRECISION = 30
LARGEST_PRODUCT = 2**61
TARGETS = {"fmr100": 0.01, "fmr1000": 0.001}


@dataclass(frozen=True)
class VerificationMetrics:
    """Verification figures of one set of scores; a field that they can't support is None.

    Attributes
    ----------
    eer
        Mean of FMR and FNMR at the threshold where they are closest, in [0, 1].
    eer_threshold
        That threshold: one of the scores, or of the places that counted scores stand at.
    fmr100, fmr1000
        Lowest FNMR at which FMR is at most 1 %, 0.1 %.
    auc
        Chance that a genuine outscores an impostor, ties counting half.
    fdr
        (genuine_mean - impostor_mean)² / (genuine variance + impostor variance).
    d_prime
        abs(genuine_mean - impostor_mean) / sqrt(mean of the two variances).
    genuine_mean, genuine_sd, impostor_mean, impostor_sd
        In units of the score; standard deviations are of the set itself (ddof = 0).
    n_genuine, n_impostor
        Numbers of scores.
    reasons
        For each field that is None, why.
    imprecise
        For each field that rests on too few scores, why.
    """

    eer: float
    eer_threshold: float
    fmr100: float | None
    fmr1000: float | None
    auc: float
    fdr: float | None
    d_prime: float | None
    genuine_mean: float
    genuine_sd: float
    impostor_mean: float
    impostor_sd: float
    n_genuine: int
    n_impostor: int
    reasons: dict[str, str]
    imprecise: dict[str, str]


def verification_metrics(genuine: np.ndarray, impostor: np.ndarray) -> VerificationMetrics:
    """Summarise genuine scores [G] and impostor scores [I] (any real dtype, finite).

    Raises
    ------
    InputError
        Empty, non-finite or wrong-shape scores.

    Notes
    -----
    Thresholds are the scores themselves and one above them all. Where two of them bring FMR and FNMR
    equally close, the lower one is taken. Rates follow ISO/IEC 19795-1. The EER of FVC2000 (Maio et al., 2002), which
    PyEER gives, is that of both thresholds at the crossing whose FMR + FNMR is smaller, and so never larger.

    Examples
    --------
    >>> verification_metrics([0.9, 0.8], [0.1, 0.2]).eer
    0.0
    """
    genuine, impostor = checks.scores("genuine", genuine), checks.scores("impostor", impostor)
    return summarise(decisive_counts(genuine, impostor), _moments(genuine), _moments(impostor))


def summarise(
    counts: tuple[np.ndarray, np.ndarray, np.ndarray],
    genuine_moments: tuple[float, float],
    impostor_moments: tuple[float, float],
) -> VerificationMetrics:
    """Metrics of what `accepted_counts` gives, and of means and standard deviations."""
    n_genuine, n_impostor = int(counts[1][-1]), int(counts[2][-1])
    if n_genuine * n_impostor > LARGEST_PRODUCT:  # Beyond int64, rounding of float64 is far below any count.
        counts = (counts[0], counts[1].astype(np.float64), counts[2].astype(np.float64))
    eer, eer_threshold = _equal_error(*counts)
    points, reasons, imprecise = _operating_points(to_curve(*counts), n_impostor)
    (genuine_mean, genuine_sd), (impostor_mean, impostor_sd) = genuine_moments, impostor_moments
    fdr, d_prime = _separation(abs(genuine_mean - impostor_mean), float(np.hypot(genuine_sd, impostor_sd)))
    if fdr is None:
        reasons |= dict.fromkeys(("fdr", "d_prime"), "both variances are 0, or too small to divide by")
    return VerificationMetrics(
        eer=eer,
        eer_threshold=eer_threshold,
        **points,
        auc=_area(*counts[1:]),
        fdr=fdr,
        d_prime=d_prime,
        genuine_mean=genuine_mean,
        genuine_sd=genuine_sd,
        impostor_mean=impostor_mean,
        impostor_sd=impostor_sd,
        n_genuine=n_genuine,
        n_impostor=n_impostor,
        reasons=reasons,
        imprecise=imprecise,
    )


def fnmr_at_fmr(genuine: np.ndarray, impostor: np.ndarray, target: float) -> tuple[float, float]:
    """Return the lowest FNMR at which FMR is at most `target`, and the highest threshold that gives it.

    The threshold is infinity when any score would accept too many impostors (the FNMR is then 1).

    Raises
    ------
    InputError
        Unusable scores; a `target` outside (0, 1], or below 1 / I, which I impostors can't show.

    Examples
    --------
    >>> fnmr_at_fmr([0.9, 0.3], [0.1, 0.2, 0.4, 0.5], 0.25)
    (0.5, 0.9)
    """
    genuine, impostor = checks.scores("genuine", genuine), checks.scores("impostor", impostor)
    target = checks.share("target", target, one_allowed=True)
    if target < 1 / impostor.size:
        raise InputError(f"target is {target:g}, but {_too_few(target, impostor.size)}.")
    return _lowest_fnmr(to_curve(*accepted_counts(genuine, impostor)), target)


def _too_few(target: float, n_impostor: int) -> str:
    return f"{n_impostor} impostor scores cannot show an FMR of {target:g}; at least {1 / target:.0f} are needed"


def _lowest_fnmr(curve: RocCurve, target: float) -> tuple[float, float]:
    last = np.searchsorted(curve.fmr, target, side="right") - 1
    first = np.argmax(curve.fnmr == curve.fnmr[last])
    return float(curve.fnmr[first]), float(curve.threshold[first])


def _operating_points(curve: RocCurve, n_impostor: int) -> tuple[dict, dict, dict]:
    """Return FNMR at each of TARGETS, why it is None, and why it is imprecise."""
    points, reasons, imprecise = {}, {}, {}
    for name, target in TARGETS.items():
        if target < 1 / n_impostor:
            points[name], reasons[name] = None, _too_few(target, n_impostor)
            continue
        points[name] = _lowest_fnmr(curve, target)[0]
        needed = round(ERRORS_FOR_PRECISION / target)
        if n_impostor < needed:
            imprecise[name] = f"{n_impostor} impostor scores; {needed} make an FMR of {target:g} precise"
    return points, reasons, imprecise


def _equal_error(threshold: np.ndarray, accepted_genuine: np.ndarray, accepted_impostor: np.ndarray):
    """Return (EER, threshold); FMR - FNMR grows with every step down, so at most two thresholds tie."""
    n_genuine, n_impostor = int(accepted_genuine[-1]), int(accepted_impostor[-1])
    rejected = n_genuine - accepted_genuine
    distance = np.abs(accepted_impostor * n_genuine - rejected * n_impostor)
    at = distance.size - 1 - np.argmin(distance[::-1])
    eer = (accepted_impostor[at] / n_impostor + rejected[at] / n_genuine) / 2
    return float(eer), float(threshold[at])


def _area(accepted_genuine: np.ndarray, accepted_impostor: np.ndarray) -> float:
    """Return the Mann-Whitney statistic as a share; trapezia over whole counts are exact, ties half."""
    doubled = np.sum(np.diff(accepted_impostor) * (accepted_genuine[1:] + accepted_genuine[:-1]))
    return int(doubled) / (2 * int(accepted_genuine[-1]) * int(accepted_impostor[-1]))


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation; equal values have exactly none, whatever their sum rounds to."""
    if values.min() == values.max():
        return float(values[0]), 0.0
    return float(values.mean()), float(values.std())


def _separation(difference: float, root_sum: float) -> tuple[float | None, float | None]:
    """Return FDR and d' from the means' distance and the root of the summed variances."""
    if root_sum <= 1e-150 * difference or root_sum == 0:
        return None, None
    ratio = difference / root_sum
    return ratio * ratio, ratio * 2**0.5
