"""What notebook 03 finds."""

from dataclasses import dataclass
from typing import Literal

from sface_lib.biometrics import VerificationMetrics
from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class JudgeFacts(Facts):
    """A judge.

    Attributes
    ----------
    competent
        Whether it tells the authentic identities apart.
    sha256
        Of its file of weights; None for raw pixels, as `trained_on`.
    authentic
        Figures of its scores of authentic against authentic images.
    """

    competent: bool
    sha256: str | None
    trained_on: str | None
    authentic: VerificationMetrics

    @property
    def is_competent_model(self) -> bool:
        """Whether it is competent, and no mere comparison of pixels."""
        return self.competent and bool(self.sha256)


@dataclass(frozen=True)
class LinkAtChance(Facts):
    """A link beside the 2.5 % and 97.5 % points of its null: the AUC by labels, or the share of classes without.

    The AUC's null renames classes; where groups are known, it is of the classes that share theirs with another, and
    renamed within it. The p may be smaller still where it is `p_at_floor`.
    """

    observed: float
    low: float
    high: float
    p: float
    p_at_floor: bool


@dataclass(frozen=True)
class LeakFacts(Facts):
    """A lower bound on the share of classes that are nearer to a training person than the floor explains.

    Attributes
    ----------
    bound
        The share, at a confidence of `level`, which allows the largest of all judges to be quoted.
    classes, persons
        Of how many classes, and how many persons of each kind they are held against.
    fewest_persons
        How many persons at least must be followed to be found.
    """

    bound: float
    level: float
    classes: int
    persons: int
    fewest_persons: int


@dataclass(frozen=True)
class NearerFacts(Facts):
    """How much nearer to the training persons a set is than an unexposed one.

    Attributes
    ----------
    difference, low, high
        Mean best score over training less over control persons, of the set less of the unexposed one, and its 95 %
        interval.
    lead
        The same of the best score less the second-best person's.
    auc
        Chance that a class of the set has a higher best score over training persons than one of the unexposed set.
    classes
        Of how many classes of both.
    """

    difference: float
    low: float
    high: float
    lead: float
    auc: float
    classes: int


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
        90 % interval of the value; None where it has none.
    p_corrected
        By Holm; None where the judge is not competent, or nothing is claimed.
    p_at_floor
        Whether it may be smaller still, as no shuffle came as far.
    above
        Whether it is refuted, as the value is above chance.
    barred
        Whether the value supports no claim: what it is compared with isn't exchangeable, or its judge had a part.
    notes
        What restricts the verdict, such as "one judge alone".
    comparisons, subjects
        Of how many scores, or searches by identification, the value is, None where that is not told; and of how many
        identities, or classes.
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
    above: bool
    barred: bool
    notes: tuple[str, ...]
    comparisons: int | None
    subjects: int


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
class AuditFacts(Facts):
    """What the judges find of one synthetic set.

    Attributes
    ----------
    labels
        What its classes are: "authentic", "own" or "none".
    exposed
        Whether its generator may have seen the authentic set.
    control_is_exchangeable
        Whether control persons could stand for training persons, so that what is compared with them is a claim.
    images
        How many are compared.
    training_images
        How many of all its images are training images, byte for byte.
    barred
        Judge -> why it may not judge the set, such as that it taught the set's generator. Its numbers support no claim.
    larger
        The strongest competent judge that may judge the set; None without one.
    impartial_judge
        The strongest of those that did not filter.
    metrics
        Judge -> setting, such as "authentic-synthetic" -> the figures of its scores.
    rank1
        Judge -> share of synthetic probes whose own class is the best match; empty unless labels are authentic.
    chance
        Within what groups classes were renamed.
    shuffle
        Judge -> the same-label link against its null; empty unless labels are authentic.
    label_free
        Judge -> the label-free link against its null; empty without control persons.
    leak
        Judge -> the leak share; empty unless control and training persons are exchangeable.
    nearer
        Judge -> unexposed set -> how much nearer the set is; empty without control persons.
    """

    name: str
    labels: Literal["authentic", "own", "none"]
    exposed: bool
    control_is_exchangeable: bool
    images: int
    training_images: int
    image_px: int
    barred: dict[str, str]
    larger: str | None
    impartial_judge: str | None
    metrics: dict[str, dict[str, VerificationMetrics]]
    rank1: dict[str, float]
    rank1_chance: float
    chance: ChanceFacts
    shuffle: dict[str, LinkAtChance]
    label_free: dict[str, LinkAtChance]
    leak: dict[str, LeakFacts]
    nearer: dict[str, dict[str, NearerFacts]]
    claims: tuple[ClaimFacts, ...]
    planted: dict[str, PlantedFacts]
    remedy: tuple[RemedyFacts, ...]

    @property
    def by_label(self) -> bool:
        """Whether its classes stand for authentic identities."""
        return self.labels == "authentic"

    def nearness(self, judge: str) -> float:
        """By how much a judge sees the set near to the training persons: AUC of the link, or the label-free share.

        0 by one that may not judge it.
        """
        if judge in self.barred:
            return 0.0
        if self.by_label:
            return self.link(judge).auc
        return self.label_free[judge].observed if judge in self.label_free else 0.5

    def link(self, judge: str) -> VerificationMetrics | None:
        """The same-label link by a judge; None unless labels are authentic."""
        return self.metrics[judge].get("authentic-synthetic")


@dataclass(frozen=True)
class PrivacyResults(Results):
    """What each synthetic set gives away, by every judge.

    Attributes
    ----------
    plan_sha256
        Of what was to be claimed, fixed before any score.
    verifier_shipped
        Whether the verifier is the shipped one, trained on rendered identities of its own.
    authentic_px
        Side of the authentic images.
    sets
        In the order in which they were asked for.
    failed
        Name -> why a set could not be audited.
    """

    VERSION = 7

    judges: dict[str, JudgeFacts]
    plan_sha256: str
    verifier_shipped: bool
    authentic_px: int
    sets: tuple[AuditFacts, ...]
    failed: dict[str, str]

    @property
    def competent(self) -> list[str]:
        """Names of the judges that are competent models."""
        return [name for name, facts in self.judges.items() if facts.is_competent_model]

    def __getitem__(self, name: str) -> AuditFacts:
        return next(each for each in self.sets if each.name == name)
