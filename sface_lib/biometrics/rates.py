"""Error rates as they are to be reported: of how many comparisons and subjects, how sure, and what these can show.

Intervals are over identities (`biometrics.accuracy`). The rule of 30: a rate is known to some 30 % where 30 errors are
behind it, of 30 subjects. The rule of 3: of n comparisons without an error the rate is below 3 / n in 95 % of cases.
Source: Mansfield and Wayman, "Best Practices in Testing and Reporting Performance of Biometric Devices" (2002).
"""

import abc
import dataclasses
import functools

import numpy as np

from sface_lib.biometrics import checks
from sface_lib.biometrics.accuracy import PairMean
from sface_lib.biometrics.intervals import Estimate, Interval, small_codes
from sface_lib.biometrics.metrics import ERRORS_FOR_PRECISION
from sface_lib.errors import InputError

RESOLVED = 3  # Of n comparisons, rates from this many over n on are drawn.


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Errors among comparisons, by couple of identities.

    Attributes
    ----------
    errors, comparisons
        int64 `[C]`.
    left, right
        Identities of the couple, int64 `[C]`; equal where both faces are one person's.
    distinct
        Whether every couple stands in one row.
    """

    errors: np.ndarray
    comparisons: np.ndarray
    left: np.ndarray
    right: np.ndarray
    distinct: bool = False

    @classmethod
    def of_scores(cls, wrong: np.ndarray, left: np.ndarray, right: np.ndarray) -> "Counts":
        """Of comparisons one by one: bool `[C]` whether each errs."""
        return cls(np.asarray(wrong, np.int64), np.ones(len(wrong), np.int64), np.asarray(left), np.asarray(right))

    def only(self, chosen: np.ndarray) -> "Counts":
        """Those of some rows, bool `[C]`."""
        columns = (self.errors, self.comparisons, self.left, self.right)
        return Counts(*(column[chosen] for column in columns), self.distinct)

    @property
    def rate(self) -> float:
        """Share of the comparisons that err; raises `InputError` where there is none."""
        comparisons = int(self.comparisons.sum())
        if not comparisons:
            raise InputError("there is no comparison, and so no rate; give at least one")
        return float(self.errors.sum() / comparisons)

    @property
    def parts(self) -> np.ndarray:
        """What each couple adds to the error of the rate, float64 `[C]`."""
        return (self.errors - self.rate * self.comparisons) / self.comparisons.sum()

    @property
    def subjects(self) -> int:
        """How many identities are compared."""
        first, second, count = small_codes(self.left, self.right)
        return int(np.count_nonzero(np.bincount(first, minlength=count) + np.bincount(second, minlength=count)))

    @property
    def erring_subjects(self) -> int:
        """How many of them have an error."""
        wrong = self.errors > 0
        return len(np.union1d(self.left[wrong], self.right[wrong]))

    @property
    def too_few(self) -> str | None:
        """How this breaks the rule of 30; None where it doesn't."""
        errors, subjects = int(self.errors.sum()), self.erring_subjects
        return None if min(errors, subjects) >= ERRORS_FOR_PRECISION else f"{errors:,} errors of {subjects:,} subjects"


@dataclasses.dataclass(frozen=True, eq=False)
class ErrorRate:
    """A rate, with what it rests on.

    Attributes
    ----------
    estimate
        The rate and its variance, which holds that of the threshold where that was found on the same sample.
    comparisons, subjects
        How many there are.
    too_few
        How the rule of 30 is broken, by its own errors or by those that set its threshold; empty where it isn't.
    """

    estimate: Estimate
    comparisons: int
    subjects: int
    too_few: tuple[str, ...]

    @property
    def value(self) -> float:
        """The rate."""
        return self.estimate.value

    @property
    def interval(self) -> Interval:
        """Its 95 % interval over identities."""
        return self.estimate.interval()

    @property
    def complement(self) -> Estimate:
        """One minus the rate, such as TMR of FNMR, or TPIR."""
        return dataclasses.replace(self.estimate, value=1 - self.estimate.value)

    @property
    def imprecise(self) -> str | None:
        """Why it is not precise, as a sentence without a full stop; None where it is."""
        return (
            f"{', '.join(self.too_few)}; {ERRORS_FOR_PRECISION} of each make a rate precise" if self.too_few else None
        )


def error_rate(counts: Counts) -> ErrorRate:
    """The rate at a threshold that was fixed before; raises `InputError` without a comparison."""
    mean = PairMean(counts.rate, counts.left, counts.right, counts.parts, counts.subjects, distinct=counts.distinct)
    return _resting_on(counts, mean, [counts.too_few])


def _resting_on(counts: Counts, mean: PairMean, too_few: list[str | None]) -> ErrorRate:
    told = tuple(part for part in too_few if part)
    return ErrorRate(mean.estimate(), int(counts.comparisons.sum()), counts.subjects, told)


