"""The claims of notebook 03: planned before any score is computed, and judged by rule afterwards."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sface_lib.chapters.privacy.exposure import Exposure, exposure_claims, planned_exposure
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.results import ClaimFacts
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.chapters.words import the
from sface_lib.files import sha256_of_json
from sface_lib.privacy import Claim, Verdict, shuffles_for, verdicts
from sface_lib.privacy.judges import Judge
from sface_lib.privacy.settings import COMPETENT_EER, TOLD_APART
from sface_lib.privacy.statistics import STATISTICS, claims_of
from sface_lib.privacy.verdict import ABOVE, ALPHA

PLAN = "plans/privacy.json"
ALONE, EXPLORATORY = "one judge alone", "exploratory"
NOT_EXCLUDED, AS_CALLED = "demographics not excluded", "groups as a classifier calls them"


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """The plan of each synthetic set, by its name."""

    sets: dict[str, "ClaimsPlan"]

    @property
    def sha256(self) -> str:
        """SHA-256 of the plain form of all plans."""
        return sha256_of_json(self.as_plain())

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: plan.as_plain() for name, plan in self.sets.items()}


@dataclasses.dataclass(frozen=True)
class ClaimsPlan:
    """What will be claimed of a synthetic set, by whom, and how it will be judged: fixed before any score.

    All claims on the set by all competent judges are one family.

    Attributes
    ----------
    claims
        Names of the statistics.
    judges
        Name -> SHA-256 of the weights; without judges that had a part in the set.
    sets
        Name -> fingerprint of the compared images.
    groups
        Traits within whose groups labels are shuffled; empty where fewer than five identities share a group.
    shuffles
        The larger of the number asked for and what the family needs: see `sface_lib.privacy.shuffles_for`.
    resamples, margin, seed
        Of the bootstrap, of equivalence to chance, and of both shuffles and bootstrap.
    competent_eer, told_apart
        Limits at which a judge may claim: see `sface_lib.privacy.settings`.
    alpha, correction
        Level of the family, and how p-values are corrected for it.
    """

    claims: tuple[str, ...]
    judges: dict[str, str | None]
    sets: dict[str, str]
    groups: tuple[str, ...]
    shuffles: int
    resamples: int
    margin: float
    seed: int
    competent_eer: float = COMPETENT_EER
    told_apart: float = TOLD_APART
    alpha: float = ALPHA
    correction: str = "Holm, over all claims by all competent judges"

    @property
    def level(self) -> float:
        """Confidence level of each judge's leak share, by Bonferroni over judges, so that the largest may be quoted."""
        return 1 - self.alpha / max(1, len(self.judges))

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def plan_claims(sets: AuditedSets, judges: Sequence[Judge], settings: AuditSettings) -> ClaimsPlan:
    """Plan the claims that these sets allow, with enough shuffles should all judges turn out competent."""
    statistics = [
        s.name
        for s in STATISTICS.values()
        if s.needs in sets.relied_on and s.stands(sets.barred) and (sets.by_label or not s.by_label)
    ]
    names = (*statistics, *planned_exposure(sets))
    models = {j.name: j.sha256 for j in judges if j.model is not None and None not in sets.barred_by(j)}
    return ClaimsPlan(
        claims=names,
        judges=models,
        sets={name: faces.fingerprint for name, faces in sets.compared.items()}
        | {f"unexposed {name}": other.faces.fingerprint for name, other in sets.unexposed.items()},
        groups=() if sets.groups is None else tuple(sets.demographics.traits.columns),
        shuffles=max(settings.shuffles, shuffles_for(len(names) * max(1, len(models)))),
        resamples=settings.bootstrap_resamples,
        margin=settings.equivalence_margin,
        seed=settings.seed,
    )


def plan_study(sets: Sequence[AuditedSets], judges: Sequence[Judge], settings: AuditSettings) -> StudyPlan:
    """The plan of every set."""
    return StudyPlan({own.name: plan_claims(own, judges, settings) for own in sets})


def make_claims(views: Sequence[View], exposures: Mapping[str, Exposure], margin: float) -> list[Claim]:
    """The claims on one synthetic set: each judge's statistics, and its exposure by groups."""
    return [
        claim
        for view in views
        for claim in (
            *claims_of(view.evidence, view.name, view.competent, margin, view.sets.barred),
            *(exposure_claims(exposures[view.name], view) if view.name in exposures else ()),
        )
    ]


def judge_claims(claims: Sequence[Claim], sets: AuditedSets) -> tuple[ClaimFacts, ...]:
    """Judge all claims as one family; the facts of each, in the order given, with the notes to print beside it."""
    return tuple(
        ClaimFacts(
            claim=claim.name,
            judge=claim.judge,
            value=claim.value,
            chance=claim.chance,
            low=claim.interval.low if claim.interval else None,
            high=claim.interval.high if claim.interval else None,
            p_corrected=verdict.p_corrected,
            p_at_floor=verdict.at_floor,
            verdict=verdict.words,
            above=verdict.words == ABOVE,
            barred=bool(claim.barred),
            notes=_notes(claim, verdict, sets),
            comparisons=claim.comparisons,
            subjects=claim.identities,
        )
        for claim, verdict in zip(claims, verdicts(claims), strict=True)
    )


def _notes(claim: Claim, verdict: Verdict, sets: AuditedSets) -> tuple[str, ...]:
    if not claim.judged:
        return ()
    statistic = STATISTICS.get(claim.name)
    exploratory, by_label = (statistic.exploratory, statistic.by_label) if statistic else (False, False)
    linked = by_label and verdict.words == ABOVE
    conditions = {
        ALONE: verdict.alone,
        EXPLORATORY: exploratory,
        NOT_EXCLUDED: linked and sets.groups is None,
        AS_CALLED: linked and sets.groups is not None and sets.demographics.called,
    }
    return tuple(note for note, holds in conditions.items() if holds)


def deviations(plan: ClaimsPlan, claims: Sequence[ClaimFacts]) -> list[str]:
    """How what was claimed differs from the plan, in words; nothing where it does not."""
    planned = {(name, judge) for name in plan.claims for judge in plan.judges}
    made = {(claim.claim, claim.judge) for claim in claims if claim.judge in plan.judges and not claim.barred}
    return [
        *(f"planned and not made: {name}, by {the(judge)}" for name, judge in sorted(planned - made)),
        *(f"made and not planned: {name}, by {the(judge)}" for name, judge in sorted(made - planned)),
    ]
