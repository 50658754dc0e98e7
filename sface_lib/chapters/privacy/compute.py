"""What a synthetic set gives away of the persons behind it: every judge's evidence, the claims, and the remedy.

`audit` is all of it, from Python: it needs no run folder and no notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from accelerate import Accelerator

from sface_lib.chapters.privacy.claims import ClaimsPlan, judge_claims, make_claims, plan_claims
from sface_lib.chapters.privacy.demographics import Demographics
from sface_lib.chapters.privacy.exposure import Exposure, exposure
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.remedies import Remedies, filter_at_rates
from sface_lib.chapters.privacy.results import (
    AlarmFacts,
    ChanceFacts,
    ClaimFacts,
    JudgeFacts,
    LinkAtChance,
    PlantedFacts,
    PrivacyResults,
)
from sface_lib.chapters.privacy.sets import AuditedSets, View, shown_view, view_of
from sface_lib.data import FaceSet
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy import ShuffleTest
from sface_lib.privacy.judges import Judge
from sface_lib.privacy.planted import Alarm, Planted, make_pictures, plant_copies


@dataclass(frozen=True, eq=False)
class Audit:
    """All that notebook 03 finds; see `PrivacyResults` for what of it is recorded.

    Attributes
    ----------
    views
        What each judge sees, in the order of the judges.
    plan
        What was to be claimed, fixed before any score.
    shown
        The view whose pictures are shown: of the competent judge that sees the larger link, else the first.
    exposures
        Judge, of those that are models -> whose link is strong.
    planted
        Judge -> whether planted copies would be noticed; empty where there are too few unseen persons.
    """

    sets: AuditedSets
    views: tuple[View, ...]
    shown: View
    plan: ClaimsPlan
    exposures: Mapping[str, Exposure]
    planted: Mapping[str, Planted]
    claims: tuple[ClaimFacts, ...]
    remedies: Remedies

    @property
    def larger(self) -> View | None:
        """The shown view; None where no judge is competent."""
        return self.shown if self.shown.competent else None

    @property
    def above_chance(self) -> tuple[ClaimFacts, ...]:
        """The claims that something is at chance and that the evidence refutes."""
        return tuple(claim for claim in self.claims if claim.above)


def audit(
    authentic: FaceSet,
    control: FaceSet | None,
    synthetic: FaceSet,
    judges: Sequence[Judge],
    settings: AuditSettings | None = None,
    *,
    held_out: FaceSet | None = None,
    traits: pd.DataFrame | None = None,
    accelerator: Accelerator | None = None,
) -> PrivacyResults:
    """Audit a synthetic set whose class k stands for the authentic identity k.

    Parameters
    ----------
    authentic
        Labelled images that trained the generator.
    control
        Labelled images of persons who trained nothing; without them there is no label-free link, and no filter.
    synthetic
        The generator's labelled images.
    judges
        See `sface_lib.privacy.judges.open_judge`. They may not have taught the generator.
    settings
        By default those of notebook 03.
    held_out
        Images of the authentic persons that trained nothing; without them membership of images is not tested.
    traits
        Such as gender and ancestry: a row for each authentic identity, by its label, and a column for each trait.
        Chance is then taken within groups of equal traits; without them demographics are not excluded.
    accelerator
        By default one process, in the arithmetic that the machine does best.

    Raises
    ------
    InputError
        A set has no labels, or there is no judge.
    """
    accelerator = accelerator or make_accelerator("auto")
    demographics = None if traits is None else Demographics(traits)
    sets = AuditedSets.choose(authentic, synthetic, control, held_out, demographics)
    return results(examine(sets, judges, settings or AuditSettings(), accelerator))


def examine(sets: AuditedSets, judges: Sequence[Judge], settings: AuditSettings, accelerator: Accelerator) -> Audit:
    """The audit with all that figures need; its claims are those of `plan_claims`, made before any score."""
    if not judges:
        raise InputError("there is no judge; give at least one recognition model")
    plan = plan_claims(sets, judges, settings)
    settings = settings.model_copy(update={"shuffles": plan.shuffles})
    views = tuple(view_of(judge, sets, settings, accelerator) for judge in judges)
    exposures = {view.name: exposure(view, sets, settings) for view in views if view.judge.model is not None}
    return Audit(
        sets=sets,
        views=views,
        shown=shown_view(views),
        plan=plan,
        exposures=exposures,
        planted=plant(sets, views, settings),
        claims=judge_claims(make_claims(views, exposures, settings.equivalence_margin), sets),
        remedies=filter_at_rates(sets, views, settings),
    )


def plant(sets: AuditedSets, views: Sequence[View], settings: AuditSettings) -> dict[str, Planted]:
    """For each judge that embeds images, whether planted copies would be noticed; empty with too few unseen persons."""
    p, given = settings, (sets.authentic, sets.synthetic, sets.control, sets.held_out)
    pictures = make_pictures(*given, p.power_images, p.seed)
    if pictures is None:
        return {}
    return {
        view.name: plant_copies(
            view.judge.embed_images, pictures, view.sets.authentic[0], view.sets.synthetic[0], p.seed
        )
        for view in views
        if view.judge.model is not None and view.judge.embed_images is not None
    }


def results(found: Audit) -> PrivacyResults:
    """What later chapters find."""
    competent = [view for view in found.views if view.competent]
    impartial = [view for view in competent if view.name != found.remedies.filterer]
    sets, shipped = found.sets, sha256_of_file(VERIFIER_PATH)
    return PrivacyResults(
        judges={view.name: _judge_facts(view) for view in found.views},
        larger=found.larger.name if found.larger else None,
        rank1_chance=1 / len(sets.authentic.identities),
        chance=chance_facts(found),
        plan_sha256=found.plan.sha256,
        shuffle={view.name: _link_at_chance(view.evidence.link.test) for view in found.views},
        claims=found.claims,
        planted={
            name: PlantedFacts(_alarm_facts(each.strangers), each.same_persons and _alarm_facts(each.same_persons))
            for name, each in found.planted.items()
        },
        remedy=tuple(facts for remedy in found.remedies.found for facts in remedy.left),
        impartial_judge=shown_view(impartial).name if impartial else None,
        verifier_shipped=found.views[0].judge.sha256 == shipped,
        image_px={"authentic": sets.authentic.resolution, "synthetic": sets.synthetic.resolution},
    )


def _judge_facts(view: View) -> JudgeFacts:
    model = view.judge.model
    return JudgeFacts(
        competent=bool(view.settings.competent),
        sha256=view.judge.sha256,
        trained_on=model.description["trained_on"] if model else None,
        metrics=view.settings.metrics,
        rank1=float(view.settings.found[0]),
    )


def _alarm_facts(alarm: Alarm) -> AlarmFacts:
    return AlarmFacts(alarm.threshold, alarm.detectable, alarm.silent.rate, alarm.share_above)


def chance_facts(found: Audit) -> ChanceFacts:
    """Within what groups classes were renamed."""
    sets, view = found.sets, found.views[0]
    return ChanceFacts(
        within=found.plan.groups,
        called=sets.groups is not None and sets.demographics.called,
        groups=0 if sets.groups is None else int(sets.groups.loc[view.sets.renamed].nunique()),
        left_out=len(view.sets.classes) - len(view.sets.renamed),
    )


def _link_at_chance(test: ShuffleTest) -> LinkAtChance:
    return LinkAtChance(test.observed, *test.band(), test.p_value, test.p_value <= test.floor)
