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
        """Of all of it."""
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
        Names.
    judges
        Name -> SHA-256 of the weights; without those that had a part in the set.
    sets
        Name -> fingerprint of the compared images.
    groups
        Traits within whose groups chance is taken; none where fewer than five identities share theirs.
    shuffles
        As many as were asked for, or as the family needs: see `sface_lib.privacy.shuffles_for`.
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
        """Confidence of each judge's leak share, so that the largest may be quoted."""
        return 1 - self.alpha / max(1, len(self.judges))

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def plan_claims(sets: AuditedSets, judges: Sequence[Judge], settings: AuditSettings) -> ClaimsPlan:
    """The claims that these sets allow, with shuffles for all judges that may turn out competent."""
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
    """The claims of one synthetic set: what each model sees, and of whom."""
    return [
        claim
        for view in views
        for claim in (
            *claims_of(view.evidence, view.name, view.competent, margin, view.sets.barred),
            *(exposure_claims(exposures[view.name], view) if view.name in exposures else ()),
        )
    ]


def judge_claims(claims: Sequence[Claim], sets: AuditedSets) -> tuple[ClaimFacts, ...]:
    """What the evidence of all judges supports, and what is to be said beside it."""
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
    noted = {
        ALONE: verdict.alone,
        EXPLORATORY: exploratory,
        NOT_EXCLUDED: linked and sets.groups is None,
        AS_CALLED: linked and sets.groups is not None and sets.demographics.called,
    }
    return tuple(note for note, holds in noted.items() if holds)


def deviations(plan: ClaimsPlan, found: Sequence[ClaimFacts]) -> list[str]:
    """How what was claimed differs from the plan, in words; nothing where it does not."""
    planned = {(name, judge) for name in plan.claims for judge in plan.judges}
    made = {(claim.claim, claim.judge) for claim in found if claim.judge in plan.judges and not claim.barred}
    return [
        *(f"planned and not made: {name}, by {the(judge)}" for name, judge in sorted(planned - made)),
        *(f"made and not planned: {name}, by {the(judge)}" for name, judge in sorted(made - planned)),
    ]
