"""An audited synthetic set with the sets that it is compared to, and what one judge sees of them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters.privacy.demographics import Demographics
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.setspec import AUTHENTIC, UNLABELLED, Labels
from sface_lib.chapters.study import Study
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.data import FaceSet
from sface_lib.errors import InputError, SfaceError
from sface_lib.matching import PairScores
from sface_lib.privacy.evidence import Evidence, gather_evidence
from sface_lib.privacy.exposure import FEWEST
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.judges import Judge
from sface_lib.privacy.settings import (
    LINK,
    MOST_UNLABELLED,
    NEEDS,
    NOT_EXCHANGEABLE,
    NOT_RANDOM,
    SETTINGS,
    UNEXPOSED,
    EmbeddedSet,
    EmbeddedSets,
    SettingScores,
    affordable,
    not_told_apart,
    score_settings,
)
from sface_lib.privacy.verdict import ALPHA


@dataclass(frozen=True, eq=False)
class Unexposed:
    """The images of an unexposed set that are compared, and why models do not judge it."""

    faces: FaceSet
    barred_models: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class AuditedSets:
    """A synthetic set and those that it is held against.

    Attributes
    ----------
    name
        Name of the synthetic set.
    labels
        What its classes are: "authentic", class k being the authentic identity k; "own"; or "none", each image having a
        class of its own here.
    exposed
        Whether its generator may have seen the authentic set.
    whole_authentic, whole_synthetic
        All training images, and all synthetic ones.
    authentic, synthetic
        The images of them that are compared: see `sface_lib.privacy.settings.affordable`.
    positions
        Where the compared synthetic images lie in the whole set, int64.
    identities
        Labels, in the whole set, of the compared identities, ascending.
    control
        Persons that no generator saw, or None; `exchangeable` where they are of the training persons' distribution.
    held_out
        Images of the authentic persons that no generator saw, or None; `held_out_at_random` where they were split off
        at random before training.
    demographics
        What is known or called of the training identities, or None.
    barred_models
        Models that do not judge the set -> why; see `SyntheticSet`.
    unexposed
        Name -> another set whose generator never saw the authentic one; without those that hold training images.
    training_images
        How many of all synthetic images are training images, byte for byte.
    """

    name: str
    labels: Labels
    exposed: bool
    whole_authentic: FaceSet
    whole_synthetic: FaceSet
    authentic: FaceSet
    synthetic: FaceSet
    positions: np.ndarray
    identities: np.ndarray
    control: FaceSet | None = None
    exchangeable: bool = True
    held_out: FaceSet | None = None
    held_out_at_random: bool = True
    demographics: Demographics | None = None
    barred_models: Mapping[str, str] = field(default_factory=dict)
    unexposed: Mapping[str, Unexposed] = field(default_factory=dict)
    training_images: int = 0

    @classmethod
    def of(cls, study: Study, synthetic: SyntheticSet, demographics: Demographics | None) -> "AuditedSets":
        """A synthetic set of a study, with what the study holds it against; see `choose`."""
        return cls.choose(
            study.training,
            synthetic,
            [each for each in study.synthetic if not each.exposed and each.name != synthetic.name],
            control=study.control,
            exchangeable=study.control_is_exchangeable(synthetic),
            held_out=study.held_out,
            held_out_at_random=study.held_out_at_random(synthetic),
            demographics=demographics,
        )

    @classmethod
    def choose(
        cls, authentic: FaceSet, synthetic: SyntheticSet, unexposed: Sequence[SyntheticSet] = (), **others: Any
    ) -> "AuditedSets":
        """Choose the images to compare: as many as intervals and shuffles can be computed for.

        Parameters
        ----------
        authentic
            The training images, with labels.
        synthetic
            The set that is audited.
        unexposed
            Other synthetic sets, whose generators never saw the authentic one.
        others
            `control`, `exchangeable`, `held_out`, `held_out_at_random`, `demographics`, as of `AuditedSets`.

        Raises
        ------
        InputError
            The authentic set has no labels, or a synthetic set that is not declared "none" has none.
        """
        trained = authentic.require_labels()
        positions = _compared(trained, synthetic)
        usable = [each for each in unexposed if not each.faces.shared_with(authentic)]
        return cls(
            name=synthetic.name,
            labels=synthetic.labels,
            exposed=synthetic.exposed,
            whole_authentic=authentic,
            whole_synthetic=synthetic.faces,
            authentic=authentic.subset(positions[0]),
            synthetic=synthetic.faces.subset(positions[1]),
            positions=positions[1],
            identities=np.unique(trained[positions[0]]),
            barred_models=synthetic.barred_models,
            unexposed={
                each.name: Unexposed(each.faces.subset(_compared(trained, each)[1]), each.barred_models)
                for each in usable
            },
            training_images=synthetic.faces.shared_with(authentic),
            **others,
        )

    def check_unexposed(self) -> None:
        """Raise `InputError` where the set is said to be unexposed and holds training images."""
        if self.training_images and not self.exposed:
            raise InputError(
                f"the synthetic set {self.name!r} is said to be unexposed, but holds {self.training_images:,} of the "
                "training images, byte for byte; give it without :unexposed"
            )

    @property
    def by_label(self) -> bool:
        """Whether classes stand for authentic identities."""
        return self.labels == AUTHENTIC

    @property
    def compared(self) -> dict[str, FaceSet]:
        """What a judge embeds, by the names of `sface_lib.privacy.settings.EmbeddedSets`."""
        every = {
            "authentic": self.authentic,
            "synthetic": self.synthetic,
            "control": self.control,
            "held_out": self.held_out,
        }
        return {name: faces for name, faces in every.items() if faces is not None}

    @property
    def barred(self) -> dict[str, str]:
        """ "control" and "held_out" -> why no claim may rest on it: see `sface_lib.privacy.settings.EmbeddedSets`."""
        control = {} if self.exchangeable else {"control": NOT_EXCHANGEABLE}
        return control | ({} if self.held_out_at_random else {"held_out": NOT_RANDOM})

    @property
    def relied_on(self) -> set[str | None]:
        """What claims may rest on, of `sface_lib.privacy.settings.NEEDS`."""
        given = {None, *self.compared} - self.barred.keys()
        return given | ({UNEXPOSED} if self.unexposed and self.control is not None else set())

    def barred_by(self, judge: Judge) -> dict[str | None, str]:
        """Why a judge claims nothing from "control" or "held_out"; under None, too, where it may not judge the set."""
        reason = judge.part_in(self.barred_models)
        return dict.fromkeys(NEEDS, reason) if reason else dict(self.barred)

    @functools.cached_property
    def groups(self) -> pd.Series | None:
        """Group of each compared identity, by its label among them.

        None where fewer than five identities share their group with another, and where labels are not those of
        authentic identities, as no class then has a group.
        """
        if self.demographics is None or not self.by_label:
            return None
        groups = self.demographics.groups(self.identities)
        return groups if len(exchangeable(groups.index.to_numpy(), groups)) >= FEWEST else None

    @property
    def left_out(self) -> bool:
        """Whether some images are not compared."""
        whole = len(self.whole_authentic), len(self.whole_synthetic)
        return (len(self.authentic), len(self.synthetic)) != whole


def _compared(trained: np.ndarray, synthetic: SyntheticSet) -> tuple[np.ndarray, np.ndarray]:
    drawn = None if synthetic.labels == UNLABELLED else synthetic.faces.require_labels()
    return compared_images(trained, synthetic.labels, drawn, len(synthetic.faces))


def compared_images(
    trained: np.ndarray, meaning: str, drawn: np.ndarray | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, int64, of the authentic and of the synthetic images that are compared.

    Parameters
    ----------
    trained
        Labels of the authentic images, int64 `[N]`.
    meaning, drawn, count
        Of the synthetic set: what its labels mean ("authentic", "own" or "none"); the labels, int64 `[M]`, unused and
        possibly None for "none"; and M, the number of its images.
    """
    if meaning != UNLABELLED:
        return affordable(trained, drawn, by_label=meaning == AUTHENTIC)
    sampled = np.linspace(0, count - 1, min(count, MOST_UNLABELLED)).astype(np.int64)
    kept = affordable(trained, sampled, by_label=False, most_classes=MOST_UNLABELLED)
    return kept[0], sampled[kept[1]]


