"""What is said of each set in the end: a card of the claims, the bound, the floor, the judges, and what stays open."""

from collections.abc import Iterable

from sface_lib.chapters.privacy.compute import Audit, Audits
from sface_lib.chapters.privacy.results import ClaimFacts
from sface_lib.chapters.privacy.show_sets import barred_of
from sface_lib.chapters.privacy.show_unlabelled import leak_in_words
from sface_lib.chapters.words import the
from sface_lib.privacy.verdict import BELOW, EQUIVALENT


def what_was_found(audits: Audits) -> str:
    """The card of every set, and what all of them cannot show."""
    if not any(view.competent for view in audits.views):
        return "No judge tells the authentic identities apart well enough: **nothing can be said about the link**."
    said = [card(each) for each in audits.done]
    said.append(
        "This cannot show that a set gives nothing away: another judge, or another test, may see what these do not."
    )
    return "\n\n".join(said)


def _found_of(audit: Audit) -> str:
    if audit.larger is None:
        return barred_of(audit)
    view, parts = audit.shown, []
    if view.evidence.labelled:
        metrics, rank_1 = view.link_metrics, view.evidence.labelled.rank_1
        low, high = view.evidence.labelled.link.test.band()
        parts.append(
            f"The largest link is {the(view.name)}'s: EER {100 * metrics.eer:.1f} %, AUC {metrics.auc:.3f}, where "
            f"renamed classes give {low:.3f} to {high:.3f}; rank-1 identification "
            f"{100 * rank_1.estimate.value:.1f} %, chance {100 * rank_1.test.null.mean():.1f} %."
        )
    elif view.evidence.label_free:
        free = view.evidence.label_free.test
        low, high = free.band()
        doubt = ", which is no claim here" if "control" in audit.sets.barred else ""
        whole = "images" if audit.sets.labels == "none" else "classes"
        parts.append(
            f"By {the(view.name)} {100 * free.observed:.1f} % of its {whole} are nearer to a training person than to "
            f"any control person, where random halves give {100 * low:.1f} to {100 * high:.1f} %{doubt}."
        )
    judged = sum(claim.p_corrected is not None for claim in audit.claims)
    parts.append(f"Of {judged} judged claims, {len(audit.above_chance)} are above chance.")
    return " ".join(parts)


def card(audit: Audit) -> str:
    """One set in words: a sentence, and a list of what rests on what."""
    if audit.larger is None:
        return f"**{audit.name}**: {barred_of(audit)}"
    judged = [claim for claim in audit.claims if claim.p_corrected is not None]
    groups = {
        "Above chance": [claim for claim in judged if claim.above],
        "Below chance": [claim for claim in judged if claim.verdict == BELOW],
        "Equivalent to chance": [claim for claim in judged if claim.verdict.startswith(EQUIVALENT)],
        "Not decided at this size": [claim for claim in judged if claim.verdict.startswith("not decided")],
    }
    copied, images = audit.sets.training_images, len(audit.sets.whole_synthetic)
    lines = [f"Training images: {copied:,} of its {images:,} images, byte for byte."] if copied else []
    lines += [f"{title}: {_listed(claims)}." for title, claims in groups.items() if claims]
    lines += [
        f"Leak share: {leak_in_words(audit)}",
        f"Compared with: {_floor(audit)}.",
        f"Judges: {_judges(audit)}.",
    ]
    return "\n".join([f"**{audit.name}**: {_found_of(audit)}", "", *(f"- {line}" for line in lines)])


def _listed(claims: Iterable[ClaimFacts]) -> str:
    """Claims with the judges that make them."""
    by: dict[str, list[str]] = {}
    for claim in claims:
        by.setdefault(claim.claim, []).append(claim.judge)
    return "; ".join(f"{name} (by {' and '.join(map(the, judges))})" for name, judges in by.items())


def _floor(audit: Audit) -> str:
    """The persons and sets that say what is no leak."""
    sets, said = audit.sets, []
    if sets.control is not None:
        kind = "like the training persons" if sets.exchangeable else "whose images may differ in kind"
        said.append(f"{len(sets.control.identities):,} control persons {kind}")
    said += [f"the unexposed set {name}" for name in audit.shown.evidence.nearer]
    return ", and ".join(said) or "nothing: neither control persons nor an unexposed set was given"


def _judges(audit: Audit) -> str:
    """Who judges, what they were trained on as far as that is known, and who may not."""
    may = [f"{the(v.name)} (trained on: {v.judge.model.description['trained_on']})" for v in audit.views if v.may_judge]
    not_asked = [f"not {the(name)}, which {why}" for name, why in audit.barred.items()]
    return ", ".join([*may, *not_asked])
