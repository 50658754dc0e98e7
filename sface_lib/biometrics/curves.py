"""Error rates at every threshold that a set of scores can tell apart: the ROC and DET curves."""

from dataclasses import dataclass

import numpy as np

from sface_lib.biometrics import checks


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Error rates by descending threshold; the ROC shows `tmr` over `fmr`, the DET `fnmr` over `fmr`.

    Attributes
    ----------
    threshold
        float64 [T], descending, first infinity (nothing is accepted), then each distinct score.
    fmr
        float64 [T] in [0, 1], ascending from 0 to 1: share of impostors accepted.
    fnmr
        float64 [T] in [0, 1], descending from 1 to 0: share of genuines rejected.
    """

    threshold: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray

    @property
    def tmr(self) -> np.ndarray:
        """Share of genuines accepted, 1 - `fnmr`: float64 [T]."""
        return 1 - self.fnmr

    def thin(self, n: int) -> "RocCurve":
        """Return at most `n` of the points, for plotting, both ends among them.

        They are spread along the curve as it looks on linear axes and on a logarithmic FMR axis.
        """
        n = checks.integer("n", n, 2)
        if n >= self.threshold.size:
            return self
        floor = self.fmr[self.fmr > 0][0] / 2
        decades = np.log10(np.maximum(self.fmr, floor))
        steps = np.diff(self.fmr) - np.diff(self.fnmr) + np.diff(decades) / -decades[0]
        travelled = np.concatenate([[0.0], np.cumsum(steps)])
        kept = np.searchsorted(travelled, np.linspace(0, travelled[-1], n))
        kept = np.unique(np.minimum(kept, self.threshold.size - 1))
        return RocCurve(self.threshold[kept], self.fmr[kept], self.fnmr[kept])


def roc(genuine: np.ndarray, impostor: np.ndarray) -> RocCurve:
    """Return FMR and FNMR at each distinct score and above all of them.

    Parameters
    ----------
    genuine, impostor
        Scores [G] and [I], any real dtype, finite.

    Raises
    ------
    InputError
        Empty, non-finite or wrong-shape scores.

    Notes
    -----
    FMR and FNMR are those of ISO/IEC 19795-1; a pair is accepted when ``score >= threshold``.

    Examples
    --------
    >>> roc([0.9, 0.5], [0.5, 0.1]).fmr.tolist()  # at inf, 0.9, 0.5, 0.1
    [0.0, 0.0, 0.5, 1.0]
    """
    return to_curve(*accepted_counts(checks.scores("genuine", genuine), checks.scores("impostor", impostor)))


def accepted_counts(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return descending thresholds [T] and how many genuines and impostors each accepts, int64 [T].

    Counts are whole numbers, so that what is compared or summed from them is exact.
    """
    genuine, impostor = np.sort(genuine), np.sort(impostor)
    # A stable sort merges the two sorted halves in linear time.
    merged = np.sort(np.concatenate([genuine, impostor]), kind="stable")
    distinct = merged[np.append(np.diff(merged) > 0, True)]
    threshold = np.append(distinct, np.inf)[::-1]
    return (
        threshold,
        genuine.size - np.searchsorted(genuine, threshold, side="left"),
        impostor.size - np.searchsorted(impostor, threshold, side="left"),
    )


def decisive_counts(genuine: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of `accepted_counts` that areas, operating points and the EER depend on, at a fraction of the work.

    Between two genuine scores FNMR stays as it is while FMR grows: such thresholds change no area and no FNMR at a
    FMR. Of them are kept the last above each genuine score, and the two where FMR passes FNMR.
    """
    single = [part.astype(np.float32) for part in (genuine, impostor)]
    if np.array_equal(single[0], genuine) and np.array_equal(single[1], impostor):
        genuine, impostor = single  # They were of single precision, which sorts in half the time.
    genuine, impostor = np.sort(genuine), np.sort(impostor)
    own = np.unique(genuine)[::-1]

    def counts(threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(part.size - np.searchsorted(part, threshold, side="left") for part in (genuine, impostor))

    accepted, accepted_impostor = counts(own)
    # In float64: a crossing that rounding misses by one threshold is among the neighbours that are kept.
    crossed = accepted_impostor * float(genuine.size) >= (genuine.size - accepted) * float(impostor.size)
    at = int(np.argmax(crossed))
    above = np.searchsorted(impostor, own, side="right")
    kept = [own, impostor[above[above < impostor.size]], [min(genuine[0], impostor[0])]]
    for step in (at - 1, at, at + 1):
        rejected = genuine.size - (accepted[step - 1] if 0 < step <= own.size else 0)
        wanted = min(impostor.size, int(np.ceil(rejected * impostor.size / genuine.size)))
        if 0 <= step <= own.size and wanted > 0:
            value = impostor[impostor.size - wanted]
            above = np.searchsorted(impostor, value, side="right")
            kept.append(impostor[above - 1 : above + 1])
    threshold = np.append(np.unique(np.concatenate(kept)).astype(np.float64), np.inf)[::-1]
    return (threshold, *counts(threshold))


def to_curve(threshold: np.ndarray, accepted_genuine: np.ndarray, accepted_impostor: np.ndarray) -> RocCurve:
    """Divide the counts of `accepted_counts` by their totals, which stand at the lowest threshold."""
    n_genuine, n_impostor = accepted_genuine[-1], accepted_impostor[-1]
    return RocCurve(threshold, accepted_impostor / n_impostor, (n_genuine - accepted_genuine) / n_genuine)