def rate_at(missed: Counts, passed: Counts, slope: float) -> ErrorRate:
    """The rate of one kind of error at the threshold at which another kind has a given rate on the same sample.

    Such as FNMR at an FMR, or the share of persons not identified at an FPIR.

    Parameters
    ----------
    missed, passed
        Both kinds at that threshold.
    slope
        By how much the first rate falls as the second rises, at least 0: the threshold's error is its part of the
        second rate's (Woodruff, "Confidence Intervals for Medians and Other Position Measures", 1952).

    Raises
    ------
    InputError
        No comparison of one kind.
    """
    left, right = (np.concatenate([getattr(c, side) for c in (missed, passed)]) for side in ("left", "right"))
    part = np.concatenate([missed.parts, slope * passed.parts])
    distinct = missed.distinct and passed.distinct  # The one's couples are one person, the other's two.
    mean = PairMean(missed.rate, left, right, part, min(missed.subjects, passed.subjects), distinct=distinct)
    return _resting_on(missed, mean, [missed.too_few, passed.too_few and f"its threshold by {passed.too_few}"])


class Comparisons(abc.ABC):
    """Comparisons that should be accepted (mated) and others that should not, at any threshold."""

    @property
    @abc.abstractmethod
    def n_others(self) -> int:
        """How many should not be accepted."""

    @abc.abstractmethod
    def missed(self, threshold: float) -> Counts:
        """Mated comparisons below a threshold."""

    @abc.abstractmethod
    def passed(self, threshold: float) -> Counts:
        """Others at or above it."""

    @abc.abstractmethod
    def lowest(self, passing: int) -> float:
        """The lowest threshold at which at most so many of the others pass."""

    def shows(self, target: float) -> bool:
        """Whether the others are enough to show a rate: one of them is no larger a share."""
        return bool(self.n_others) and target >= 1 / self.n_others

    def threshold(self, target: float) -> float:
        """The lowest threshold at which at most a share `target` of the others passes.

        Raises
        ------
        InputError
            A target outside (0, 1], or one that they are too few to show.
        """
        target = checks.share("target", target, one_allowed=True)
        if not self.shows(target):
            raise InputError(
                f"target is {target:g}, but {self.n_others:,} comparisons cannot show it; {1 / target:,.0f} are needed"
            )
        return self.lowest(int(target * self.n_others * (1 + 1e-12)))

    def at(self, target: float) -> ErrorRate:
        """The share of mated comparisons missed where at most a share `target` of the others passes."""
        threshold = self.threshold(target)
        passed = self.passed(threshold)
        return rate_at(self.missed(threshold), passed, self._slope(target, error_rate(passed)))

    def _slope(self, target: float, passed: ErrorRate) -> float:
        """By how much the rate of the missed falls as that of the passed rises, from half of the target to 1.5 of it.

        Or within a standard error, where that is more.
        """
        reach = max(passed.estimate.variance**0.5, target / 2)
        ends = [min(1.0, max(1 / self.n_others, target + way * reach)) for way in (-1, 1)]
        rates = [self.missed(self.threshold(end)).rate for end in ends]
        return max(0.0, (rates[0] - rates[1]) / (ends[1] - ends[0])) if ends[1] > ends[0] else 0.0

    def curve(self, points: int = 25, lowest: float = 0.0) -> list[tuple[float, ErrorRate]]:
        """Rates of the others passed, from `lowest` or what their number resolves on, and of the mated missed there."""
        targets = np.geomspace(min(1.0, max(lowest, RESOLVED / self.n_others)), 1, points)
        return [(float(target), self.at(float(target))) for target in targets]


@dataclasses.dataclass(frozen=True, eq=False)
class Scored(Comparisons):
    """Comparisons one by one, with the identities of both faces.

    Attributes
    ----------
    mated, mated_identity
        Real scores `[G]` and the one identity of each, int64 `[G]`.
    other, other_left, other_right
        Real scores `[I]` and the identities of both faces, int64 `[I]` each.
    """

    mated: np.ndarray
    mated_identity: np.ndarray
    other: np.ndarray
    other_left: np.ndarray
    other_right: np.ndarray

    @functools.cached_property
    def _ascending(self) -> np.ndarray:
        return np.sort(self.other)

    @property
    def n_others(self) -> int:
        """How many should not be accepted."""
        return len(self.other)

    def missed(self, threshold: float) -> Counts:
        """Mated comparisons below a threshold."""
        return Counts.of_scores(self.mated < threshold, self.mated_identity, self.mated_identity)

    def passed(self, threshold: float) -> Counts:
        """Others at or above it."""
        return Counts.of_scores(self.other >= threshold, self.other_left, self.other_right)

    def lowest(self, passing: int) -> float:
        """Just above the best score that must not pass; or the lowest finite score of all."""
        if passing >= len(self.other):
            return float(min(self._ascending[0], self.mated[np.isfinite(self.mated)].min(initial=np.inf)))
        return float(np.nextafter(self._ascending[-1 - passing], np.inf))
