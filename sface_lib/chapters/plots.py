"""Drawings of results on an `Axes`: no computing, no files. How a thing looks is handed in, see `looks`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter
from PIL import Image, ImageDraw, ImageFont
from scipy.special import ndtr, ndtri

from sface_lib.chapters.looks import GREY, Look, indexed, of_no_set, readable_on
from sface_lib.chapters.words import attribute_in_words

Looking = Callable[[str], Look]  # The look of a thing by its name.
NEUTRAL = indexed(0).colour  # Where only one thing is drawn.
IMPOSTOR = "#b0b0b0"
GAP_PX = 2  # Between the faces of contact sheets.
LABEL_PX = 12  # Height of the labels of contact sheets.
FAINT = {"color": "0.45", "fontsize": "x-small", "ha": "center", "va": "center"}  # Says why a row is empty.
BAND = "0.78"  # Of chance.
OUTLINED = [withStroke(linewidth=3, foreground="white")]  # Dark marks are seen on dark bars, too.
LABEL_GREY = (0x7B, 0x7B, 0x7B)  # Of their letters, which stand on the page's ground, light or dark.
DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)


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


def plot_sets(
    axes: Axes, table, sets: Sequence[str], judges: Sequence[str], title: str, look: Looking,
    why_empty: str = "not measured",
) -> None:  # fmt: skip
    """A statistic of several sets, a row each from above, and a marker for each judge; hollow where it is no claim.

    A set that has none says so by `why_empty`.

    Parameters
    ----------
    table
        A `pandas.DataFrame` with the columns set, judge, value, "95 % low", "95 % high", "chance, 2.5 %",
        "chance, 97.5 %", "supports a claim".
    """
    for row in table.itertuples(index=False, name=None):
        found = dict(zip(table.columns, row, strict=True))
        i = judges.index(found["judge"])
        place = sets.index(found["set"]) + (i - (len(judges) - 1) / 2) * 0.6 / max(1, len(judges))
        colour = look(found["set"]).colour
        band = found["chance, 2.5 %"], found["chance, 97.5 %"]
        axes.plot(band, [place, place], color=BAND, linewidth=9, solid_capstyle="butt", zorder=1)
        axes.plot([found["95 % low"], found["95 % high"]], [place, place], color=colour, linewidth=1.5)
        fill = colour if found["supports a claim"] else "white"
        axes.plot(found["value"], place, indexed(i).marker, color=colour, markerfacecolor=fill, markersize=6)
    for i, judge in enumerate(judges):
        axes.plot([], [], indexed(i).marker, color="0.3", label=judge)
    axes.plot([], [], color=BAND, linewidth=9, label="chance, 95 %")
    for name in set(sets) - set(table["set"]):
        axes.text(0.5, sets.index(name), why_empty, **FAINT, transform=axes.get_yaxis_transform())
    axes.set(yticks=range(len(sets)), yticklabels=sets, ylim=(len(sets) - 0.4, -0.6), xlabel=title)
    axes.label_outer()
    axes.xaxis.set_major_locator(MaxNLocator(4))


def plot_counts(axes: Axes, values, counts, x_label: str, y_label: str) -> None:
    """How often each whole number occurs, as stems; a log axis where the numbers span a factor of 20."""
    axes.vlines(values, 0, counts, color=NEUTRAL, linewidth=2)
    axes.plot(values, counts, "o", color=NEUTRAL, markersize=4)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, max(values) * 1.05), ylim=(0, max(counts) * 1.1))
    if max(values) > 20 * min(values):
        axes.set(xscale="log", xlim=(min(values) * 0.8, max(values) * 1.2))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())


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


def plot_det(axes: Axes, curves: Mapping[str, object], look: Looking, title: str = "DET") -> None:
    """False non-match rate over false match rate on normal deviate axes, with bands; chance is the falling diagonal.

    `curves` are `pandas.DataFrame`s with the columns fmr, tmr, low, high; NaN where no band is known.
    """
    ends = ndtri([0.0005, 0.9995])
    axes.plot(ends, ends[::-1], color="0.6", linestyle=":", label="chance")
    for name, curve in curves.items():
        drawn = curve[(curve["tmr"] < 1) & (curve["tmr"] > 0) & (curve["fmr"] < 1)]
        at = ndtri(drawn["fmr"])
        axes.plot(at, ndtri(1 - drawn["tmr"]), **look(name).curve, label=name)
        ends_of = [ndtri(np.clip(1 - drawn[end], 1e-6, 1 - 1e-6)) for end in ("high", "low")]
        axes.fill_between(at, *ends_of, color=look(name).colour, alpha=0.15, linewidth=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ndtri(DET_TICKS))
        axis.set_major_formatter(lambda deviate, _: f"{100 * ndtr(deviate):.3g} %")
        axis.set_tick_params(labelsize="small")
    axes.set(xlim=ends, ylim=ends, xlabel="false match rate (FMR)", ylabel="false non-match rate (FNMR)", title=title)


def plot_ranks(axes: Axes, table, n_identities: int, look: Looking) -> None:
    """Share of probes identified within rank k (CMC) with bands, and chance k / N; see `plot_bands` for the table."""
    ranks = np.arange(1, table["rank"].max() + 1)
    axes.plot(ranks, ranks / n_identities, color="0.6", linestyle=":", label="chance")
    plot_bands(axes, table, "rank", look)
    top = min(1.02, 1.3 * table["95 % high"].max())
    axes.set(xlabel="rank k", ylabel="share of probes identified", ylim=(0, top), title="Identification (CMC)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def plot_bands(axes: Axes, table, over: str, look: Looking, joined: bool = True) -> None:
    """A curve with a 95 % band for each judge; `joined` puts a marker on each point.

    `table` is a `pandas.DataFrame` with the columns judge, value, 95 % low, 95 % high and the one that it goes over.
    """
    for name, rows in table.groupby("judge", sort=False):
        own = look(name)
        axes.plot(rows[over], rows["value"], **(own.joined if joined else own.curve), label=name)
        axes.fill_between(rows[over], rows["95 % low"], rows["95 % high"], color=own.colour, alpha=0.15, linewidth=0)


def bins_of(values: np.ndarray, most: int = 40) -> np.ndarray | int:
    """Edges of bins: one for each value where few can occur, such as shares of some classes; else 20 bins."""
    found = np.unique(values.round(9))
    step = np.diff(found).min() if len(found) > 1 else 0.0
    count = round((found[-1] - found[0]) / step) + 1 if step else most + 1
    return found[0] + step * (np.arange(count + 1) - 0.5) if count <= most else 20


def plot_null(axes: Axes, null: np.ndarray, observed: float, label: str, colour: str = NEUTRAL) -> None:
    """A statistic where there is no link, in grey, and the observed one, a line in the colour of its set."""
    axes.hist(null, bins_of(null), color=IMPOSTOR, linewidth=0)
    axes.axvline(observed, color=colour, linewidth=2)
    axes.set(xlabel=label, ylabel="draws")
    axes.set_title(f"observed {observed:.3f} (line); {len(null):,} draws without a link (grey)", fontsize="small")


def plot_power(axes: Axes, table, title: str) -> None:
    """Share of sets with an alarm by the share of planted copies, with intervals; `legend` names the lines.

    `table` is a `pandas.DataFrame` with the columns alteration, share, rate, low, high; "none" is sets without copies.
    """
    for i, (name, rows) in enumerate(table.query("alteration != 'none'").groupby("alteration", sort=False)):
        own = of_no_set(i)
        axes.plot(100 * rows["share"], rows["rate"], **own.joined, label=name)
        axes.fill_between(100 * rows["share"], rows["low"], rows["high"], color=own.colour, alpha=0.12, lw=0)
    silent = table.query("alteration == 'none'").iloc[0]
    axes.axhline(silent["rate"], color="0.6", linestyle=":", label="no copies")
    axes.axhline(0.8, color="0.8", linewidth=1, zorder=0)
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="planted share of the set (%)", ylabel="sets with an alarm")
    shares = sorted(100 * table.query("alteration != 'none'")["share"].unique())
    axes.set_xticks(shares, [f"{share:.2g}" for share in shares])
    axes.minorticks_off()
    axes.set_title(title)


def plot_frontier(
    axes: Axes, table, link: str, benchmark: str, chance: np.ndarray, look: Looking, grey: Sequence[str] = ()
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


def plot_groups(axes: Axes, table, title: str, groups: Sequence[str], look: Looking) -> None:
    """Accuracy within groups, a row for each of `groups` and a marker for each model.

    `table` is a `pandas.DataFrame` with the columns model, group, accuracy, low, high.
    """
    _plot_rows(axes, table, "group", groups, ("low", "high"), look)
    for group in set(groups) - set(table["group"]):
        axes.text(0.5, -groups.index(group), "too few pairs", **FAINT, transform=axes.get_yaxis_transform())
    axes.tick_params(axis="y", labelsize="small")
    axes.set_title(title)


def plot_benchmarks(axes: Axes, table, look: Looking) -> None:
    """Accuracies with intervals, models side by side for each benchmark.

    `table` is a `pandas.DataFrame` with the columns benchmark, model, accuracy, 95 % low, 95 % high.
    """
    _plot_rows(axes, table, "benchmark", list(dict.fromkeys(table["benchmark"])), ("95 % low", "95 % high"), look)


def _plot_rows(axes: Axes, table, rows: str, names: Sequence[str], ends: tuple[str, str], look: Looking) -> None:
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


def plot_sweep(axes: Axes, table, over: str, benchmark: str, look: Looking) -> None:
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


def plot_progress(
    axes: Axes, logs: Mapping[str, Sequence[Mapping]], x: str, y: str, x_label: str, y_label: str, look: Looking
) -> None:
    """One logged value over training, a line for each log."""
    for name, rows in logs.items():
        points = np.array([(row[x], row[y]) for row in rows], float)
        axes.plot(*points[np.isfinite(points).all(1)].T, **look(name).curve, label=name)
    axes.set(xlabel=x_label, ylabel=y_label)


def plot_classes(axes: Axes, sets: Mapping[str, tuple[np.ndarray, np.ndarray]], look: Looking) -> None:
    """Each class's identity consistency over its diversity; `sets` gives both for each set, `[K]` each."""
    for name, (consistency, diversity) in sets.items():
        style = look(name).points | {"linestyle": "", "markersize": 4, "alpha": 0.6}
        axes.plot(diversity, consistency, **style, label=name)
    axes.set(xlabel="diversity (1 is the authentic mean)", ylabel="mean genuine score of a class")
    axes.set_xlim(left=0)


