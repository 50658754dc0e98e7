"""What notebook 03 finds."""

from dataclasses import dataclass
from typing import Literal

from sface_lib.biometrics import VerificationMetrics
from sface_lib.privacy.verdict import ABOVE
from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class JudgeFacts(Facts):
    """What one judge sees.

    Attributes
    ----------
    competent
        Whether it tells the authentic identities apart.
    sha256
        Of its file of weights; None for raw pixels, as `trained_on`.
    metrics
        Setting, such as "authentic-synthetic" -> the figures of its scores.
    rank1
        Share of synthetic probes whose own class is the best match.
    """

    competent: bool
    sha256: str | None
    trained_on: str | None
    metrics: dict[str, VerificationMetrics]
    rank1: float

    def authentic_against(self, images: Literal["authentic", "synthetic"]) -> VerificationMetrics:
        """Figures of the scores of authentic images against these; against synthetic ones they are the link's."""
        return self.metrics[f"authentic-{images}"]


@dataclass(frozen=True)
class LinkAtChance(Facts):
    """AUC of the same-label link beside the 2.5 % and 97.5 % points that renamed classes give.

    Where groups are known, it is of the classes that share theirs with another, and renamed within it. The p may be
    smaller still where it is `p_at_floor`.
    """

    observed: float
    low: float
    high: float
    p: float
    p_at_floor: bool


@dataclass(frozen=True)
class ChanceFacts(Facts):
    """Within what chance was taken.

    Attributes
    ----------
    within
        Traits whose groups classes were renamed within; none where they are not known, or fewer than five identities
        share theirs, so that demographics may make a link by labels.
    called
        Whether the attribute classifier called them.
    groups, left_out
        Groups of two identities at least, and identities that are alone in theirs and left out.
    """

    within: tuple[str, ...]
    called: bool
    groups: int
    left_out: int


@dataclass(frozen=True)
class ClaimFacts(Facts):
    """A claim that something is at chance, and what is supported.

    Attributes
    ----------
    low, high
        90 % interval of the value; None where equivalence to chance is not asked for.
    p_corrected
        By Holm; None where the judge is not competent.
    p_at_floor
        Whether it may be smaller still, as no shuffle came as far.
    notes
        What restricts the verdict, such as "one judge alone".
    """

    claim: str
    judge: str
    value: float
    chance: float
    low: float | None
    high: float | None
    p_corrected: float | None
    p_at_floor: bool
    verdict: str
    notes: tuple[str, ...]

    @property
    def above(self) -> bool:
        """Whether it is refuted, as the value is above chance."""
        return self.verdict == ABOVE


@dataclass(frozen=True)
class AlarmFacts(Facts):
    """An alarm for copies.

    Attributes
    ----------
    threshold
        Ratio of angles that it sounds at; None where it is not calibrated for a set of this size.
    detectable
        Share of planted copies from which on it sounds in 80 % of sets; None where none does.
    alarms_without
        Share of sets without copies that raise it.
    share_above
        Share of the synthetic images that do.
    """

    threshold: float | None
    detectable: float | None
    alarms_without: float
    share_above: float | None


@dataclass(frozen=True)
class PlantedFacts(Facts):
    """The alarm against strangers' images, and against other images of the training persons where there are enough."""

    strangers: AlarmFacts
    same_persons: AlarmFacts | None


@dataclass(frozen=True)
class RemedyFacts(Facts):
    """What a filter leaves, as one judge sees it.

    Attributes
    ----------
    fmr, tested_fmr
        Share of control images above its threshold: as asked for, and on the half that did not set it.
    kept
        Synthetic images that are left.
    link_auc, link_eer, rank1
        Of what is left; None where too little is.
    """

    fmr: float
    tested_fmr: float
    kept: int
    judge: str
    link_auc: float | None
    link_eer: float | None
    rank1: float | None


@dataclass(frozen=True)
class PrivacyResults(Results):
    """The identity link by every judge, the claims, and the remedy.

    Attributes
    ----------
    larger
        The competent judge that sees the larger link; None without one.
    impartial_judge
        The one that sees the larger link among those that did not filter.
    chance
        Within what groups classes were renamed.
    plan_sha256
        Of what was to be claimed, fixed before any score.
    shuffle
        Judge -> the same-label link against its null.
    verifier_shipped
        Whether the verifier is the shipped one, trained on rendered identities of its own.
    image_px
        Side of the compared images, "authentic" and "synthetic".
    """

    VERSION = 2

    judges: dict[str, JudgeFacts]
    larger: str | None
    rank1_chance: float
    chance: ChanceFacts
    plan_sha256: str
    shuffle: dict[str, LinkAtChance]
    claims: tuple[ClaimFacts, ...]
    planted: dict[str, PlantedFacts]
    remedy: tuple[RemedyFacts, ...]
    impartial_judge: str | None
    verifier_shipped: bool
    image_px: dict[str, int | None]
