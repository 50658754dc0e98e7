"""Claims about a link and what the evidence supports, in words that are chosen by rule.

Every claim is tested against chance, with Holm's correction over all claims of a family ("A Simple Sequentially
Rejective Multiple Test Procedure", 1979). Equivalence needs the 90 % interval within a margin of chance, which is two
one-sided tests at 5 % (Schuirmann, 1987).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from sface_lib.biometrics import Interval

ALPHA, POWER, EQUIVALENCE_LEVEL = 0.05, 0.8, 0.9
MOST_P = 0.01  # The smallest corrected p that a family's shuffles must be able to give.
ABOVE, BELOW, EQUIVALENT, BARRED = "above chance", "below chance", "equivalent to chance", "no claim"


@dataclasses.dataclass(frozen=True)
class Claim:
    """One pre-stated statistic with its evidence.

    Attributes
    ----------
    name
        What is claimed to be at chance, e.g. "same-label link, AUC".
    judge
        The verifier's name.
    value, chance
        The statistic and what it is without a link.
    interval
        90 % interval of the value; None where equivalence is not asked for.
    p_value, p_floor
        Of chance, and the smallest that the shuffles could give.
    competent
        Whether the verifier tells authentic identities apart.
    margin
        Largest distance to chance that counts as equivalent; 0 lets nothing be equivalent.
    null_sd
        Standard deviation of the value where there is no link.
    identities
        How many are behind it.
    barred
        Why the value supports no claim, whatever its p; empty where it does.
    comparisons
        Of how many scores, or searches, the value is; None where that is not told.
    """

    name: str
    judge: str
    value: float
    chance: float
    interval: Interval | None
    p_value: float
    p_floor: float
    competent: bool
    margin: float
    null_sd: float
    identities: int
    barred: str = ""
    comparisons: int | None = None

    @property
    def judged(self) -> bool:
        """Whether it belongs to the family."""
        return self.competent and not self.barred

    @property
    def error(self) -> float:
        """The larger of two standard errors: the interval's, and the null's own."""
        if self.interval is None:
            return self.null_sd
        half = (self.interval.high - self.interval.low) / 2
        return float(max(half / ndtri((1 + self.interval.level) / 2), self.null_sd))

    @property
    def detectable(self) -> float:
        """The distance to chance that a set of this size shows in four of five cases."""
        return float(ndtri(1 - ALPHA / 2) + ndtri(POWER)) * self.error

    @property
    def identities_for_equivalence(self) -> int | None:
        """How many identities show equivalence in four of five cases where there is no link; None without a margin.

        As standard errors fall with the root of their number: both one-sided tests pass with a chance of 80 % where
        the margin is z(0.95) + z(0.9) standard errors.
        """
        if not self.margin or self.interval is None:
            return None
        needed = (ndtri(1 - ALPHA) + ndtri((1 + POWER) / 2)) * self.error / self.margin
        return math.ceil(self.identities * needed**2)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the evidence on a claim supports.

    Attributes
    ----------
    p_corrected
        By Holm; None where the verifier is not competent, or the claim is barred.
    at_floor
        Whether the p may be smaller still, as no shuffle came as far.
    words
        What is supported.
    alone
        Whether other competent verifiers tested the same claim and put it not above chance, as this one does.
    """

    p_corrected: float | None
    at_floor: bool
    words: str
    alone: bool = False


def shuffles_for(family: int) -> int:
    """How many shuffles let a two-sided claim of a family reach a corrected p of 1 %, however large the family is.

    Examples
    --------
    >>> shuffles_for(10)
    1999
    """
    return math.ceil(2 * family / MOST_P) - 1


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values adjusted for all of them together, float64 `[N]`, in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def verdicts(claims: Sequence[Claim]) -> list[Verdict]:
    """The verdict on each claim of a family; those that are not judged get no p-value and aren't counted."""
    judged = [claim for claim in claims if claim.judged]
    adjusted = dict(zip(map(id, judged), holm([claim.p_value for claim in judged]).tolist(), strict=True))
    words = {id(claim): _words(claim, adjusted.get(id(claim))) for claim in claims}
    decisions = []
    for claim in claims:
        others = [words[id(other)] for other in judged if other.name == claim.name and other is not claim]
        alone = claim.judged and words[id(claim)] == ABOVE and bool(others) and ABOVE not in others
        at_floor = claim.judged and claim.p_value <= claim.p_floor * (1 + 1e-9)
        decisions.append(Verdict(adjusted.get(id(claim)), at_floor, words[id(claim)], alone))
    return decisions


def _words(claim: Claim, p: float | None) -> str:
    if claim.barred:
        return f"{BARRED}: {claim.barred}"
    if p is None:
        return "not judged: no competent judge"
    if p < ALPHA:
        return ABOVE if claim.value > claim.chance else BELOW
    undecided = f"not decided at this size (detectable effect ±{claim.detectable:.2g}"
    if not claim.margin or claim.interval is None:
        return f"{undecided})"
    reach = max(claim.chance - claim.interval.low, claim.interval.high - claim.chance)
    if reach <= claim.margin:
        return f"{EQUIVALENT} (within ±{claim.margin:g})"
    return f"{undecided}; equivalence takes about {claim.identities_for_equivalence:,} identities)"