def plot_histogram(axes: Axes, values, x_label: str, y_label: str) -> None:
    """How often values occur; whole numbers get a bar each where they are few."""
    values = np.asarray(values)
    whole = np.issubdtype(values.dtype, np.integer) and np.ptp(values) < 60
    axes.hist(values, np.arange(values.min(), values.max() + 2) - 0.5 if whole else 30, color=NEUTRAL, linewidth=0)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.yaxis.set_major_locator(MaxNLocator(3))


def plot_prevalence(axes: Axes, shares) -> None:
    """Shares of images as stacked bars, a row for each attribute.

    `shares` is a `pandas.DataFrame` indexed by attribute, with the columns yes, no, undefined.
    """
    rows, left = np.arange(len(shares))[::-1], np.zeros(len(shares))
    for column, colour in (("yes", NEUTRAL), ("no", "0.8"), ("undefined", "white")):
        axes.barh(rows, shares[column], left=left, color=colour, edgecolor="0.6", linewidth=0.4, label=column)
        left += shares[column].to_numpy()
    axes.set_yticks(rows, [attribute_in_words(name) for name in shares.index], fontsize="small")
    axes.set(xlabel="share of images", xlim=(0, 1), ylim=(-0.7, len(shares) - 0.3))
    axes.grid(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend(axes)


def plot_attribute_shares(
    axes: Axes, table, look: Looking, unreliable: Sequence[str] = (), untaught: Sequence[str] = ()
) -> None:
    """Prevalence of each attribute in each set as a dot with its interval, a row for each attribute, kinds apart.

    `table` is a `pandas.DataFrame` with the columns set, kind, attribute, prevalence, low, high, adjusted. Rows of
    `unreliable` attributes are grey; of `untaught` ones only the name stands there.
    """
    sets, names = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["attribute"]))
    rows, places, kind, y = {}, [], None, 0.0
    for name in [*names, *untaught]:
        own = table.loc[table["attribute"] == name, "kind"]
        new = own.iloc[0] if len(own) else "not taught"
        y -= 1.0 if new == kind else 1.7
        kind, rows[name] = new, y
        places.append(y)
    for i, each in enumerate(sets):
        part = table[table["set"] == each].set_index("attribute")
        shift = 0.6 * ((i + 0.5) / len(sets) - 0.5)
        for grey in (False, True):
            chosen = part[part.index.isin(unreliable) == grey]
            if not len(chosen):
                continue
            at, share = [rows[name] - shift for name in chosen.index], chosen["prevalence"].to_numpy()
            bars = np.maximum([share - chosen["low"], chosen["high"] - share], 0)
            style = {"markersize": 4, "linewidth": 1, "linestyle": ""} | look(each).points
            style |= {"color": "0.6"} if grey else {}
            axes.errorbar(share, at, xerr=bars, label=None if grey else each, **style)
    axes.set_yticks(places, [attribute_in_words(name) for name in rows], fontsize="small")
    for label, name in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color("0.45" if name in unreliable or name in untaught else "black")
    axes.set(xlabel="share of images called present", xlim=(-0.02, 1.02), ylim=(y - 0.8, -0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(3, len(sets)))


def plot_attribute_matrix(axes: Axes, table, unreliable: Sequence[str] = ()) -> None:
    """Prevalence in % of each attribute, a row, in each set, a column; names of `unreliable` attributes are grey.

    `table` is that of `plot_attribute_shares`.
    """
    sets, names = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["attribute"]))
    square = table.pivot(index="attribute", columns="set", values="prevalence").reindex(index=names, columns=sets)
    labels = [attribute_in_words(name) for name in names]
    plot_matrix(axes, 100 * square.to_numpy(), labels, sets, "images called present (%)", digits=0)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color("0.45" if name in unreliable else "black")


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


