"""Tables and figures of the error rates of notebook 05."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.biometrics import ErrorRate, Estimate, Scored
from sface_lib.biometrics.metrics import ERRORS_FOR_PRECISION
from sface_lib.biometrics.rates import RESOLVED
from sface_lib.chapters import plots
from sface_lib.chapters.evaluation.models import Evaluated
from sface_lib.chapters.evaluation.rates import SEARCHED, Differentials, Elsewhere, Pool, RatesAt
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.thresholds import thresholds
from sface_lib.chapters.words import capitalised, plain, points_of

BINS = 60  # Of a histogram of scores.


def comparisons(evaluated: Evaluated, pool: Pool | None) -> pd.DataFrame:
    """What the rates rest on, and which rates that can show."""
    rows = []
    for benchmark, own in evaluated.pairs.items():
        known = own.identities[0] is not None
        rows.append(
            {
                "pairs": benchmark,
                "images": len(np.unique(np.stack([own.left, own.right]))),
                "subjects": str(len(np.unique(np.stack(own.identities)))) if known else "unknown",
                "genuine": int(own.same.sum()),
                "impostor": int((~own.same).sum()),
            }
        )
    if pool:
        row = {"pairs": pool.rates[0].pairs, "images": pool.images, "subjects": str(pool.subjects)}
        rows.append(row | {"genuine": pool.genuine, "impostor": pool.impostor})
    table = pd.DataFrame(rows)
    table["FMR resolved from"] = [f"{plain(100 * RESOLVED / n)} %" for n in table["impostor"]]
    table["precise from"] = [f"{plain(100 * ERRORS_FOR_PRECISION / n)} %" for n in table["impostor"]]
    return table


def fnmr(rows: Sequence[RatesAt]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """FNMR (%) with intervals at each FMR, a row for each model and FMR, and the cells that break the rule of 30.

    FMR that no model's impostors can show are left out.
    """
    shown = [row for row in rows if any(row.fnmr.values())]
    models = dict.fromkeys(name for row in shown for name in row.fnmr)
    targets = dict.fromkeys(row.fmr for row in shown)
    table, grey = [], []
    for model, target in itertools.product(models, targets):
        cells = {"model": model, "FMR": f"{100 * target:g} %"}
        for row in (row for row in shown if row.fmr == target):
            rate = row.fnmr.get(model)
            cells[row.pairs] = _percent(rate)
            grey += [(len(table), row.pairs)] if rate and rate.imprecise else []
        table.append(cells)
    return pd.DataFrame(table).fillna(""), grey


def _percent(rate: ErrorRate | None) -> str:
    if rate is None:
        return ""
    return _in_percent(rate.estimate)


def _in_percent(rate: Estimate, digits: int = 1) -> str:
    span = rate.interval()
    value, low, high = (f"{100 * each:z.{digits}f}" for each in (rate.value, span.low, span.high))
    return f"{value} [{low}, {high}]"


def roc(evaluated: Evaluated, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """ROC of the shown models' first seeds where counts resolve it, a panel a benchmark, and the numbers behind.

    Bands are pointwise 95 % intervals of the compared models.
    """
    columns, _ = plots.grid(len(evaluated.pairs), 3)
    figure, panels = plots.new_panels(len(evaluated.pairs), columns, width=3.6, height=3.4, sharex=True, sharey=True)
    tables = []
    for ax, (benchmark, models) in zip(panels, evaluated.by_benchmark.items(), strict=True):
        curves = {name: points_of(models[name].first.scored, "fmr", "tmr") for name in evaluated.shown}
        banded = [name for name in curves if name in evaluated.compared]
        plots.plot_banded(ax, curves, "fmr", "tmr", banded, looks.of_model)
        ax.set(xlabel="false match rate (FMR)", ylabel="true match rate (1 - FNMR)", title=benchmark)
        tables += [curve.assign(benchmark=benchmark, model=name) for name, curve in curves.items()]
    panels[0].set_xlim(min(curve["fmr"].min() for curve in tables), 1)  # Of all panels.
    plots.label_outside(panels, columns)
    plots.legend(panels[columns - 1])
    return figure, pd.concat(tables)


def scores(evaluated: Evaluated, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Histograms of genuine and impostor scores of the shown models on the first benchmark, and their moments."""
    models = evaluated.by_benchmark[evaluated.first_benchmark]
    columns, _ = plots.grid(len(evaluated.shown))
    figure, panels = plots.new_panels(len(evaluated.shown), columns, width=2.9, height=2.4, sharex=True)
    table = []
    scored = [models[name].first.scored for name in evaluated.shown]
    edges = plots.score_edges([side for each in scored for side in (each.other, each.mated)], BINS)
    for ax, name in zip(panels, evaluated.shown, strict=True):
        evaluation = models[name].first
        plots.plot_scores(
            ax, evaluation.scored.mated, evaluation.scored.other, name, edges, looks.of_model(name).colour
        )
        m = evaluation.metrics
        row = {"model": name, "genuine mean": m.genuine_mean, "genuine SD": m.genuine_sd}
        table.append(row | {"impostor mean": m.impostor_mean, "impostor SD": m.impostor_sd, "d-prime": m.d_prime})
    plots.label_outside(panels, columns)
    return figure, pd.DataFrame(table)


def by_threshold(evaluated: Evaluated) -> pd.DataFrame:
    """Scores of the main model's first seed on the first benchmark, by threshold: see `thresholds`."""
    scored = evaluated.by_benchmark[evaluated.first_benchmark][evaluated.main].first.scored
    return thresholds(scored.mated, scored.other)


