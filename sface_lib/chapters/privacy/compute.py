"""What synthetic sets give away of the persons behind them: every judge's evidence, the claims, and the remedy.

`audit` is the entry point for use from Python: it does all of this without a run folder or a notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from accelerate import Accelerator

from sface_lib.chapters.privacy.claims import ClaimsPlan, StudyPlan, judge_claims, make_claims, plan_claims
from sface_lib.chapters.privacy.demographics import Demographics
from sface_lib.chapters.privacy.exposure import Exposure, exposure
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.remedies import Remedies, filter_at_rates
from sface_lib.chapters.privacy.results import (
    AlarmFacts,
    AuditFacts,
    ChanceFacts,
    ClaimFacts,
    JudgeFacts,
    LeakFacts,
    LinkAtChance,
    NearerFacts,
    PlantedFacts,
    PrivacyResults,
)
from sface_lib.chapters.privacy.sets import AuditedSets, View, shown_view, view_of
from sface_lib.chapters.setspec import AUTHENTIC
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.data import FaceSet
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, SfaceError
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy import ShuffleTest
from sface_lib.privacy.judges import Judge
from sface_lib.privacy.nearness import NearnessDifference
from sface_lib.privacy.planted import Alarm, Planted, make_pictures, plant_copies
from sface_lib.privacy.settings import SETTINGS
from sface_lib.privacy.unlabelled import CENTRES


@dataclass(frozen=True, eq=False)
class Audit:
    """All that notebook 03 finds about one synthetic set; see `AuditFacts` for the part that is recorded.

    Attributes
    ----------
    sets
        The set, and those that it is held against.
    views
        What each judge sees, in the order of the judges.
    plan
        What was to be claimed, fixed before any score.
    shown
        The view whose pictures are shown: see `shown_view`.
    exposures
        Name of a judge that is a model -> exposure by identity and group; empty unless labels are those of authentic
        identities.
    planted
        Name of a judge that may judge the set and can embed images -> whether planted copies would be noticed; empty
        where there are too few unseen persons.
    claims, remedies
        The judged claims, and what filtering would leave of the set.
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
    def name(self) -> str:
        """Name of the synthetic set."""
        return self.sets.name

    @property
    def larger(self) -> View | None:
        """The shown view, which finds the set nearest; None where no competent judge may judge the set."""
        return self.shown if self.shown.may_judge else None

    @property
    def barred(self) -> dict[str, str]:
        """Judges that may not judge the set -> why."""
        return {view.name: view.barred for view in self.views if view.barred}

    @property
    def above_chance(self) -> tuple[ClaimFacts, ...]:
        """The claims whose verdict is "above chance"."""
        return tuple(claim for claim in self.claims if claim.above)


@dataclass(frozen=True, eq=False)
class Audits:
    """The audits of several sets, and why others could not be audited, by their names."""

    plan: StudyPlan
    done: tuple[Audit, ...]
    failed: Mapping[str, str]

    @property
    def views(self) -> tuple[View, ...]:
        """The views of the first set: what each judge sees of the authentic set is the same in all."""
        return self.done[0].views

    @property
    def by_label(self) -> tuple[Audit, ...]:
        """The audits of sets whose labels are those of authentic identities."""
        return tuple(each for each in self.done if each.sets.by_label)


