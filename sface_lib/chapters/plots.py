"""Drawings of results on an `Axes`: no computing, no files. How a thing looks is handed in, see `looks`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sface_lib.chapters.looks import GREY, Look, indexed, readable_on
from sface_lib.chapters.words import attribute_in_words

Looking = Callable[[str], Look]  # The look of a thing by its name.
NEUTRAL = indexed(0).colour  # Where only one thing is drawn.
FAINT = {"color": "0.45", "fontsize": "x-small", "ha": "center", "va": "center"}  # Says why a row is empty.
BAND = "0.78"  # Of chance.


def new_figure(columns: int = 1, rows: int = 1, width: float = 6.4, height: float = 4.0):
    """A figure with `rows` x `columns` axes in the report's look; gives (figure, array of axes or one axes)."""
    _set_theme()
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained")


def new_panels(
    count: int, columns: int, width: float, height: float, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of so many axes in rows of `columns`, whose places that are left in the last row stay empty."""
    _set_theme()
    figure = plt.figure(figsize=(width * columns, height * -(-count // columns)), layout="constrained")
    panels = figure.subplots(-(-count // columns), columns, sharex=sharex, sharey=sharey, squeeze=False).ravel()
    for ax in panels[count:]:
        ax.remove()
    return figure, list(panels[:count])


def _set_theme() -> None:
    sns.set_theme(style="whitegrid", context="notebook", font_scale=0.85)


def label_outside(panels: Sequence[Axes], columns: int) -> None:
    """Labels of axes only on the left, and where no panel stands below."""
    for i, ax in enumerate(panels):
        above = i + columns < len(panels)
        ax.xaxis.set_tick_params(labelbottom=not above)
        if above:
            ax.set_xlabel("")
        if i % columns:
            ax.set_ylabel("")


def grid(count: int, most: int = 4) -> tuple[int, int]:
    """Columns and rows for so many panels, at most `most` in a row: as many rows as needed, as full as can be."""
    rows = -(-count // most)
    return -(-count // rows), rows


def legend(axes: Axes) -> None:
    """A legend of all that the figure names, each name once, to the right of the axes, where it hides nothing."""
    named: dict[str, Any] = {}
    for panel in axes.figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    look = {"fontsize": "small", "loc": "upper left", "bbox_to_anchor": (1.02, 1), "borderaxespad": 0}
    axes.legend(named.values(), named.keys(), **look)


def mark_truncated(axes: Axes, axis: str) -> None:
    """Two strokes at the beginning of the x or y axis, where it does not begin at zero."""
    look = {"color": "0.3", "clip_on": False, "linewidth": 1, "transform": axes.transAxes, "zorder": 5}
    for at in (0.02, 0.035):
        x, y = (at, 0.0) if axis == "x" else (0.0, at)
        axes.plot([x - 0.008, x + 0.008], [y - 0.012, y + 0.012], **look)


def plot_scores(
    axes: Axes, genuine: np.ndarray, impostor: np.ndarray, title: str, edges: np.ndarray, colour: str = NEUTRAL
) -> None:
    """Densities of genuine scores, filled in the colour of their set, and of impostor scores, an outline; and means."""
    axes.hist(genuine, edges, density=True, alpha=0.6, color=colour, linewidth=0)
    axes.hist(impostor, edges, density=True, histtype="step", color="0.3", linewidth=1)
    axes.axvline(genuine.mean(), color=colour, linewidth=1.5)
    axes.axvline(impostor.mean(), color="0.3", linestyle="--", linewidth=1.5)
    axes.set(xlabel="score (cosine similarity)", ylabel="density")
    axes.set_title(f"{title}\n{len(genuine):,} genuine, {len(impostor):,} impostor", fontsize="small")


def score_edges(scores: Sequence[np.ndarray], bins: int) -> np.ndarray:
    """Edges of equal bins, float `[bins + 1]`, that hold all the scores."""
    return np.linspace(min(each.min() for each in scores), max(each.max() for each in scores), bins + 1)


def plot_banded(
    axes: Axes, curves: Mapping[str, object], x: str, y: str, banded: Sequence[str], look: Looking,
    chance: bool = True,
) -> None:  # fmt: skip
    """Curves over a rate on a log axis, each a `pandas.DataFrame` with the columns x, y, low, high; chance dotted."""
    lowest = min(float(curve[x].iloc[0]) for curve in curves.values())
    grid = np.geomspace(lowest, 1, 100)
    if chance:
        axes.plot(grid, grid, color="0.6", linestyle=":", label="chance")
    for name, curve in curves.items():
        axes.plot(curve[x], curve[y], **look(name).curve, label=name)
        if name in banded:
            axes.fill_between(curve[x], curve["low"], curve["high"], color=look(name).colour, alpha=0.15, linewidth=0)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01))


def plot_frontier(
    axes: Axes,
    table: pd.DataFrame,
    link: str,
    benchmark: str,
    chance: np.ndarray,
    look: Looking,
    grey: Sequence[str] = (),
) -> None:
    """Accuracy of each model with its interval over the link of what it was trained on.

    `table` is a `pandas.DataFrame` with the columns model, accuracy, `95 % low`, `95 % high` and `link`. `chance` is
    the 95 % band of it for each row, float `[N, 2]`, NaN where it has none: drawn over the whole height where it is the
    same for all, else beneath each point. The axis begins where chance does; models of one link stand side by side.
    """
    bands = np.unique(chance[~np.isnan(chance).any(axis=1)], axis=0)
    if len(bands) == 1:
        axes.axvspan(*bands[0], color=BAND, label="chance, 95 %", zorder=0, linewidth=0)
    else:
        about = {"color": BAND, "linewidth": 9, "zorder": 0, "label": "chance, 95 %"}
        axes.hlines(table["accuracy"], *chance.T, **about)
    lowest, strongest = min(bands[:, 0].min(), float(table[link].min())), max(1.0, float(table[link].max()))
    room = 0.05 * (strongest - lowest)
    axes.set_xlim(lowest - room, strongest + room)
    beside = table.groupby(link)["model"].cumcount() - (table.groupby(link)["model"].transform("size") - 1) / 2
    for shift, row in zip(beside, table.to_dict("records"), strict=True):
        below, above = row["accuracy"] - row["95 % low"], row["95 % high"] - row["accuracy"]
        own = look(row["model"])
        style = own.points | ({"color": GREY} if row["model"] in grey else {})
        bars = {"yerr": [[max(below, 0)], [max(above, 0)]], "capsize": 3, "linewidth": 1, "linestyle": ""}
        axes.errorbar(row[link] + 0.3 * room * shift, row["accuracy"], **bars, **style, label=row["model"])
    axes.set_ylabel(f"accuracy ({benchmark})")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    mark_truncated(axes, "y")


def plot_progress(
    axes: Axes, logs: Mapping[str, Sequence[Mapping]], x: str, y: str, x_label: str, y_label: str, look: Looking
) -> None:
    """One logged value over training, a line for each log."""
    for name, rows in logs.items():
        points = np.array([(row[x], row[y]) for row in rows], float)
        axes.plot(*points[np.isfinite(points).all(1)].T, **look(name).curve, label=name)
    axes.set(xlabel=x_label, ylabel=y_label)


def plot_matrix(
    axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str, signed: bool = False,
    digits: int | None = 2,
) -> None:  # fmt: skip
    """A heat map, blank at NaN; `signed` values get symmetric colours, and `digits` None leaves the numbers out."""
    largest = np.nanmax(np.abs(values), initial=1e-9)
    look = {"cmap": "vlag", "vmin": -largest, "vmax": largest} if signed else {"cmap": "rocket_r", "vmin": 0}
    sns.heatmap(
        values, ax=axes, xticklabels=columns, yticklabels=rows, annot=digits is not None, fmt=f".{digits or 0}f",
        cbar_kws={"label": label}, **look,
    )  # fmt: skip
    cells = axes.collections[0].get_facecolors()[~np.isnan(np.ravel(values))]
    for number, cell in zip(axes.texts, cells if axes.texts else (), strict=True):
        number.set_color(readable_on(cell))
    axes.grid(False)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(labelsize=8)


def plot_named_points(
    axes: Axes, table: pd.DataFrame, x: str, y: str, name: str, origin: bool = True, most_named: int | None = None
) -> None:
    """Points with their names beside them, none over another; with `origin` zero lines, and x as far left as right.

    Of more points than `most_named` only the outermost have their names beside them; all tell them under a pointer.
    """
    if origin:
        axes.axvline(0, color="0.8", linewidth=1)
        axes.axhline(0, color="0.8", linewidth=1)
        widest = 1.25 * float(table[x].abs().max()) or 1.0
        axes.set_xlim(-widest, widest)
    axes.margins(x=0.12, y=0.1)
    for row in table.to_dict("records"):
        axes.plot(row[x], row[y], "o", color=NEUTRAL, markersize=4, label=attribute_in_words(str(row[name])))
    names = [
        axes.text(row[x], row[y], attribute_in_words(str(row[name])), fontsize=7, color="0.3")
        for row in _outermost(table, [x, y], most_named).to_dict("records")
    ]
    points = table[x].to_numpy(float), table[y].to_numpy(float)
    lines = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5}
    adjust_text(names, *points, ax=axes, expand=(1.15, 1.6), arrowprops=lines)


def _outermost(table: pd.DataFrame, columns: list[str], most: int | None):
    """The rows farthest from the middle one, each column in units of its spread."""
    if most is None or len(table) <= most:
        return table
    away = table[columns] - table[columns].median()
    return table.loc[(away / away.std()).pow(2).sum(axis=1).sort_values(ascending=False, kind="stable").index[:most]]
