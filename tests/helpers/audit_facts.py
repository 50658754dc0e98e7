"""What notebook 03 found of a set, without a run."""

from collections.abc import Mapping
from typing import Any

from sface_lib.biometrics import VerificationMetrics, verification_metrics
from sface_lib.chapters.privacy.results import AuditFacts, ChanceFacts, JudgeFacts, LinkAtChance, PrivacyResults

PERFECT = verification_metrics([0.9, 0.8], [0.1, 0.2])  # AUC 1, EER 0.
LINK = "authentic-synthetic"


def a_judge(competent: bool = True, sha256: str | None = "judge") -> JudgeFacts:
    """A judge that tells all authentic identities apart."""
    return JudgeFacts(competent, sha256, "others", PERFECT)


def audit_facts(links: Mapping[str, VerificationMetrics], low: float = 0.45, high: float = 0.55, **changes: Any):
    """Of a set with authentic labels: each judge's link, and the band of its null."""
    metrics = {
        name: {"authentic-authentic": PERFECT, "synthetic-synthetic": PERFECT, LINK: link}
        for name, link in links.items()
    }
    shuffle = {name: LinkAtChance(link.auc, low, high, 0.01, False) for name, link in links.items()}
    fields = {
        "name": "generated",
        "labels": "authentic",
        "exposed": True,
        "control_is_exchangeable": True,
        "images": 100,
        "training_images": 0,
        "image_px": 64,
        "barred": {},
        "larger": None,
        "impartial_judge": None,
        "metrics": metrics,
        "rank1": dict.fromkeys(links, 0.5),
        "rank1_chance": 0.1,
        "chance": ChanceFacts((), False, 0, 0),
        "shuffle": shuffle,
        "label_free": {},
        "leak": {},
        "nearer": {},
        "claims": (),
        "planted": {},
        "remedy": (),
    }
    return AuditFacts(**fields | changes)


def privacy_results(judges: Mapping[str, JudgeFacts], *sets: AuditFacts) -> PrivacyResults:
    """Of a run on rendered faces by the shipped verifier."""
    return PrivacyResults(dict(judges), "", True, 64, sets, {})