def audit(
    authentic: FaceSet,
    synthetic: FaceSet | SyntheticSet,
    judges: Sequence[Judge],
    settings: AuditSettings | None = None,
    *,
    control: FaceSet | None = None,
    exchangeable: bool = True,
    held_out: FaceSet | None = None,
    unexposed: Sequence[SyntheticSet] = (),
    traits: pd.DataFrame | None = None,
    accelerator: Accelerator | None = None,
) -> AuditFacts:
    """Audit a synthetic set.

    Parameters
    ----------
    authentic
        Labelled images that the generator was trained on, or, for an unexposed set, was not.
    synthetic
        The images, whose class k stands for the authentic identity k; or a set that says what its classes are.
    judges
        See `sface_lib.privacy.judges.open_judge`. No claim rests on those that had a part in making the
        set, as its `barred_models` say.
    settings
        By default those of notebook 03.
    control
        Labelled images of persons on whom nothing was trained; without them there is no label-free link, and no filter.
    exchangeable
        Whether control persons are of the authentic ones' distribution. Where they are not, the only
        claim that uses them is how much nearer the set is to training persons than unexposed sets are.
    held_out
        Images of the authentic persons, split off at random before training; without them membership of images is not
        tested.
    unexposed
        Other synthetic sets, whose generators never saw the authentic set.
    traits
        Traits such as gender and ancestry: a row for each authentic identity, by its label, and a column for each.
        Chance is then taken within groups of equal traits; without them demographics are not excluded.
    accelerator
        By default this process alone, in the precision "auto": see `make_accelerator`.

    Raises
    ------
    InputError
        A set has no labels, there is no judge, or a set that is said to be unexposed holds authentic images.
    """
    accelerator = accelerator or make_accelerator("auto")
    demographics = None if traits is None else Demographics(traits)
    if not isinstance(synthetic, SyntheticSet):
        synthetic = SyntheticSet("synthetic", synthetic, AUTHENTIC)
    sets = AuditedSets.choose(
        authentic,
        synthetic,
        unexposed,
        control=control,
        exchangeable=exchangeable,
        held_out=held_out,
        demographics=demographics,
    )
    return facts(examine(sets, judges, settings or AuditSettings(), accelerator))


def examine_all(
    plan: StudyPlan,
    sets: Sequence[AuditedSets],
    judges: Sequence[Judge],
    settings: AuditSettings,
    accelerator: Accelerator,
) -> Audits:
    """Audit several sets; a set that fails is noted in `failed`, and the others are still audited.

    Raises
    ------
    SfaceError
        No set could be audited; the error is that of the last one.
    """
    done, failed = [], {}
    for audited in sets:
        try:
            done.append(examine(audited, judges, settings, accelerator, done[0].views if done else ()))
        except SfaceError as error:
            failed[audited.name] = str(error)
            if len(failed) == len(sets):
                raise
    return Audits(plan, tuple(done), failed)


def examine(
    sets: AuditedSets,
    judges: Sequence[Judge],
    settings: AuditSettings,
    accelerator: Accelerator,
    earlier: Sequence[View] = (),
) -> Audit:
    """The audit of one set with all that figures need; its claims are planned by `plan_claims` before any score.

    `earlier` are the judges' views of another synthetic set; see `view_of`. Raises `InputError` without a judge, and
    where a set that is said to be unexposed holds training images.
    """
    if not judges:
        raise InputError("there is no judge; give at least one recognition model")
    sets.check_unexposed()
    plan = plan_claims(sets, judges, settings)
    settings = settings.model_copy(update={"shuffles": plan.shuffles})
    previous = {view.name: view for view in earlier}
    views = tuple(view_of(judge, sets, settings, accelerator, previous.get(judge.name), plan.level) for judge in judges)
    models = [view for view in views if view.judge.model is not None]
    exposures = {view.name: exposure(view, sets, settings) for view in models} if sets.by_label else {}
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
    """Whether planted copies would be noticed, for each judge that embeds images and may judge the set.

    Empty with too few unseen persons.
    """
    p, face_sets = settings, (sets.authentic, sets.synthetic, sets.control, sets.held_out)
    pictures = make_pictures(*face_sets, p.power_images, p.seed)
    if pictures is None:
        return {}
    return {
        view.name: plant_copies(view.judge.embed_images, pictures, view.sets, p.seed)
        for view in views
        if view.judge.model is not None and view.judge.embed_images is not None and not view.barred
    }