def plot_both_ways(axes: Axes, table, forward: str, backward: str, colours: tuple[str, str]) -> None:
    """Divergence of each attribute in both directions as bars to the right and to the left, largest on top.

    `table` is a `pandas.DataFrame` with the columns attribute, forward, backward, `forward null`, `backward null`.
    """
    rows = np.arange(len(table))[::-1]
    ways = ("forward", 1, forward), ("backward", -1, backward)
    for (name, sign, label), colour in zip(ways, colours, strict=True):
        axes.barh(rows, sign * table[name], color=colour, linewidth=0, label=label)
        axes.plot(
            sign * table[f"{name} null"], rows, "|", color="black", markersize=7,
            label="95 % of random splits are below" if sign == 1 else None, path_effects=OUTLINED,
        )  # fmt: skip
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(rows, [attribute_in_words(name) for name in table["attribute"]], fontsize="small")
    widest = 1.05 * table[["forward", "backward", "forward null", "backward null"]].to_numpy().max()
    axes.set(xlabel="divergence (nats)", xlim=(-widest, widest), ylim=(-0.7, len(table) - 0.3))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def plot_named_points(
    axes: Axes, table, x: str, y: str, name: str, origin: bool = True, most_named: int | None = None
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


def _outermost(table, columns: list[str], most: int | None):
    """The rows farthest from the middle one, each column in units of its spread."""
    if most is None or len(table) <= most:
        return table
    away = table[columns] - table[columns].median()
    return table.loc[(away / away.std()).pow(2).sum(axis=1).sort_values(ascending=False, kind="stable").index[:most]]


def plot_by_set(
    axes: Axes, values: Mapping[str, float | None], title: str, look: Looking, reference: str | None = None
) -> None:
    """One number of each set as a dot on a row, the first on top; that of the reference is a dashed line as well."""
    rows = -np.arange(len(values))
    known = np.array([np.nan if value is None else value for value in values.values()])
    lowest, highest = np.nanmin(known, initial=0), np.nanmax(known, initial=0)
    room = 0.35 * ((highest - lowest) or 1)  # For the numbers beside the dots.
    if values.get(reference) is not None:
        axes.axvline(values[reference], color="0.5", linestyle="--", linewidth=1)
    for row, value, own in zip(rows, known, map(look, values), strict=True):
        axes.hlines(row, 0, value, color=own.colour, linewidth=1, alpha=0.5)
        axes.plot(value, row, **own.points, markersize=5, clip_on=False, zorder=3)
        text, at, colour = ("not measured", 0, "0.45") if np.isnan(value) else (f"{value:.3g}", value, "black")
        style = {"color": colour, "fontsize": "x-small", "va": "center"}
        patch = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # Lines do not cross the numbers.
        axes.annotate(text, (at, row), (6, 0), textcoords="offset points", bbox=patch, **style)
    axes.set(xlim=(lowest, highest + room), ylim=(rows[-1] - 0.7, 0.7))
    axes.set_title(title, fontsize="small")
    axes.set_yticks(rows, values)
    axes.tick_params(labelsize="small")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.grid(axis="y", visible=False)


def contact_sheet(
    rows: Sequence[np.ndarray],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    enlarge: int = 1,
    gap_px: int = GAP_PX,
) -> np.ndarray:
    """Rows of images in one picture uint8 `[H, W, 4]`, RGBA, with labels to the left of rows and above columns.

    What is no image is transparent, and the labels are of a grey that is read on white and on black.

    Parameters
    ----------
    rows
        Images uint8 `[n, 3, S, S]`, RGB; their numbers may differ, their side may not.
    enlarge
        Each pixel of an image becomes so many squared.
    """
    rows = [np.asarray(row).repeat(enlarge, 2).repeat(enlarge, 3) for row in rows]
    step, columns = rows[0].shape[-1] + gap_px, max(map(len, rows))
    sheet = Image.new("RGBA", (columns * step - gap_px, len(rows) * step - gap_px))
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet.paste(Image.fromarray(image.transpose(1, 2, 0)), (j * step, i * step))
    return label_sheet(np.asarray(sheet), row_labels, column_labels)


def label_sheet(sheet: np.ndarray, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()) -> np.ndarray:
    """A picture uint8 `[H, W, 4]`, RGBA, of one of equal rows and columns, labelled to the left and above.

    `sheet` is uint8 `[H, W, 3 or 4]`.
    """
    font, (height, width, _) = ImageFont.truetype(findfont("DejaVu Sans"), LABEL_PX), sheet.shape
    left = round(max(map(font.getlength, row_labels)) + LABEL_PX) if len(row_labels) else 0
    top = LABEL_PX + 4 if len(column_labels) else 0
    labelled = Image.new("RGBA", (left + width, top + height), (*LABEL_GREY, 0))
    labelled.paste(Image.fromarray(sheet), (left, top))
    draw = ImageDraw.Draw(labelled)
    for i, label in enumerate(row_labels):
        draw.text(
            (left - LABEL_PX / 2, top + (i + 0.5) * height / len(row_labels)), label, LABEL_GREY, font, anchor="rm"
        )
    for i, label in enumerate(column_labels):
        draw.text((left + (i + 0.5) * width / len(column_labels), 0), label, LABEL_GREY, font, anchor="ma")
    return np.asarray(labelled)


def split_rows(images: np.ndarray, columns: int) -> list[np.ndarray]:
    """Images uint8 `[N, 3, S, S]` in rows of so many; the last may be shorter."""
    return [images[i : i + columns] for i in range(0, len(images), columns)]
