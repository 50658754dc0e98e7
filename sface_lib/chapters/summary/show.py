"""The summary's table, figure and sentences."""

import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters import plots
from sface_lib.chapters.attributes.results import AttributeFindings
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.generation.results import GenerationResults
from sface_lib.chapters.privacy.results import LinkAtChance, PrivacyResults
from sface_lib.chapters.summary.compute import ModelBesideLink, Summary


def overview(summary: Summary) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Every model and floor in a row, and the cells of links that must not be relied on."""
    rows = [_row(model) for model in (*summary.models, *summary.floors)]
    columns = [name for name in rows[0] if name != "mean of benchmarks" or summary.n_benchmarks > 1]
    doubted = [i for i, model in enumerate(summary.models) if summary.judge.doubts(model.name)]
    return pd.DataFrame(rows)[columns], [(i, column) for i in doubted for column in ("link EER", "link AUC")]


def _row(model: ModelBesideLink) -> dict[str, object]:
    found = {
        "model": model.name,
        "training images": model.learns_from,
        "accuracy": model.accuracy.mean,
        "95 % low": model.accuracy.low,
        "95 % high": model.accuracy.high,
        "mean of benchmarks": model.mean_accuracy,
        "verdict": model.accuracy.verdict,
    }
    return found | ({"link EER": model.link.eer, "link AUC": model.link.auc} if model.link else {})


def frontier(summary: Summary) -> tuple[Figure, pd.DataFrame]:
    """Accuracy of the four models over the strength of their link, and the numbers behind."""
    numbers = pd.DataFrame([_row(model) for model in summary.models])
    figure, axes = plots.new_figure(height=3.6)
    doubted = [model.name for model in summary.models if summary.judge.doubts(model.name)]
    drawn = numbers.assign(strength=1 - numbers["link EER"])
    plots.plot_frontier(axes, drawn, "strength", summary.benchmark, grey=doubted)
    axes.set_xlabel("strength of the link, 1 - EER (0.5 is chance)")
    return figure, numbers


def what_was_found(summary: Summary, data: DataResults, generation: GenerationResults, privacy: PrivacyResults) -> str:
    """What the models learnt, and whether the link is beyond chance."""
    learnt = f"that learnt for {generation.kimg:.1f} kimg" if generation.kimg else "of given weights"
    cls, baseline = summary["CLS"].accuracy, summary["baseline"].accuracy
    return (
        f"The authentic set has {data.training_images:,} images of {data.training_identities:,} identities; a "
        f"generator {learnt} drew {generation.synthetic_images:,} synthetic ones. Recognition trained "
        f"on those by labels alone reaches {100 * cls.mean:.1f} % ({summary.benchmark}; {cls.verdict}), on authentic "
        f"images {100 * baseline.mean:.1f} % ({baseline.verdict}). "
        + _link(summary, privacy.shuffle[summary.judge.name])
    )


def _link(summary: Summary, found: LinkAtChance) -> str:
    if summary.judge.standing == "incompetent":
        return "No judge tells the authentic identities apart well enough: nothing can be said about the link."
    beyond = "inside" if found.low <= found.observed <= found.high else "outside"
    return (
        f"By the {summary.judge.name} the same-label link has an AUC of {found.observed:.3f}, {beyond} the "
        f"{found.low:.3f} to {found.high:.3f} of shuffled labels."
    )


def attributes_that_drift(found: AttributeFindings | None) -> str:
    """What notebook 06 found between the authentic and the synthetic set."""
    if found is None:
        return "Attributes were not compared: notebook 06 had no classifier."
    first, second = found.compared
    way = found.direction(first, second)
    return (
        f"Of {len(found.attributes)} attributes that the classifier tells reliably, {len(found.drifted)} differ "
        f"between {first} and {second} beyond chance, by more than pictures of the same sharpness explain "
        f"{found.separable['same sharpness']}. KL({second} || {first}) is {way.backward:.3f} nats, "
        f"KL({first} || {second}) {way.forward:.3f}: {way.verdict}."
    )


def who_may_know_whom(summary: Summary, data: DataResults, privacy: PrivacyResults) -> list[str]:
    """What the link rests on: whether the judge taught, and whether it has seen the persons."""
    taught = (
        "The teacher is the **only competent judge** of this run, so the link numbers of KT and CL are shown in grey."
    )
    apart = "Verifier and authentic set share no identity: they were drawn apart, and no person exists in either."
    unknown = (
        "Whether a person is both in the verifier's training data and in the authentic set is unknown to this program."
    )
    seen = apart if data.rendered and privacy.verifier_shipped else unknown
    return [*([taught] if summary.judge.standing == "teacher" else []), seen]
