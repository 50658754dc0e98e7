"""The tables, figures and sentences of notebook 05."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters import plots, sheets
from sface_lib.chapters.evaluation import drawings
from sface_lib.chapters.evaluation.breakdown import FrontierPoint, HardestPairs, SweepPoint
from sface_lib.chapters.evaluation.compute import MEAN, BaselineTraining, BenchmarkGaps, Gap
from sface_lib.chapters.evaluation.models import Evaluated
from sface_lib.chapters.evaluation.results import Accuracy, SetDifference
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.plans import Plans
from sface_lib.chapters.privacy.results import AuditFacts
from sface_lib.chapters.published import published
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.words import GAP, capitalised, p_in_words
from sface_lib.data import FaceSet
from sface_lib.population import BENCHMARKS, COUNTERPARTS
from sface_lib.privacy.verdict import ALPHA

QUOTED = {"CASIA-WebFace": "CASIA", "SFace-10 CLS": "SFace-10", "SFace-60 CLS": "SFace-60"}
PUBLISHED_BENCHMARKS = "LFW", "AgeDB-30", "CALFW", "CPLFW", "CFP-FP"  # In the order of `BENCHMARKS`.
THUMBNAIL_PX = 64


def accuracies(evaluated: Evaluated) -> pd.DataFrame:
    """Every model on every benchmark in a row, those of the sweep too."""
    return pd.DataFrame(
        {
            "benchmark": benchmark,
            "model": name,
            "accuracy": model.accuracy.mean,
            "sd over seeds": model.accuracy.sd,
            "sd over folds": model.sd_over_folds,
            "95 % low": model.accuracy.low,
            "95 % high": model.accuracy.high,
            "verdict": model.verdict,
        }
        for benchmark, models in evaluated.by_benchmark.items()
        for name, model in models.items()
    )


def benchmarks(evaluated: Evaluated, model_px: Mapping[str, int]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Accuracy of each model (%) with a column for each benchmark, and the cells of models that did not learn."""
    rows, grey = [], []
    for i, name in enumerate(evaluated.shown):
        row = {"model": name, "sees (px)": model_px[name]}
        for benchmark, models in evaluated.by_benchmark.items():
            row[benchmark] = _percent(models[name].accuracy, len(models[name].evaluations))
            if models[name].verdict == "did not learn":
                grey.append((i, benchmark))
        rows.append(row | ({MEAN: f"{100 * evaluated.mean(name):.1f}"} if len(evaluated.pairs) > 1 else {}))
    return pd.DataFrame(rows), grey


def _percent(accuracy: Accuracy, seeds: int) -> str:
    deviation = f" ± {100 * accuracy.sd:.1f}" if seeds > 1 else ""
    return f"{100 * accuracy.mean:.1f}{deviation} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]"


def benchmarks_caption(evaluated: Evaluated, image_px: int | None) -> str:
    """On how many pairs, and of what size the images are."""
    counts = sorted({len(own.same) for own in evaluated.pairs.values()})
    return (
        f"Accuracy in % with 95 % intervals, on {' or '.join(f'{n:,}' for n in counts)} pairs of each benchmark. The "
        f"images have {image_px} px and are resized to each model's input. {_over_what(evaluated)}"
    )


def _over_what(evaluated: Evaluated) -> str:
    """What the intervals are taken over."""
    seeds = evaluated.seeds
    if seeds == 1:
        return (
            "Intervals cover the choice of identities alone: with one seed, the variation between trainings is unknown."
        )
    return f"Intervals cover the choice of identities and, from {seeds} seeds, of trainings."


