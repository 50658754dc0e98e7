"""What stands on the first screen of the page: findings as cards, a row for each set, the limits of this run."""

from collections.abc import Sequence

import pandas as pd

from sface_lib.chapters.attributes.results import AttributesResults
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import EvaluationResults
from sface_lib.chapters.privacy.results import AuditFacts, LeakFacts, PrivacyResults
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.summary.answer import Answer
from sface_lib.chapters.summary.compute import Summary
from sface_lib.chapters.words import GAP, listed, the
from sface_lib.run.fragments import Finding

MOST_CARDS = 4  # Cards on privacy; further sets stand in the table alone.
CLAIMS = ("03_privacy.claims", "The claims")
UNLABELLED = ("03_privacy.unlabelled", "The evidence without labels")


def whose_faces(data: DataResults) -> str:
    """Whose faces the run is about."""
    counted = f"{data.training_images:,} authentic images of {data.training_identities:,} identities"
    if data.rendered:
        return f"{counted}, which are rendered: they and all faces made from them show no real person."
    return f"{counted}, as they were given: faces and names of real persons may be among them."


def findings(
    answers: Sequence[Answer],
    summary: Summary,
    privacy: PrivacyResults,
    evaluation: EvaluationResults | None,
    attributes: AttributesResults,
) -> list[Finding]:
    """What was found: on whom each set gives away, on what the best set teaches, and on attributes."""
    asked = list(zip(answers, privacy.sets, strict=True))
    cards = [_gives_away(answer, audited) for answer, audited in asked[:MOST_CARDS]]
    taught = _teaches(summary, evaluation)
    drifted = _drift(attributes)
    return [*cards, *([taught] if taught else []), *([drifted] if drifted else [])]


def largest_leak(audited: AuditFacts) -> tuple[str, LeakFacts] | None:
    """The judge with the largest leak share of those that may judge the set, and that share."""
    may = {judge: leak for judge, leak in audited.leak.items() if judge not in audited.barred}
    return max(may.items(), key=lambda item: item[1].bound) if may else None


def _gives_away(answer: Answer, audited: AuditFacts) -> Finding:
    """Whether a set gives its sources away, with the number that shows most."""
    about = f"Does the set {answer.name} give the training persons away?"
    if not audited.exposed:
        about = f"Floor: does the set {answer.name}, whose generator never saw the training persons, seem to show them?"
    if not answer.judged:
        why = "no admissible judge is left" if audited.barred else "no claim about it is possible"
        return Finding(about, "", "", "not reliable", f"Nothing can be said: {why}.", CLAIMS)
    number, interval, what, evidence = _strongest(answer, audited)
    counted = f"{len(answer.above)} of its {len(answer.judged)} claims are above chance"
    if answer.word == "no":
        counted = (
            f"None of its {len(answer.judged)} claims is above chance, and all testable for equivalence are equivalent"
        )
    elif answer.word == "undecided" and not answer.restricted:
        counted = f"None of its {len(answer.judged)} claims is above chance; some cannot be decided at this size"
    elif answer.word == "undecided":
        counted = (
            f"{len(answer.restricted)} of its {len(answer.judged)} claims are above chance, each with a restriction"
        )
    return Finding(about, number, interval, answer.word, f"{what}. {counted}.", evidence)


def _strongest(answer: Answer, audited: AuditFacts) -> tuple[str, str, str, tuple[str, str]]:
    """Number, interval, meaning and evidence of what shows most of a set."""
    leak = largest_leak(audited)
    unit = "images" if audited.labels == "none" else "classes"
    if leak is None or (leak[1].bound == 0 and answer.above):
        claim = max(answer.above or answer.judged, key=lambda claim: claim.value - claim.chance)
        interval = "" if claim.low is None else f"[{claim.low:.3f}, {claim.high:.3f}], 90 %"
        name = claim.claim[:1].upper() + claim.claim[1:]
        return f"{claim.value:.3f}", interval, f"{name}, by {the(claim.judge)}; chance is {claim.chance:.3g}", CLAIMS
    judge, share = leak
    interval = f"one-sided, {100 * share.level:.3g} % confidence"
    if share.bound > 0:
        what = f"Share of its {unit} that are nearer to a training person than the floor explains, by {the(judge)}"
        return f"≥ {100 * share.bound:.1f} %", interval, what, UNLABELLED
    what = f"None of its {unit} is shown to be nearer to a training person than the floor explains"
    return "none shown", interval, what, UNLABELLED


