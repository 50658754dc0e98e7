"""The statistics of a link: of what evidence each is, what it needs, and the claim that it is at chance.

Packages add statistics by entry points of the group `sface_lab.statistics`, under the claim's name.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from sface_lib.privacy.chance import Tested
from sface_lib.privacy.evidence import Evidence
from sface_lib.privacy.settings import UNEXPOSED
from sface_lib.privacy.verdict import EQUIVALENCE_LEVEL, Claim
from sface_lib.registry import Registry

MEMBERSHIP_OF_IMAGES = "membership of images within persons, AUC"
NEARER = "nearer to the training set than unexposed sets, difference of scores"


@dataclasses.dataclass(frozen=True)
class Statistic:
    """What a claim is about: something that is at chance where nothing is given away.

    Attributes
    ----------
    name
        The claim's.
    tested
        The statistic with its null, and how many identities are behind it; None where the sets do not give it. One that
        a package adds computes it from `Evidence.sets`, with so many shuffles and that seed.
    has_margin
        Whether it may be equivalent to chance: not the share of identified probes, whose chance is near 0.
    by_label
        Whether it rests on equal labels, so that demographics alone make it where groups are not known.
    needs
        The set, "control" or "held_out", that it cannot do without, and that must be exchangeable with what trained;
        or `UNEXPOSED`.
    instead_of
        The set of `needs` in whose place it stands: it is claimed only where nothing may be claimed from that one.
    exploratory
        Whether it was chosen after a set had been seen, and no other generator has confirmed it yet.
    """

    name: str
    tested: Callable[[Evidence], tuple[Tested, int] | None]
    has_margin: bool = True
    by_label: bool = False
    needs: str | None = None
    instead_of: str | None = None
    exploratory: bool = False

    def stands(self, barred: Mapping[str | None, str]) -> bool:
        """Whether it is asked where nothing is claimed from what is `barred`."""
        return self.instead_of is None or self.instead_of in barred


def _labelled(name: str) -> Callable[[Evidence], tuple[Tested, int] | None]:
    def tested(evidence: Evidence) -> tuple[Tested, int] | None:
        return evidence.labelled and (getattr(evidence.labelled, name), evidence.labelled.renamed)

    return tested


def _label_free(evidence: Evidence) -> tuple[Tested, int] | None:
    free = evidence.label_free
    return free and (Tested(free.estimate, free.test, len(free.training)), len(free.training))


def _images(evidence: Evidence) -> tuple[Tested, int] | None:
    images = evidence.images
    return images and (Tested(images.auc, images.test, images.comparisons), images.identities)


def _persons(evidence: Evidence) -> tuple[Tested, int] | None:
    persons = evidence.persons
    return persons and (Tested(persons.auc, persons.test, persons.members * persons.others), persons.identities)


def _nearest(evidence: Evidence) -> tuple[Tested, int] | None:
    """The difference to the unexposed set that shows least of it: it must hold against every one."""
    if not evidence.nearer:
        return None
    least = max(evidence.nearer.values(), key=lambda difference: difference.best.test.p_two_sided)
    signs = {np.sign(difference.best.estimate.value) for difference in evidence.nearer.values()}
    tested = least.best
    if len(signs) > 1:  # Nearer than one and farther than another is neither.
        tested = dataclasses.replace(tested, test=dataclasses.replace(tested.test, p_value=1.0, p_below=1.0))
    return tested, least.persons


_OWN = (
    Statistic("same-label link, AUC", _labelled("link"), by_label=True),
    Statistic("rank-1 identification", _labelled("rank_1"), has_margin=False, by_label=True),
    Statistic("label of the nearest image", _labelled("neighbours"), has_margin=False, by_label=True),
    Statistic("label-free link, share of classes", _label_free, needs="control"),
    Statistic(MEMBERSHIP_OF_IMAGES, _images, needs="held_out", exploratory=True),
    Statistic("membership of persons, AUC", _persons, needs="control"),
    Statistic(NEARER, _nearest, has_margin=False, needs=UNEXPOSED, instead_of="control"),
)

STATISTICS: Registry[Statistic] = Registry(
    "link statistic", "sface_lab.statistics", {statistic.name: statistic for statistic in _OWN}
)


def claims_of(
    evidence: Evidence, judge: str, competent: bool, margin: float, barred: Mapping[str | None, str] | None = None
) -> list[Claim]:
    """The claims of a verdict: each statistic is at chance, with this judge's evidence.

    `margin` is the largest distance to chance that counts as equivalent, of an AUC and of the label-free share, and
    `barred` that of `EmbeddedSets`.
    """
    barred = barred or {}
    made = ((statistic, statistic.tested(evidence)) for statistic in STATISTICS.values() if statistic.stands(barred))
    return [
        Claim(
            name=statistic.name,
            judge=judge,
            value=outcome[0].estimate.value,
            chance=float(outcome[0].test.null.mean()),
            interval=outcome[0].estimate.interval(EQUIVALENCE_LEVEL),
            p_value=outcome[0].test.p_two_sided,
            p_floor=2 * outcome[0].test.floor,
            competent=competent,
            margin=margin if statistic.has_margin else 0.0,
            null_sd=float(outcome[0].test.null.std()),
            identities=outcome[1],
            comparisons=outcome[0].comparisons,
            barred=barred.get(statistic.needs, ""),
        )
        for statistic, outcome in made
        if outcome is not None
    ]
