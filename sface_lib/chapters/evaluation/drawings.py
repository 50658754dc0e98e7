"""Drawings of notebook 05 on an `Axes`: see `sface_lib.chapters.plots`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from sface_lib.chapters.plots import FAINT, Looking, mark_truncated


def plot_groups(axes: Axes, table: pd.DataFrame, title: str, groups: Sequence[str], look: Looking) -> None:
    """Accuracy within groups, a row for each of `groups` and a marker for each model.

    `table` is a `pandas.DataFrame` with the columns model, group, accuracy, low, high.
    """
    _plot_rows(axes, table, "group", groups, ("low", "high"), look)
    for group in set(groups) - set(table["group"]):
        axes.text(0.5, -groups.index(group), "too few pairs", **FAINT, transform=axes.get_yaxis_transform())
    axes.tick_params(axis="y", labelsize="small")
    axes.set_title(title)


def plot_benchmarks(axes: Axes, table: pd.DataFrame, look: Looking) -> None:
    """Accuracies with intervals, models side by side for each benchmark.

    `table` is a `pandas.DataFrame` with the columns benchmark, model, accuracy, 95 % low, 95 % high.
    """
    _plot_rows(axes, table, "benchmark", list(dict.fromkeys(table["benchmark"])), ("95 % low", "95 % high"), look)


def _plot_rows(
    axes: Axes, table: pd.DataFrame, rows: str, names: Sequence[str], ends: tuple[str, str], look: Looking
) -> None:
    """Accuracy with its interval, a row for each name in the column `rows`, from above, and models within it."""
    models = list(dict.fromkeys(table["model"]))
    for i, model in enumerate(models):
        part = table[table["model"] == model]
        places = [-names.index(name) - 0.7 * ((i + 0.5) / len(models) - 0.5) for name in part[rows]]
        bars = np.maximum([part["accuracy"] - part[ends[0]], part[ends[1]] - part["accuracy"]], 0)
        style = {"markersize": 5, "capsize": 2, "linewidth": 1, "linestyle": ""} | look(model).points
        axes.errorbar(part["accuracy"], places, xerr=bars, label=model, **style)
    for place in range(1, len(names)):
        axes.axhline(0.5 - place, color="0.85", linewidth=1, zorder=0)
    axes.axvline(0.5, color="0.6", linestyle=":", label="chance")
    axes.grid(axis="y", visible=False)
    axes.set_yticks([-i for i in range(len(names))], names)
    axes.set(xlabel="accuracy", ylim=(0.6 - len(names), 0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    mark_truncated(axes, "x")


def plot_sweep(axes: Axes, table: pd.DataFrame, over: str, benchmark: str, look: Looking) -> None:
    """Accuracy of each model over another column, such as images per class, with intervals.

    `table` is a `pandas.DataFrame` with that column and model, accuracy, 95 % low, 95 % high.
    """
    for model, rows in table.groupby("model", sort=False):
        numbers = rows[over]
        axes.plot(numbers, rows["accuracy"], **look(model).joined, label=model)
        axes.fill_between(
            numbers, rows["95 % low"], rows["95 % high"], color=look(model).colour, alpha=0.12, linewidth=0
        )
    axes.set(xlabel=over, ylabel=f"accuracy ({benchmark})")
    axes.set_xticks(sorted(table[over].unique()))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    mark_truncated(axes, "y")