@dataclass(frozen=True, eq=False)
class View:
    """What one judge sees: the embedded sets, their scores in the three settings, and the tests on them."""

    judge: Judge
    sets: EmbeddedSets
    scores: SettingScores
    evidence: Evidence

    @property
    def name(self) -> str:
        """Name of the judge."""
        return self.judge.name

    @property
    def competent(self) -> bool:
        """Whether it is a model and tells the authentic identities apart."""
        return self.judge.model is not None and self.scores.competent

    @property
    def barred(self) -> str:
        """Why it may not judge the set, such as that it taught the set's generator; empty where it may."""
        return self.sets.barred.get(None, "")

    @property
    def may_judge(self) -> bool:
        """Whether claims rest on it: it is competent, and had no part in the set."""
        return self.competent and not self.barred

    @property
    def label(self) -> str:
        """Its name in figures, with a note where it may not judge the set."""
        return f"{self.name} (no claim)" if self.barred else self.name

    @property
    def link(self) -> PairScores:
        """Authentic against synthetic images; genuine means the same class label, which must be an authentic one."""
        return self.scores.comparisons[LINK]

    @property
    def link_metrics(self) -> VerificationMetrics:
        """Metrics of `link`."""
        return self.scores.metrics[LINK]

    @property
    def nearness(self) -> float:
        """How much the set seems to give away, 0 to 1: AUC of the link, or without labels the label-free share."""
        if self.sets.by_label:
            return self.link_metrics.auc
        return self.evidence.label_free.test.observed if self.evidence.label_free else 0.5


