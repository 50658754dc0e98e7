"""The summary's table, figure and sentences."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters import plots
from sface_lib.chapters.attributes.results import AttributeFindings
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import EvaluationResults, Gap
from sface_lib.chapters.generation.results import GeneratedFacts, GenerationResults
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.privacy.results import AuditFacts, ClaimFacts, PrivacyResults
from sface_lib.chapters.published import published, published_sets
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.summary.answer import Answer
from sface_lib.chapters.summary.compute import ModelBesideLink, Summary
from sface_lib.chapters.training.plan import model_name
from sface_lib.chapters.training.results import GIVEN
from sface_lib.chapters.words import GAP, capitalised, p_clause, the

NEAREST = "label of the nearest image"
LINKS = ("link EER", "link AUC", "label-free")
AXES = {
    "link AUC": "AUC of the same-label link",
    "label-free": "share of classes nearer to a training\nthan to a control person",
}


def overview(summary: Summary) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """A row for each model and reference, and the cells of links not to be relied on; without models the sets."""
    rows = [_row(model) for model in (*summary.models, *summary.references)]
    columns = [name for name in rows[0] if name != "mean of benchmarks" or summary.n_benchmarks > 1]
    doubted = [i for i, model in enumerate(summary.models) if summary.doubts(model)]
    table = pd.DataFrame(rows)[columns].rename(columns={"accuracy": f"accuracy on {summary.benchmark}"})
    grey = [(i, column) for i in doubted for column in LINKS if column in table and not pd.isna(table.loc[i, column])]
    return table, grey


def _row(model: ModelBesideLink) -> dict[str, object]:
    links = (model.link.eer, model.link.auc) if model.link else (np.nan, np.nan)
    free = model.label_free.observed if model.label_free else np.nan
    linked = dict(zip(LINKS, (*links, free), strict=True))
    if model.accuracy is None:
        return {"set": model.name} | linked
    told = {
        "model": model.name,
        "training images": model.learns_from,
        "accuracy": model.accuracy.mean,
        "95 % low": model.accuracy.low,
        "95 % high": model.accuracy.high,
        "mean of benchmarks": model.mean_accuracy,
        "verdict": model.accuracy.verdict,
    }
    return told | linked


def overview_caption(summary: Summary) -> str:
    """What stands in the rows, and who judged."""
    link = f"by {the(summary.judge.name)}."
    if summary.benchmark is None:
        return f"The links of each set {link}"
    return (
        f"Accuracy of each model and of the two references on {summary.benchmark}, with its interval and verdict"
        + (f", and in the mean of all {summary.n_benchmarks} benchmarks" if summary.n_benchmarks > 1 else "")
        + f"; and the identity link of the training images {link}"
    )


def frontier(summary: Summary, looks: Looks) -> tuple[Figure, pd.DataFrame] | None:
    """Accuracy of the models over each link that their sets have, a panel each, and the numbers behind.

    None where no set of a model has a link.
    """
    numbers = pd.DataFrame([_row(model) for model in summary.models])
    doubted = [model.name for model in summary.models if summary.doubts(model)]
    nulls = {
        "link AUC": [model.shuffle for model in summary.models],
        "label-free": [model.label_free for model in summary.models],
    }
    for column, intervals in nulls.items():
        for end in ("low", "high"):
            numbers[f"{column}, chance {end}"] = [np.nan if null is None else getattr(null, end) for null in intervals]
    panels = [column for column in nulls if numbers[f"{column}, chance low"].notna().any()]
    if not panels:
        return None
    figure, axes = plots.new_figure(columns=len(panels), width=5.6, height=3.8)
    for ax, column in zip(np.ravel(axes), panels, strict=True):
        rows = numbers[numbers[column].notna()]
        bands = rows[[f"{column}, chance low", f"{column}, chance high"]].to_numpy()
        plots.plot_frontier(ax, rows, column, summary.benchmark, bands, looks.of_model, doubted)
        ax.set_xlabel(AXES[column])
    plots.legend(np.ravel(axes)[-1])
    return figure, numbers


def gives_away(answer: Answer, audited: AuditFacts) -> str:
    """Whether a set gives its sources away, by what, and how sure."""
    head = f"**Does {answer.name} give its sources away? {answer.word.capitalize()}.**"
    if not audited.exposed:
        head += " Its generator never saw the authentic set, so that a yes would be a false alarm."
    if not answer.judged:
        return f"{head} {_nobody(answer, audited)}, so that nothing can be said."
    names = list(dict.fromkeys(claim.judge for claim in answer.judged))
    judges = f"the judge{'s' if len(names) > 1 else ''} {' and '.join(names)}"
    counted = f"of {len(answer.judged)} claims on the link by {judges}, after Holm's correction over all planned ones,"
    if answer.word == "yes":
        said = f"{len(answer.above)} {counted} are above chance. By the strongest judge, with 90 % intervals:"
    elif answer.restricted:
        said = f"None {counted} is above chance without a restriction."
    elif answer.equivalent:
        said = f"None {counted} is above chance, and all testable for equivalence are equivalent."
    else:
        said = f"None {counted} is above chance, but not all testable for equivalence are equivalent."
    restricted = [
        f"Above chance with a restriction: {claim.claim}, by {the(claim.judge)} ({', '.join(claim.notes)})."
        for claim in answer.restricted
    ]
    listed = "".join(f"\n- {_claim_in_words(claim)}" for claim in answer.strongest)
    asked_not = [f"Not asked: {the(name)}, which {why}." for name, why in audited.barred.items()]
    rest = " ".join([*restricted, *asked_not, _alarms(answer, audited), _chance(audited)])
    return f"{head} {said}\n{listed}\n\n{rest}"


def _nobody(answer: Answer, audited: AuditFacts) -> str:
    """Why no claim on a set is judged."""
    if answer.judges:
        return "No claim can be made of it without unseen faces that are exchangeable with the training ones"
    if audited.barred:
        barred = "; ".join(f"{the(name)} {why}" for name, why in audited.barred.items())
        return f"No judge is left that may judge it ({barred})"
    return "No judge tells the authentic identities apart well enough"


def _claim_in_words(claim: ClaimFacts) -> str:
    span = "" if claim.low is None else f" [{claim.low:.3f}, {claim.high:.3f}]"
    told = ", ".join([p_clause(claim.p_corrected, claim.p_at_floor), claim.judge, *claim.notes])
    return f"{claim.claim}: {claim.value:.3f}{span} where chance is {claim.chance:.3f} ({told})"


def _alarms(answer: Answer, audited: AuditFacts) -> str:
    if not audited.planted:
        return "Copies were not looked for."
    if not answer.looked_for_copies:
        return "The alarms for copies are not calibrated at this size."
    if not answer.alarms:
        return "No alarm for copies sounds."
    return f"An alarm for copies sounds by {', '.join(answer.alarms)}."


def _chance(audited: AuditFacts) -> str:
    if not audited.by_label:
        return "No claim uses labels, as its classes do not stand for authentic identities."
    if not audited.chance.within:
        return "Demographics are not excluded: the groups of the identities are not known."
    source = "as a classifier predicts them" if audited.chance.called else "as given"
    return f"Chance for label-based claims is within {' and '.join(audited.chance.within)}, {source}."


def teaches(
    summary: Summary, data: DataResults, generation: GenerationResults, evaluation: EvaluationResults | None
) -> str:
    """What a network learns from the set, and whether the distance to the baseline may be relied on."""
    if evaluation is None:
        return "**What does each set teach?** Nothing was trained and no network given."
    gaps = evaluation.overall_gap[1]
    doubts = (
        "\n\nThe gaps are **not to be relied on**, for the baseline may not have converged: "
        f"{'; '.join(evaluation.doubts)}."
        if evaluation.doubts
        else ""
    )
    each = [
        f"- {m.learns_from}: {_accuracy(summary, m.name)}"
        + (f"; gap {_points(gaps[m.name])}" if gaps else "")
        + (", by the network that was given" if m.strategy == GIVEN else "")
        for m in summary.by_labels
    ]
    several = summary.n_benchmarks > 1
    gap_of = f"the gap is {GAP}" + (f" in the mean of {summary.n_benchmarks} benchmarks" if several else "")
    authentic = (
        f"Recognition trained on authentic images reaches {_accuracy(summary, BASELINE)}, and on synthetic ones by "
        f"labels alone, where {gap_of}"
        if gaps
        else "Recognition trained on synthetic images by labels alone reaches, without a baseline to compare with"
    )
    return (
        f"**What does each set teach?** The authentic set: {data.training_images:,} images of "
        f"{data.training_identities:,} identities{_generator(generation.generated)}. {authentic}:\n\n"
        + "\n".join(each)
        + doubts
    )


def _generator(facts: GeneratedFacts | None) -> str:
    if facts is None:
        return ""
    learnt = f"trained for {facts.kimg:.1f} kimg" if facts.kimg else "with given weights"
    return f"; a generator {learnt} drew {facts.synthetic_images:,} synthetic ones"


def _points(gap: Gap) -> str:
    span = "" if gap.low is None else f" [{100 * gap.low:z.1f}, {100 * gap.high:z.1f}]"
    return f"{100 * gap.value:z.1f} points{span}"


def _accuracy(summary: Summary, model: str) -> str:
    """On the first benchmark with the verdict there, and in the mean of several, which gaps are taken in."""
    accuracy, mean = summary[model].accuracy, summary[model].mean_accuracy
    first = f"{100 * accuracy.mean:.1f} % [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}] on {summary.benchmark}"
    in_mean = f", {100 * mean:.1f} % in the mean" if summary.n_benchmarks > 1 else ""
    return f"{first} ({accuracy.verdict}){in_mean}"


def beside_published(
    summary: Summary, evaluation: EvaluationResults | None
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """This run's figures beside the published ones of SFace, and the cells that must not be relied on.

    Columns: `what`, `here`, `published`, its `kind` ("read" in the source, or "derived" from its files and figures),
    and `what was published`. What the judge says of a set that it may not judge must not be relied on.
    """
    audited, link = summary.audited, published("identity_relation").set_index("setting")
    seen = audited.metrics[summary.judge.name]
    rows = []
    for ours, theirs in (
        ("authentic-authentic", "CASIA vs CASIA"),
        ("synthetic-synthetic", "SFace vs SFace"),
        ("authentic-synthetic", "CASIA vs SFace same label"),
    ):
        quoted = link.loc[[theirs]].iloc[0]  # The first of several is SFace's own.
        rows += [
            (f"{ours}, {name.upper()}", getattr(seen[ours], name), quoted[name], quoted["kind"], theirs)
            for name in ("eer", "auc")
            if ours in seen
        ]
    nearest = next((c for c in audited.claims if (c.claim, c.judge) == (NEAREST, summary.judge.name)), None)
    if nearest is not None:
        leak = published("leakage").iloc[0]
        of = f"{leak['set']}, {leak['subset']}: {leak['measure']}"
        rows.append((NEAREST, nearest.value, leak["value"], leak["kind"], of))
    judged = [i for i, (what, *_) in enumerate(rows) if not what.startswith("authentic-authentic")]
    grey = [(i, "here") for i in judged] if summary.judge.doubts(False, audited.name) else []
    accuracies = published("sface_accuracy").set_index("training_set")
    cls = model_name("CLS", audited.name)
    for model, training_set in ((BASELINE, "CASIA-WebFace"), (cls, "SFace-10"), (cls, "SFace-60")):
        if evaluation is None or model not in evaluation.mean_accuracy:
            continue
        quoted = accuracies.loc[[training_set]].iloc[0]
        of = f"{training_set}, {quoted['strategy']}: mean of LFW, AgeDB-30, CALFW, CFP-FP and CPLFW"
        own = f"accuracy of {model}, mean of benchmarks", evaluation.mean_accuracy[model]
        rows.append((*own, quoted["average"] / 100, quoted["kind"], of))
    return pd.DataFrame(rows, columns=["what", "here", "published", "kind", "what was published"]), grey


def published_frontier() -> tuple[Figure, pd.DataFrame]:
    """What published sets teach over how near they come to CASIA-WebFace, and the table of all of them."""
    table = published_sets()
    both = table.dropna(subset=["AUC against DigiFace-1M", "accuracy"])
    figure, axes = plots.new_figure(width=6.4, height=3.8)
    plots.plot_named_points(axes, both, "AUC against DigiFace-1M", "accuracy", "set", origin=False)
    as_near = axes.axvline(0.5, color="0.6", linewidth=1, linestyle="--", label="as near as DigiFace-1M")
    axes.margins(x=0.12)
    axes.set(xlabel="AUC of best scores over CASIA-WebFace against DigiFace-1M", ylabel="mean accuracy (%)")
    axes.legend(handles=[as_near], fontsize="small", loc="lower left")
    return figure, table


def attributes_that_drift(comparison: AttributeFindings | None) -> str:
    """What notebook 06 found between the authentic and the synthetic set."""
    if comparison is None:
        return "Attributes were not compared: notebook 06 had no classifier."
    first, second = comparison.compared
    way = comparison.direction(first, second)
    return (
        f"Of {len(comparison.attributes)} reliably classified attributes, {len(comparison.drifted)} differ "
        f"between {first} and {second} beyond chance, {comparison.separable['same sharpness']} of them by more than "
        f"image sharpness explains. KL({second} || {first}) is {way.backward:.3f} nats, "
        f"KL({first} || {second}) {way.forward:.3f}: {way.verdict}."
    )


def who_may_know_whom(summary: Summary, data: DataResults, privacy: PrivacyResults) -> list[str]:
    """What the link rests on: whether the judge taught, and whether it has seen the persons."""
    taught = (
        "The teacher is the **only competent judge** of this run that may judge a set, so the link numbers of KT and "
        "CL are shown in grey."
    )
    barred = [
        f"{capitalised(the(summary.judge.name))} {why}, so the links of {name} are shown in grey."
        for name, why in summary.judge.barred.items()
    ]
    apart = "Verifier and authentic set share no identity: they were generated apart, and neither shows real persons."
    unknown = (
        "Whether a person is both in the verifier's training data and in the authentic set is unknown to this program."
    )
    seen = apart if data.rendered and privacy.verifier_shipped else unknown
    return [*([taught] if summary.judge.standing == "teacher" else []), *barred, seen]
