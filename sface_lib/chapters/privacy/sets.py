"""The sets that are audited, and what one judge sees of them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters.privacy.demographics import Demographics
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.data import FaceSet
from sface_lib.privacy import Comparison, study
from sface_lib.privacy.exposure import FEWEST
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.judges import Judge


@dataclass(frozen=True, eq=False)
class AuditedSets:
    """A synthetic set and those that it is held against; class k is the authentic identity k.

    Attributes
    ----------
    whole_authentic, whole_synthetic
        All training images, and all that the generator drew.
    authentic, synthetic
        The images of them that are compared: see `sface_lib.privacy.study.affordable`.
    positions
        Where the compared synthetic images lie in the whole set, int64.
    identities
        Labels, in the whole set, of the compared identities, ascending.
    control
        Persons who trained nothing, or None.
    held_out
        Images of the authentic persons that trained nothing, or None.
    demographics
        What is known or called of the training identities, or None.
    """

    whole_authentic: FaceSet
    whole_synthetic: FaceSet
    authentic: FaceSet
    synthetic: FaceSet
    positions: np.ndarray
    identities: np.ndarray
    control: FaceSet | None = None
    held_out: FaceSet | None = None
    demographics: Demographics | None = None

    @classmethod
    def choose(
        cls,
        authentic: FaceSet,
        synthetic: FaceSet,
        control: FaceSet | None = None,
        held_out: FaceSet | None = None,
        demographics: Demographics | None = None,
    ) -> "AuditedSets":
        """The sets, of which as many images are compared as intervals and shuffles can be computed for.

        Raises
        ------
        InputError
            A set has no labels.
        """
        labels = authentic.require_labels(), synthetic.require_labels()
        chosen = study.affordable(*labels)
        compared = (faces.subset(rows) for faces, rows in zip((authentic, synthetic), chosen, strict=True))
        identities = np.unique(labels[0][chosen[0]])
        return cls(authentic, synthetic, *compared, chosen[1], identities, control, held_out, demographics)

    @property
    def compared(self) -> dict[str, FaceSet]:
        """What a judge embeds, by the names of `sface_lib.privacy.study.Embedded`."""
        every = {
            "authentic": self.authentic,
            "synthetic": self.synthetic,
            "control": self.control,
            "held_out": self.held_out,
        }
        return {name: faces for name, faces in every.items() if faces is not None}

    @functools.cached_property
    def groups(self) -> pd.Series | None:
        """Group of each compared identity, by its label among them; None where fewer than five share theirs."""
        if self.demographics is None:
            return None
        groups = self.demographics.groups(self.identities)
        return groups if len(exchangeable(groups.index.to_numpy(), groups)) >= FEWEST else None

    @property
    def left_out(self) -> bool:
        """Whether some images are not compared."""
        whole = len(self.whole_authentic), len(self.whole_synthetic)
        return (len(self.authentic), len(self.synthetic)) != whole


@dataclass(frozen=True, eq=False)
class View:
    """What one judge sees: the embedded sets, their scores in the three settings, and the sceptic's tests."""

    judge: Judge
    sets: study.Embedded
    settings: study.Settings
    evidence: study.Evidence

    @property
    def name(self) -> str:
        """The judge's."""
        return self.judge.name

    @property
    def competent(self) -> bool:
        """Whether its link counts: it is a model, and tells the authentic identities apart."""
        return self.judge.model is not None and self.settings.competent

    @property
    def link(self) -> Comparison:
        """Authentic against synthetic images; genuine means the same class label."""
        return self.settings.comparisons[study.LINK]

    @property
    def link_metrics(self) -> VerificationMetrics:
        """Of the link."""
        return self.settings.metrics[study.LINK]


def view_of(judge: Judge, sets: AuditedSets, settings: AuditSettings, accelerator: Accelerator) -> View:
    """Embed the sets by one judge, score them and run the sceptic's tests."""
    rows = {name: (judge.embed(faces), faces.labels) for name, faces in sets.compared.items()}
    embedded = study.Embedded(**rows, groups=sets.groups)
    scored = study.three_settings(embedded, settings.max_rank, accelerator)
    tested = (settings.shuffles, settings.bootstrap_resamples, settings.seed)
    return View(judge, embedded, scored, study.gather_evidence(embedded, scored, *tested))


def shown_view(views: Sequence[View]) -> View:
    """Of the competent judge that sees the larger link; of the first judge where none is competent."""
    competent = [view for view in views if view.competent]
    return max(competent, key=lambda view: view.link_metrics.auc) if competent else views[0]
