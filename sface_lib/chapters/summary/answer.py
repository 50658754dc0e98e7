"""Whether a synthetic set gives its sources away: yes, no, or undecided, by a rule that was fixed before."""

from dataclasses import dataclass
from typing import Literal

from sface_lib.chapters.privacy.claims import EXPLORATORY, NOT_EXCLUDED
from sface_lib.chapters.privacy.results import AuditFacts, ClaimFacts, PrivacyResults
from sface_lib.privacy.statistics import STATISTICS
from sface_lib.privacy.verdict import EQUIVALENT

RESTRICTIONS = (EXPLORATORY, NOT_EXCLUDED)  # A claim with one of these decides nothing by itself.


@dataclass(frozen=True)
class Answer:
    """What the claims of notebook 03 on a set answer.

    Attributes
    ----------
    name
        The set's.
    word
        "yes" where a claim without restriction is above chance; "no" where none at all is, every claim that can be
        equivalent to chance is, and copies were looked for and no alarm sounds; else "undecided".
    judges
        The competent judges that may judge the set.
    judged
        The claims by them, but for those on who is exposed more.
    above, restricted
        Those of them above chance, without one of `RESTRICTIONS` and with one.
    equivalent
        Whether all that can be are equivalent to chance.
    looked_for_copies
        Whether the alarm of one of `judges` is calibrated for a set of this size.
    alarms
        Those of them whose alarm for copies sounds.
    """

    name: str
    word: Literal["yes", "no", "undecided"]
    judges: tuple[str, ...]
    judged: tuple[ClaimFacts, ...]
    above: tuple[ClaimFacts, ...]
    restricted: tuple[ClaimFacts, ...]
    equivalent: bool
    looked_for_copies: bool
    alarms: tuple[str, ...]

    @property
    def strongest(self) -> list[ClaimFacts]:
        """Of each claim above chance the one by the strongest judge."""
        largest: dict[str, ClaimFacts] = {}
        for claim in self.above:
            if claim.claim not in largest or claim.value > largest[claim.claim].value:
                largest[claim.claim] = claim
        return list(largest.values())


def gives_away(privacy: PrivacyResults, audited: AuditFacts) -> Answer:
    """Whether a set gives its sources away, by all claims of all competent judges that may judge it."""
    judges = tuple(name for name in privacy.competent if name not in audited.barred)
    bounded = {statistic.name: statistic.has_margin for statistic in STATISTICS.values()}
    judged = tuple(claim for claim in audited.claims if claim.p_corrected is not None and claim.claim in bounded)
    positives = [claim for claim in judged if claim.above]
    restricted = tuple(claim for claim in positives if set(claim.notes) & set(RESTRICTIONS))
    above = tuple(claim for claim in positives if claim not in restricted)
    alarms = {
        name: [alarm for alarm in (planted.strangers, planted.same_persons) if alarm and alarm.threshold is not None]
        for name, planted in audited.planted.items()
        if name in judges
    }
    sounding = tuple(name for name, own in alarms.items() if any(alarm.share_above for alarm in own))
    near = [claim.verdict.startswith(EQUIVALENT) for claim in judged if bounded[claim.claim]]
    equivalent, looked = bool(near) and all(near), any(alarms.values())
    nothing = equivalent and looked and not positives and not sounding
    word = "yes" if above else "no" if nothing else "undecided"
    return Answer(audited.name, word, judges, judged, above, restricted, equivalent, looked, sounding)