def accuracy(evaluated: Evaluated, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Accuracy of the shown models on each benchmark, and the numbers of all."""
    table = accuracies(evaluated)
    height = 1.2 + max(0.75, 0.12 * len(evaluated.shown)) * len(evaluated.pairs)
    figure, axes = plots.new_figure(width=8.2, height=height)
    drawings.plot_benchmarks(axes, table[table["model"].isin(evaluated.shown)], looks.of_model)
    plots.legend(axes)
    return figure, table


def gaps(rows: Sequence[BenchmarkGaps]) -> pd.DataFrame:
    """The baseline's accuracy and the gap of each model to it in points, a column for each benchmark.

    Below them the published accuracies on its counterpart.
    """
    references = published("sface_accuracy")
    columns = {
        row.benchmark: {"baseline (accuracy, %)": f"{100 * row.baseline:.1f}"}
        | {name: _points(gap) for name, gap in row.gaps.items()}
        | {name: f"{value:.1f}" for name, value in _quoted(references, row.benchmark).items()}
        for row in rows
    }
    return pd.DataFrame(columns).rename_axis("gap of").reset_index().fillna("")


def published_accuracies() -> pd.DataFrame:
    """The published accuracies, their benchmarks under their names and in the order of this report's counterparts."""
    titles = {COUNTERPARTS[each]: name for each, name in zip(BENCHMARKS, PUBLISHED_BENCHMARKS, strict=True)}
    titles = {"training_set": "training set", "images": "images", "strategy": "strategy"} | titles
    titles |= {"average": "mean", "source": "source"}
    return published("sface_accuracy")[list(titles)].rename(columns=titles)


def plan_in_words(plans: Plans) -> str:
    """What will be claimed of sets."""
    ((name, family),) = plans.plans[-1]["families"].items()
    return (
        f"The claims that were planned before any pair was scored: that {name} differs between two sets, "
        f"{len(family['claims'])} ({family['correction']}; alpha {family['alpha']:g}). {plans.in_words()}"
    )


def between_sets(differences: Sequence[SetDifference]) -> pd.DataFrame:
    """Which of each two synthetic sets teaches more by labels alone."""
    return pd.DataFrame(
        {
            "CLS of": each.first,
            "minus CLS of": each.second,
            "points": _points(each.difference),
            "p, corrected": p_in_words(each.p_corrected, False),
        }
        for each in differences
    )


def which_teaches_most(differences: Sequence[SetDifference], evaluated: Evaluated) -> str:
    """The sets in the order of what CLS learns from them, and which neighbours differ beyond chance."""
    order = sorted(evaluated.by_labels, key=evaluated.mean, reverse=True)
    ranked = ", ".join(f"{evaluated.trained[name].trained_on} ({100 * evaluated.mean(name):.1f} %)" for name in order)
    differ = [f"{each.first} and {each.second}" for each in differences if each.p_corrected < ALPHA]
    beyond = f"{'; '.join(differ)} differ beyond chance." if differ else "No two sets differ beyond chance."
    return f"By the mean accuracy of CLS: {ranked}. {beyond}"


def _points(gap: Gap) -> str:
    known = "" if gap.low is None else f" [{100 * gap.low:z.1f}, {100 * gap.high:z.1f}]"
    return f"{100 * gap.value:z.1f}{known}"


def _quoted(references: pd.DataFrame, benchmark: str) -> dict[str, float]:
    """Published accuracies on the counterpart of a benchmark, the first of each training set; none without one."""
    column = "average" if benchmark == MEAN else COUNTERPARTS.get(benchmark, benchmark.lower().replace("-", "_"))
    if column not in references:
        return {}
    by_labels = references["strategy"].where(references["strategy"].isin(("CLS", "CL")), "")
    labels = (references["training_set"] + " " + by_labels).str.strip()
    return {f"{name} *": references.loc[labels == label, column].iloc[0] for label, name in QUOTED.items()}


def whether_the_gap_counts(
    rows: Sequence[BenchmarkGaps], baseline: BaselineTraining | None, by_labels: Sequence[str]
) -> str:
    """The gaps of CLS, in the mean where there are several benchmarks, and whether the baseline is trained out."""
    if baseline is None:
        return "There is no gap: no authentic baseline was trained, and none was given (`baseline_model`)."
    each = ", ".join(f"{_points(rows[-1].gaps[name])} points ({name})" for name in by_labels)
    where = f"in the mean of {len(rows) - 1} benchmarks" if len(rows) > 1 else f"on {rows[0].benchmark}" if rows else ""
    gap = f"The synthetic gap, {GAP} {where}, is {each}. " if by_labels else ""
    if not baseline.trained_out:
        reasons = "; ".join(baseline.reasons)
        return f"{gap}It is **not to be relied on**, for the baseline may not have converged: {reasons}."
    if baseline.given:
        return (
            f"{gap}The baseline was given: its mean is {100 * baseline.mean_accuracy:.1f} %, and how far it was "
            "trained is not known here. A gap between networks of different recipes also reflects the recipes."
        )
    return (
        f"{gap}The baseline is trained out: the last third of its curve spreads {100 * baseline.late_spread:.2f} "
        f"points, and its mean is {100 * baseline.mean_accuracy:.1f} %."
    )


def groups(table: pd.DataFrame, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Accuracy within groups, a panel for each benchmark, and the numbers behind: see `breakdown.groups`."""
    table = table.assign(group=table["group"].map(capitalised))
    compared, names = list(dict.fromkeys(table["benchmark"])), sorted(set(table["group"]))
    height = max(3.0, 0.8 + 0.1 * table["group"].nunique() * table["model"].nunique())
    columns, _ = plots.grid(len(compared), 3)
    figure, panels = plots.new_panels(len(compared), columns, width=3.6, height=height, sharex=True, sharey=True)
    for ax, benchmark in zip(panels, compared, strict=True):
        drawings.plot_groups(ax, table[table["benchmark"] == benchmark], benchmark, names, looks.of_model)
    plots.label_outside(panels, columns)
    plots.legend(panels[columns - 1])
    return figure, table


def groups_overview(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and worst group, trade-off and false match rates of each model on each benchmark, and of how many pairs."""
    grouped = table.groupby(["benchmark", "model"], sort=False)
    overview = grouped.agg(groups=("group", "size"), mean=("accuracy", "mean"), worst=("accuracy", "min"))
    overview["trade-off"] = grouped["trade_off"].first()
    rates = [f"{rows['fmr'].min():.3f} to {rows['fmr'].max():.3f}" for _, rows in grouped]
    overview["FMR, lowest to highest"] = rates
    overview["pairs"] = grouped["genuine"].sum() + grouped["impostor"].sum()
    overview["subjects"] = grouped["subjects"].sum()
    return overview.reset_index()


def sweep(points: Sequence[SweepPoint], benchmark: str, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Accuracy of each strategy over images per class, and the numbers behind."""
    rows = ((each.model, each.images_per_class, each.accuracy, each.mean_accuracy) for each in points)
    return _curves(rows, "images per class", benchmark, looks.of_model)


def _curves(
    rows: Iterable[tuple[str, float, Accuracy, float]], over: str, benchmark: str, look: plots.Looking
) -> tuple[Figure, pd.DataFrame]:
    """Accuracy over something, a curve for each name, and the numbers behind.

    `rows` are a name, a place, the accuracy there on a benchmark, and its mean over all of them.
    """
    table = pd.DataFrame(
        {
            "model": name,
            over: place,
            "accuracy": accuracy.mean,
            "mean": mean,
            "95 % low": accuracy.low,
            "95 % high": accuracy.high,
        }
        for name, place, accuracy, mean in rows
    )
    figure, axes = plots.new_figure(width=5.6, height=3.6)
    drawings.plot_sweep(axes, table, over, benchmark, look)
    plots.legend(axes)
    return figure, table


def mixtures(evaluated: Evaluated, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Accuracy of CLS of each set over the share of authentic images, and the numbers behind.

    The first benchmark's; the set alone stands at 0 and the baseline at 1, where they were trained or given.
    """
    models = evaluated.by_benchmark[evaluated.first_benchmark]
    rows = (
        (name, share, models[model].accuracy, evaluated.mean(model))
        for name, points in _shares(evaluated).items()
        for share, model in points
    )
    return _curves(rows, "authentic share", evaluated.first_benchmark, looks.of_set)


def _shares(evaluated: Evaluated) -> dict[str, list[tuple[float, str]]]:
    """For each set that is mixed, by its name, pairs of a share of authentic images and a model, ascending."""
    curves: dict[str, list[tuple[float, str]]] = {}
    for name in evaluated.mixed:
        model = evaluated.trained[name]
        alone = [(0.0, each) for each in evaluated.by_labels if evaluated.trained[each].trained_on == model.trained_on]
        curves.setdefault(model.trained_on, alone).append((model.mix, name))
    authentic = [(1.0, BASELINE)] if evaluated.has_baseline else []
    return {name: points + authentic for name, points in curves.items()}


def frontier(
    points: Sequence[FrontierPoint], benchmark: str, privacy: AuditFacts, looks: Looks
) -> tuple[Figure, pd.DataFrame]:
    """Accuracy over the link that is left, from chance on, and the numbers behind."""
    table = pd.DataFrame(
        {
            "model": point.model,
            "images": point.images,
            "link AUC": point.link_auc,
            "accuracy": point.accuracy.mean,
            "95 % low": point.accuracy.low,
            "95 % high": point.accuracy.high,
        }
        for point in points
    )
    figure, axes = plots.new_figure(height=3.8)
    chance = privacy.shuffle[privacy.impartial_judge]
    band = np.array([[chance.low, chance.high]] * len(table))
    plots.plot_frontier(axes, table, "link AUC", benchmark, band, looks.of_model)
    plots.legend(axes)
    axes.set_xlabel("AUC of the same-label link")
    return figure, table


def hardest(pairs: Sequence[HardestPairs]) -> pd.DataFrame:
    """Scores of the hardest pairs, the worst first."""
    return pd.DataFrame(
        {
            "benchmark": each.benchmark,
            "pairs": each.kind,
            "scores": ", ".join(f"{score:.2f}" for score in each.scores),
        }
        for each in pairs
    )


def hardest_faces(pairs: Sequence[HardestPairs], faces: FaceSet) -> np.ndarray:
    """Both images of each pair side by side, a row for each kind of each benchmark: uint8 `[H, W, 3]`."""
    sides = [np.stack([each.left, each.right], 1).ravel() for each in pairs]
    rows = [faces.load(positions, size_px=THUMBNAIL_PX).numpy() for positions in sides]
    return sheets.contact_sheet(rows, [f"{each.benchmark}, {each.kind}" for each in pairs])


def what_was_found(evaluated: Evaluated) -> str:
    """What the models reach on the first benchmark, their gaps there, and who did not learn."""
    benchmark = evaluated.first_benchmark
    mean = {name: model.accuracy.mean for name, model in evaluated.by_benchmark[benchmark].items()}
    reached = ", ".join(f"{name} {100 * mean[name]:.1f} %" for name in evaluated.compared)
    named = evaluated.by_labels if evaluated.has_baseline else ()
    gaps = ", ".join(f"{100 * (mean[BASELINE] - mean[name]):z.1f} points ({name})" for name in named)
    gap = f"The synthetic gap there, {GAP}, is {gaps}. " if gaps else ""
    return (
        f"On the pairs of {benchmark} the models reach: {reached}; raw pixels {100 * mean['raw pixels']:.1f} %. "
        f"{gap}{_unlearnt(evaluated)}"
    )


def _unlearnt(evaluated: Evaluated) -> str:
    where = {
        name: [b for b, models in evaluated.by_benchmark.items() if models[name].verdict == "did not learn"]
        for name in evaluated.compared
    }
    unlearnt = "; ".join(f"{name} on {', '.join(places)}" for name, places in where.items() if places)
    return (
        f"**Did not learn** (lower bound not above both references): {unlearnt}." if unlearnt else "All of them learnt."
    )
