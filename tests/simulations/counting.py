"""Rates of errors and of findings, against their bars, as rows of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import binom, binomtest

from sface_lib.biometrics import Estimate

DRAWS, ALPHA, SHUFFLES = 400, 0.05, 199


@dataclass(frozen=True)
class Counted:
    """How often a test rejected.

    Attributes
    ----------
    case
        What the sets are, in words.
    at_most, at_least
        The bar: of errors see `most_errors`, of power a share of the draws.
    band
        The bar of a coverage: shares that its Wilson interval must meet. Without any bar the rate is only reported.
    """

    case: str
    draws: int
    count: int
    at_most: int | None = None
    at_least: int | None = None
    band: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        if self.band is not None:
            span = self.interval()
            return span.low <= self.band[1] and span.high >= self.band[0]
        low, high = self.at_least or 0, self.draws if self.at_most is None else self.at_most
        return low <= self.count <= high

    def interval(self):
        """Wilson's 95 % interval of the share."""
        return binomtest(self.count, self.draws).proportion_ci(method="wilson")

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        span = self.interval()
        bars = [f"at least {self.at_least}"] if self.at_least is not None else []
        bars += [f"at most {self.at_most}"] if self.at_most is not None else []
        bars += [f"{self.band[0]:.0%} to {self.band[1]:.0%}"] if self.band else []
        share = f"{self.count / self.draws:.3f} [{span.low:.3f}, {span.high:.3f}]"
        met = ("yes" if self.met else "**no**") if bars else ""
        return self.case, f"{self.count} of {self.draws}", share, ", ".join(bars) or "none", met


@dataclass(frozen=True)
class Averaged:
    """A share of each draw, in the mean over draws, such as that of false discoveries.

    Attributes
    ----------
    at_most, at_least
        The bar, a share that the 95 % interval of the mean must meet.
    """

    case: str
    shares: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def mean(self) -> float:
        """Over draws."""
        return fmean(self.shares)

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        low, high = self.interval()
        return (self.at_most is None or low <= self.at_most) and (self.at_least is None or high >= self.at_least)

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean."""
        reach = 1.96 * stdev(self.shares) / len(self.shares) ** 0.5
        return self.mean - reach, self.mean + reach

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        low, high = self.interval()
        bars = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bars += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        share = f"{self.mean:.3f} [{low:.3f}, {high:.3f}]"
        met = ("yes" if self.met else "**no**") if bars else ""
        return self.case, f"mean of {len(self.shares)}", share, ", ".join(bars) or "none", met


def errors(case: str, draws: int, count: int, cases: int = 1) -> Counted:
    """Rejections where there was nothing to see, in one of so many cases of a table."""
    return Counted(case, draws, count, at_most=most_errors(draws, cases))


def power(case: str, draws: int, count: int, floor: float) -> Counted:
    """Rejections where there was something to see: in a share `floor` of the draws at least."""
    return Counted(case, draws, count, at_least=round(floor * draws))


def coverage(case: str, estimates: Sequence[Estimate], truth: float, band: tuple[float, float] | None) -> Counted:
    """How many 95 % intervals hold the truth."""
    spans = [each.interval() for each in estimates]
    return Counted(case, len(spans), sum(span.low <= truth <= span.high for span in spans), band=band)


def most_errors(draws: int, cases: int = 1) -> int:
    """The most rejections that a test of 5 % shows in 97.5 % of tables with so many independent cases."""
    return int(binom.ppf(0.975 ** (1 / cases), draws, ALPHA))


def as_table(name: str, doc: str, rows: Iterable[Counted | Averaged]) -> str:
    """A file of `docs/simulations`."""
    head = ["case", "count", "share, 95 % (Wilson)", "bar", "met"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join([f"## {name}", "", doc.strip(), "", *(f"| {' | '.join(line)} |" for line in lines), ""])
