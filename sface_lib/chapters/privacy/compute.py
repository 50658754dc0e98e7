"""What a synthetic set gives away of the persons behind it: every judge's evidence, the claims, and the remedy.

`audit` is all of it, from Python: it needs no run folder and no notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from accelerate import Accelerator

from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.remedies import Remedies, filter_at_rates
from sface_lib.chapters.privacy.results import ClaimFacts, JudgeFacts, LinkAtChance, PlantedFacts, PrivacyResults
from sface_lib.chapters.privacy.sets import AuditedSets, View, shown_view, view_of
from sface_lib.data import FaceSet
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy import ShuffleTest, study, supported_by, verdicts
from sface_lib.privacy.exposure import GroupDifference, by_group, by_images
from sface_lib.privacy.judges import Judge
from sface_lib.privacy.planted import Planted, make_pictures, plant_copies

ALONE, EXPLORATORY = " (one judge alone)", " (exploratory)"


@dataclass(frozen=True, eq=False)
class Exposure:
    """Whose link is strong, by one judge.

    Attributes
    ----------
    by_identity
        AUC of the link of each identity, by its label.
    groups
        Trait, such as "ancestry" -> how its groups differ, or why that is not estimable.
    by_images
        Rank correlation with the number of training images; None where either is the same for all.
    """

    by_identity: pd.Series
    groups: Mapping[str, GroupDifference | str]
    by_images: ShuffleTest | None


@dataclass(frozen=True, eq=False)
class Audit:
    """All that notebook 03 finds; see `PrivacyResults` for what of it is recorded.

    Attributes
    ----------
    views
        What each judge sees, in the order of the judges.
    shown
        The view whose pictures are shown: of the competent judge that sees the larger link, else the first.
    planted
        Judge -> whether planted copies would be noticed; empty where there are too few unseen persons.
    """

    sets: AuditedSets
    views: tuple[View, ...]
    shown: View
    exposure: Exposure
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
        return tuple(claim for claim in self.claims if claim.verdict.startswith("above"))


def audit(
    authentic: FaceSet,
    control: FaceSet | None,
    synthetic: FaceSet,
    judges: Sequence[Judge],
    settings: AuditSettings | None = None,
    *,
    held_out: FaceSet | None = None,
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
    accelerator
        By default one process, in the arithmetic that the machine does best.

    Raises
    ------
    InputError
        A set has no labels, or there is no judge.
    """
    accelerator = accelerator or make_accelerator("auto")
    sets = AuditedSets.choose(authentic, synthetic, control, held_out)
    return results(examine(sets, judges, settings or AuditSettings(), accelerator))


def examine(
    sets: AuditedSets,
    judges: Sequence[Judge],
    settings: AuditSettings,
    accelerator: Accelerator,
    traits: pd.DataFrame | None = None,
) -> Audit:
    """The audit with all that figures need.

    Parameters
    ----------
    traits
        A row for each authentic identity, by its label, and a column for each trait that groups them; None where
        nothing is known.
    """
    if not judges:
        raise InputError("there is no judge; give at least one recognition model")
    views = tuple(view_of(judge, sets, settings, accelerator) for judge in judges)
    shown = shown_view(views)
    return Audit(
        sets=sets,
        views=views,
        shown=shown,
        exposure=exposure(shown, sets, traits, settings),
        planted=plant(sets, views, settings),
        claims=claims(views, settings.equivalence_margin),
        remedies=filter_at_rates(sets, views, settings),
    )


def exposure(view: View, sets: AuditedSets, traits: pd.DataFrame | None, settings: AuditSettings) -> Exposure:
    """Whose link is strong, whether groups of traits differ in it, and whether more training images mean more of it."""
    found, shuffles, seed = view.evidence.exposure, settings.shuffles, settings.seed
    labels = sets.identities[found.index]
    counts = pd.Series(sets.whole_authentic.labels).value_counts().loc[labels]
    groups: dict[str, GroupDifference | str] = {}
    for trait in [] if traits is None else traits.columns:
        try:
            of_each = traits.loc[labels, trait]
            groups[trait] = by_group(found.to_numpy(), of_each, shuffles, settings.bootstrap_resamples, seed)
        except InputError as error:
            groups[trait] = str(error)
    return Exposure(found, groups, by_images(found.to_numpy(), counts.to_numpy(), shuffles, seed))


def plant(sets: AuditedSets, views: Sequence[View], settings: AuditSettings) -> dict[str, Planted]:
    """For each judge that is a model, whether planted copies would be noticed; empty with too few unseen persons."""
    p, given = settings, (sets.authentic, sets.synthetic, sets.control, sets.held_out)
    pictures = make_pictures(*given, p.power_images, p.seed)
    if pictures is None:
        return {}
    return {
        view.name: plant_copies(
            view.judge.embed_images, pictures, view.sets.authentic[0], view.sets.synthetic[0], p.power_draws, p.seed
        )
        for view in views
        if view.judge.model is not None
    }


def claims(views: Sequence[View], margin: float) -> tuple[ClaimFacts, ...]:
    """What the evidence of all judges supports, marked where it is exploratory or one judge alone finds a link."""
    found = [claim for view in views for claim in study.make_claims(view.evidence, view.name, view.competent, margin)]
    alone = {name for name, judges in supported_by(found).items() if len(judges) == 1}
    return tuple(
        ClaimFacts(
            claim=claim.name,
            judge=claim.judge,
            value=claim.value,
            chance=claim.chance,
            low=claim.interval.low,
            high=claim.interval.high,
            p_corrected=p_corrected,
            verdict=verdict
            + (ALONE if claim.name in alone and verdict.startswith("above") else "")
            + (EXPLORATORY if claim.name in study.EXPLORATORY and p_corrected is not None else ""),
        )
        for claim, (p_corrected, verdict) in zip(found, verdicts(found), strict=True)
    )


def results(found: Audit) -> PrivacyResults:
    """What later chapters find."""
    competent = [view for view in found.views if view.competent]
    impartial = [view for view in competent if view.name != found.remedies.filterer]
    sets, shipped = found.sets, sha256_of_file(VERIFIER_PATH)
    return PrivacyResults(
        judges={view.name: _judge_facts(view) for view in found.views},
        larger=found.larger.name if found.larger else None,
        rank1_chance=1 / len(sets.authentic.identities),
        shuffle={view.name: _link_at_chance(view.evidence.auc) for view in found.views},
        claims=found.claims,
        planted={
            name: PlantedFacts(each.detectable, each.power[0].rate, each.share_above)
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


def _link_at_chance(test: ShuffleTest) -> LinkAtChance:
    return LinkAtChance(test.observed, *test.band(), test.p_value)