def view_of(
    judge: Judge,
    sets: AuditedSets,
    settings: AuditSettings,
    accelerator: Accelerator,
    earlier: View | None = None,
    level: float = 1 - ALPHA,
) -> View:
    """Embed the sets by one judge, score them and run the statistical tests.

    `earlier` is the judge's view of another synthetic set; scores and intervals within the authentic set are taken from
    it where the authentic images are the same. `level` is the confidence level of the leak share.
    """
    rows = {name: _embedded(judge, faces) for name, faces in sets.compared.items()}
    embedded = EmbeddedSets(**rows, groups=sets.groups, labels=sets.labels, barred=sets.barred_by(judge))
    if earlier and not all(map(np.array_equal, earlier.sets.authentic, embedded.authentic)):
        earlier = None
    scored = score_settings(embedded, settings.max_rank, accelerator, earlier and earlier.scores)
    authentic_scores = scored.comparisons[SETTINGS[0]]
    if None not in embedded.barred and (why := not_told_apart(*embedded.synthetic, authentic_scores)):
        embedded = replace(embedded, barred=dict.fromkeys(NEEDS, why))
    embedded = replace(embedded, unexposed=_unexposed(judge, sets, authentic_scores))
    test_settings = (
        settings.shuffles,
        settings.bootstrap_resamples,
        settings.seed,
        earlier and earlier.evidence,
        level,
    )
    return View(judge, embedded, scored, gather_evidence(embedded, scored, *test_settings))


def _embedded(judge: Judge, faces: FaceSet) -> EmbeddedSet:
    """A set by a judge; in an unlabelled set every image gets a label of its own."""
    return EmbeddedSet(judge.embed(faces), np.arange(len(faces)) if faces.labels is None else faces.labels)


def _unexposed(judge: Judge, sets: AuditedSets, authentic: PairScores) -> dict[str, EmbeddedSet]:
    """Unexposed sets that the judge may judge, can embed, and whose classes it tells apart."""
    usable = {}
    for name, other in sets.unexposed.items() if sets.control is not None else ():
        if judge.part_in(other.barred_models):
            continue
        try:
            embedded = _embedded(judge, other.faces)
        except SfaceError:
            continue  # Its own audit says why.
        if not not_told_apart(*embedded, authentic):
            usable[name] = embedded
    return usable


def shown_view(views: Sequence[View]) -> View:
    """The view with the greatest `nearness` of those that may judge the set; the first view where none may."""
    judging = [view for view in views if view.may_judge]
    return max(judging, key=lambda view: view.nearness) if judging else views[0]
