"""Claims about a link and what the evidence supports, in words that are chosen by rule.

Every claim is tested on both sides against chance, with Holm's correction over all claims of a table ("A Simple
Sequentially Rejective Multiple Test Procedure", 1979). Equivalence needs the 90 % interval within a margin of chance,
which is two one-sided tests at 5 % (Schuirmann, 1987).
"""

import dataclasses
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from sface_lib.biometrics import Interval

ALPHA, POWER, EQUIVALENCE_LEVEL = 0.05, 0.8, 0.9
ABOVE, BELOW, EQUIVALENT = "above chance", "below chance", "equivalent to chance"


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
        90 % interval of the value.
    p_two_sided
        Of chance.
    competent
        Whether the verifier tells authentic identities apart.
    margin
        Largest distance to chance that counts as equivalent; 0 lets nothing be equivalent.
    null_sd
        Standard deviation of the value where there is no link.
    """

    name: str
    judge: str
    value: float
    chance: float
    interval: Interval
    p_two_sided: float
    competent: bool
    margin: float
    null_sd: float

    @property
    def detectable(self) -> float:
        """The distance to chance that a set of this size shows in four of five cases.

        By the larger of two standard errors: the interval's, and the null's own.
        """
        normal = NormalDist()
        half = (self.interval.high - self.interval.low) / 2
        error = max(half / normal.inv_cdf((1 + self.interval.level) / 2), self.null_sd)
        return (normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * error


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values adjusted for all of them together, float64 `[N]`, in the order given."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def verdicts(claims: Sequence[Claim]) -> list[tuple[float | None, str]]:
    """Each claim's adjusted p-value and verdict; those of incompetent verifiers get no p-value and aren't counted."""
    judged = [claim for claim in claims if claim.competent]
    adjusted = dict(zip(map(id, judged), holm([claim.p_two_sided for claim in judged]).tolist(), strict=True))
    return [(p := adjusted.get(id(claim)), _verdict(claim, p)) for claim in claims]


def _verdict(claim: Claim, p: float | None) -> str:
    if p is None:
        return "not judged: no competent judge"
    if p < ALPHA:
        return ABOVE if claim.value > claim.chance else BELOW
    reach = max(claim.chance - claim.interval.low, claim.interval.high - claim.chance)
    if claim.margin and reach <= claim.margin:
        return f"{EQUIVALENT} (within ±{claim.margin:g})"
    return f"not decided at this size (detectable effect ±{claim.detectable:.2g})"


def supported_by(claims: Sequence[Claim]) -> dict[str, list[str]]:
    """For each claim's name the competent verifiers that put it above chance; one alone is to be marked."""
    found: dict[str, list[str]] = {claim.name: [] for claim in claims}
    for claim, (_, verdict) in zip(claims, verdicts(claims), strict=True):
        if verdict == ABOVE:
            found[claim.name].append(claim.judge)
    return found