def results(audits: Audits) -> PrivacyResults:
    """What is recorded of all audits, for later chapters."""
    sets = audits.done[0].sets
    return PrivacyResults(
        judges={view.name: _judge_facts(view) for view in audits.views},
        plan_sha256=audits.plan.sha256,
        verifier_shipped=audits.views[0].judge.sha256 == sha256_of_file(VERIFIER_PATH),
        authentic_px=sets.authentic.resolution,
        sets=tuple(map(facts, audits.done)),
        failed=dict(audits.failed),
    )


def facts(set_audit: Audit) -> AuditFacts:
    """What is recorded of one set's audit."""
    sets, views = set_audit.sets, set_audit.views
    impartial = [view for view in views if view.may_judge and view.name != set_audit.remedies.filterer]
    labelled = views if sets.by_label else ()
    return AuditFacts(
        name=sets.name,
        labels=sets.labels,
        exposed=sets.exposed,
        control_is_exchangeable=sets.exchangeable,
        images=len(sets.synthetic),
        training_images=sets.training_images,
        image_px=sets.synthetic.resolution,
        barred=set_audit.barred,
        larger=set_audit.larger.name if set_audit.larger else None,
        impartial_judge=shown_view(impartial).name if impartial else None,
        metrics={view.name: view.scores.metrics for view in views},
        rank1={view.name: view.scores.ranks[0].value for view in labelled},
        rank1_chance=1 / len(sets.authentic.identities),
        chance=chance_facts(set_audit),
        shuffle={view.name: _link_at_chance(view.evidence.labelled.link.test) for view in labelled},
        label_free={
            view.name: _link_at_chance(view.evidence.label_free.test) for view in views if view.evidence.label_free
        },
        leak={view.name: leak for view in views if (leak := facts_of_leak(view))},
        nearer={
            view.name: {name: _nearer_facts(nearer) for name, nearer in view.evidence.nearer.items()}
            for view in views
            if view.evidence.nearer
        },
        claims=set_audit.claims,
        planted={
            name: PlantedFacts(
                _alarm_facts(copies.strangers), copies.same_persons and _alarm_facts(copies.same_persons)
            )
            for name, copies in set_audit.planted.items()
        },
        remedy=tuple(left for remedy in set_audit.remedies.done for left in remedy.left),
    )


def _judge_facts(view: View) -> JudgeFacts:
    model = view.judge.model
    return JudgeFacts(
        competent=bool(view.scores.competent),
        sha256=view.judge.sha256,
        trained_on=model.description["trained_on"] if model else None,
        authentic=view.scores.metrics[SETTINGS[0]],
    )


def facts_of_leak(view: View) -> LeakFacts | None:
    """Leak share of class centres; None where no claim may rest on the judge, or it was not estimated."""
    leak = next((each.leak for each in view.evidence.unlabelled if each.name == CENTRES), None)
    if leak is None or not view.may_judge:
        return None
    return LeakFacts(leak.bound, leak.level, leak.classes, leak.persons, leak.fewest_persons)


def _nearer_facts(difference: NearnessDifference) -> NearerFacts:
    span, lead = difference.best.estimate.interval(), difference.lead.estimate
    return NearerFacts(
        difference.best.estimate.value, span.low, span.high, lead.value, difference.auc.value, difference.classes
    )


def _alarm_facts(alarm: Alarm) -> AlarmFacts:
    return AlarmFacts(alarm.threshold, alarm.detectable, alarm.silent.rate, alarm.share_above)


def chance_facts(set_audit: Audit) -> ChanceFacts:
    """Which groups classes were renamed within, how many there were, and how many classes were left out."""
    sets, view = set_audit.sets, set_audit.views[0]
    return ChanceFacts(
        within=set_audit.plan.groups,
        called=sets.groups is not None and sets.demographics.called,
        groups=0 if sets.groups is None else int(sets.groups.loc[view.sets.renamed].nunique()),
        left_out=0 if sets.groups is None else len(view.sets.classes) - len(view.sets.renamed),
    )


def _link_at_chance(test: ShuffleTest) -> LinkAtChance:
    return LinkAtChance(test.observed, *test.band(), test.p_value, test.p_value <= test.floor)
