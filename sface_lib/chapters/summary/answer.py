"""Whether a synthetic set gives its sources away: yes, no, or undecided, by a rule that was fixed before."""

from dataclasses import dataclass
from typing import Literal

from sface_lib.chapters.privacy.claims import EXPLORATORY, NOT_EXCLUDED
from sface_lib.chapters.privacy.results import ClaimFacts, PrivacyResults
from sface_lib.privacy.study import STATISTICS
from sface_lib.privacy.verdict import EQUIVALENT

RESTRICTIONS = (EXPLORATORY, NOT_EXCLUDED)  # A claim with one of these decides nothing by itself.


@dataclass(frozen=True)
class Answer:
    """What the claims of notebook 03 answer.

    Attributes
    ----------
    word
        "yes" where a claim without restriction is above chance; "no" where none at all is, every claim that can be
        equivalent to chance is, and no alarm for copies sounds; else "undecided".
    judged
        The claims by competent judges, but for those on who is exposed more.
    above, restricted
        Those of them above chance, without a restriction and with one.
    alarms
        The competent judges whose alarm for copies sounds.
    """

    word: Literal["yes", "no", "undecided"]
    judged: tuple[ClaimFacts, ...]
    above: tuple[ClaimFacts, ...]
    restricted: tuple[ClaimFacts, ...]
    alarms: tuple[str, ...]

    @property
    def strongest(self) -> list[ClaimFacts]:
        """Of each claim above chance the one by the judge that sees most."""
        largest: dict[str, ClaimFacts] = {}
        for claim in self.above:
            if claim.claim not in largest or claim.value > largest[claim.claim].value:
                largest[claim.claim] = claim
        return list(largest.values())


def gives_away(privacy: PrivacyResults) -> Answer:
    """Whether the set gives its sources away, by all claims of all competent judges."""
    bounded = {statistic.name: statistic.has_margin for statistic in STATISTICS}
    judged = tuple(claim for claim in privacy.claims if claim.p_corrected is not None and claim.claim in bounded)
    found = [claim for claim in judged if claim.above]
    restricted = tuple(claim for claim in found if set(claim.notes) & set(RESTRICTIONS))
    above = tuple(claim for claim in found if claim not in restricted)
    alarms = tuple(
        name
        for name, planted in privacy.planted.items()
        if privacy.judges[name].competent
        and any(alarm and alarm.share_above for alarm in (planted.strangers, planted.same_persons))
    )
    near = [claim.verdict.startswith(EQUIVALENT) for claim in judged if bounded[claim.claim]]
    nothing = bool(near) and all(near) and not found and not alarms
    word = "yes" if above else "no" if nothing else "undecided"
    return Answer(word, judged, above, restricted, alarms)