def _teaches(summary: Summary, evaluation: EvaluationResults | None) -> Finding | None:
    """What the set that teaches most teaches; None where no network learnt from a synthetic set."""
    models = summary.by_labels if evaluation else []
    if not models:
        return None
    best = max(models, key=lambda model: model.mean_accuracy)
    of = f"the mean of {summary.n_benchmarks} benchmarks" if summary.n_benchmarks > 1 else summary.benchmark
    about = "Do synthetic faces teach recognition?"
    gap = evaluation.overall_gap[1].get(best.name)
    which = f"The set {best.learns_from}: a"
    sentence = f"{which} network trained on it by its labels alone reaches {100 * best.mean_accuracy:.1f} % in {of}"
    evidence = ("05_evaluation.accuracy", "The accuracies")
    badge = "yes" if best.accuracy.verdict == "learnt" else "undecided"
    if gap is None or BASELINE not in evaluation.mean_accuracy:
        return Finding(about, f"{100 * best.mean_accuracy:.1f} %", "", badge, f"{sentence}.", evidence)
    baseline = 100 * evaluation.mean_accuracy[BASELINE]
    sentence += f", the baseline, trained on authentic images, {baseline:.1f} %: the gap is {GAP}"
    interval = "" if gap.low is None else f"[{100 * gap.low:z.1f}, {100 * gap.high:z.1f}], 95 %"
    if evaluation.doubts:
        badge = "not reliable"
        sentence += f". The baseline may not have learnt all that it could: {'; '.join(evaluation.doubts)}"
    return Finding(about, f"gap {100 * gap.value:z.1f} points", interval, badge, f"{sentence}.", evidence)


def _drift(attributes: AttributesResults) -> Finding | None:
    """How many attributes differ; None where they were not compared."""
    comparison = attributes.findings
    if comparison is None:
        return None
    first, second = comparison.compared
    explained = comparison.separable.get("same sharpness")
    more = "" if explained is None else f", {explained} of them by more than image sharpness explains"
    sentence = f"They differ between {first} (authentic) and {second} (synthetic) beyond chance{more}."
    badge = "yes" if comparison.drifted else "undecided"  # That none drifts is not tested.
    number = f"{len(comparison.drifted)} of {len(comparison.attributes)}"
    evidence = ("06_attributes.divergence", "The divergences")
    return Finding("Do attributes drift?", number, "reliably classified attributes", badge, sentence, evidence)


def row_for_each_set(answers: Sequence[Answer], summary: Summary, privacy: PrivacyResults) -> pd.DataFrame | None:
    """Every set in a row; None where there is only one."""
    if len(answers) < 2:
        return None
    by_set = {model.learns_from: model for model in summary.by_labels}
    rows = []
    for answer, audited in zip(answers, privacy.sets, strict=True):
        leak = largest_leak(audited)
        judge = summary.judge.name
        link = audited.link(judge) if audited.by_label and judge not in audited.barred else None
        free = audited.label_free.get(judge) if judge not in audited.barred else None
        model = by_set.get(answer.name)
        rows.append(
            {
                "set": answer.name,
                "gives training persons away": answer.word,
                "classes near a training person, at least (%)": None if leak is None else 100 * leak[1].bound,
                "nearer to training than to control (%)": None if free is None else 100 * free.observed,
                "AUC of the same-label link": None if link is None else link.auc,
                "accuracy of a network trained on it (%)": None if model is None else 100 * model.mean_accuracy,
            }
        )
    table = pd.DataFrame(rows)
    return table.dropna(axis="columns", how="all")


def limits(
    answers: Sequence[Answer],
    summary: Summary,
    data: DataResults,
    privacy: PrivacyResults,
    evaluation: EvaluationResults | None,
) -> list[str]:
    """What this run cannot show, as sentences."""
    competent, said = privacy.competent, []
    if not competent:
        said.append("No judge tells the authentic identities apart, so that nothing is said of any link.")
    elif len(competent) == 1:
        said.append(f"Only one competent judge, {the(competent[0])}, saw the sets: a link that it misses stays unseen.")
    else:
        said.append(f"A link missed by {' and '.join(competent)} may be seen by another judge.")
    inexact = [each.name for each in privacy.sets if not each.control_is_exchangeable]
    if inexact:
        said.append(
            f"Nothing is claimed about {listed(inexact)} from control persons, who are not known to share the "
            "training persons' distribution."
        )
    fewest = [largest[1].fewest_persons for each in privacy.sets if (largest := largest_leak(each))]
    if fewest:
        said.append(f"A leak share from fewer than {min(fewest)} training persons could not be found.")
    undecided = [answer.name for answer in answers if answer.word == "undecided"]
    if undecided:
        said.append(f"For {listed(undecided)}, neither a link nor its absence is shown at this size.")
    if evaluation is not None and evaluation.seeds == 1:
        said.append("Each network was trained with one seed: differences within their intervals are no findings.")
    taught = list(dict.fromkeys(model.strategy for model in summary.models if model.taught))
    if summary.judge.standing == "teacher":
        said.append(
            f"The teacher of {listed(taught)} is the only competent judge, so that their links are not to be relied on."
        )
    if taught:
        said.append(f"{listed(taught)} owe part of what they know to a teacher that has seen authentic faces.")
    if not (data.rendered and privacy.verifier_shipped):
        said.append("Whether the verifier was trained on persons of the authentic set is not known to this program.")
    said += [f"{name} could not be audited: {why}." for name, why in privacy.failed.items()]
    return said