def elsewhere(rows: Sequence[Elsewhere], first: str) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """FMR and FNMR (%) of each compared model on every benchmark at its threshold from the first, a row for each.

    And the cells that break the rule of 30.
    """
    table, grey = [], []
    for row in rows:
        about = {"model": row.model, f"FMR on {first}": f"{100 * row.fmr:g} %", "threshold": f"{row.threshold:.3f}"}
        fmr, fnmr = ({name: pair[i] for name, pair in row.rates.items()} for i in (0, 1))
        for kind, rates, digits in (("FMR", fmr, 2), ("FNMR", fnmr, 1)):
            grey += [(len(table), name) for name, rate in rates.items() if rate and rate.imprecise]
            values = {name: _in_percent(rate.estimate, digits) if rate else "set here" for name, rate in rates.items()}
            table.append(about | {"rate": kind} | values)
    return pd.DataFrame(table), grey


def open_set(searched: Mapping[str, Scored], compared: Sequence[str], looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """TPIR over FPIR of each model with bands of the compared ones, and the numbers behind."""
    curves = {name: points_of(scored, "fpir", "tpir") for name, scored in searched.items()}
    figure, axes = plots.new_figure(width=5.6, height=3.8)
    banded = [name for name in curves if name in compared]
    plots.plot_banded(axes, curves, "fpir", "tpir", banded, looks.of_model, chance=False)
    axes.set(xlabel="false positive identification rate (FPIR)", ylabel="true positive identification rate (TPIR)")
    plots.legend(axes)
    return figure, pd.concat([curve.assign(model=name) for name, curve in curves.items()])


def open_set_rates(searched: Mapping[str, Scored]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """TPIR (%) at some FPIR, and the cells that break the rule of 30."""
    rows, grey = [], []
    for target in SEARCHED:
        row: dict[str, str] = {"FPIR": f"{100 * target:g} %"}
        for name, scored in searched.items():
            if scored.shows(target):
                missed = scored.at(target)
                row[name] = _in_percent(missed.complement)
                grey += [(len(rows), name)] if missed.imprecise else []
        rows += [row] if len(row) > 1 else []
    return pd.DataFrame(rows), grey


def open_set_caption(searched: Mapping[str, Scored]) -> str:
    """Who was searched among whom."""
    scored = next(iter(searched.values()))
    enrolled, strangers = (len(np.unique(ids)) for ids in (scored.mated_identity, scored.other_left))
    return (
        f"TPIR (%) with 95 % intervals: {len(scored.mated):,} images of {enrolled:,} enrolled identities and "
        f"{len(scored.other):,} of {strangers:,} others, searched among {enrolled:,} templates."
    )


def by_group(differentials: Mapping[str, Differentials]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """FMR and FNMR (%) within each group by the compared models, and the cells that break the rule of 30."""
    rows, grey = [], []
    for model, each in differentials.items():
        for name, fmr in each.fmr.items():
            fnmr = each.fnmr[name]
            row: dict[str, object] = {"model": model, "group": capitalised(name)}
            for kind, rate in (("FMR", fmr), ("FNMR", fnmr)):
                row |= {f"{kind} comparisons": rate.comparisons, f"{kind} subjects": rate.subjects}
                row |= {kind: _in_percent(rate.estimate, 2)}
                grey += [(len(rows), kind)] if rate.imprecise else []
            rows.append(row)
    return pd.DataFrame(rows), grey


def by_group_caption(differentials: Mapping[str, Differentials]) -> str:
    """At which threshold."""
    target = next(iter(differentials.values())).fmr_target
    return (
        f"FMR and FNMR (%) within groups with 95 % intervals, at each model's threshold for FMR {100 * target:g} % "
        "over all pairs, treated as fixed; first seed."
    )


def inequality(differentials: Mapping[str, Differentials]) -> pd.DataFrame:
    """How unequal the groups' rates are, by model."""
    return pd.DataFrame(
        {
            "model": model,
            "FMR, largest / geometric mean": each.fmr_ratio,
            "FNMR, largest / geometric mean": each.fnmr_ratio,
            "GARBE": each.garbe,
        }
        for model, each in differentials.items()
    )


def between_groups(differentials: Mapping[str, Differentials], model: str) -> tuple[Figure, pd.DataFrame]:
    """FMR (%) of each two groups by one model, and the numbers of all."""
    pairs = differentials[model].between
    names = sorted({name for pair in pairs for name in pair})
    square = np.full((len(names), len(names)), np.nan)
    for (one, other), rate in pairs.items():
        i, j = names.index(one), names.index(other)
        square[i, j] = square[j, i] = 100 * rate.value
    figure, axes = plots.new_figure(width=6.2, height=4.8)
    shown = [capitalised(name) for name in names]
    plots.plot_matrix(axes, square, shown, shown, "FMR (%)")
    axes.set(xlabel="group of one person", ylabel="group of the other")
    rows = [
        {
            "model": name,
            "one": capitalised(one),
            "other": capitalised(other),
            "FMR": rate.value,
            "comparisons": rate.comparisons,
        }
        | {"95 % low": rate.interval.low, "95 % high": rate.interval.high, "subjects": rate.subjects}
        for name, each in differentials.items()
        for (one, other), rate in each.between.items()
    ]
    return figure, pd.DataFrame(rows)
