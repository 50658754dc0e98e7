"""Drawings of results on an `Axes`: no computing, no files.

Colours are from a palette that colour-blind readers can tell apart, and every line has its own style as well.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter

PALETTE = sns.color_palette("colorblind").as_hex()
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_INSIDE = 8  # Names in a legend that stands in the axes.
DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)


def new_figure(columns: int = 1, rows: int = 1, width: float = 6.4, height: float = 4.0):
    """A figure with `rows` x `columns` axes in the report's look; gives (figure, array of axes or one axes)."""
    sns.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained")


def legend_beside(axes: Axes) -> None:
    """A legend to the right of the axes, where it hides no line."""
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)


def legend(axes: Axes) -> None:
    """A legend in the axes where it is short, else beside them."""
    if len(axes.get_legend_handles_labels()[1]) > MOST_INSIDE:
        legend_beside(axes)
    else:
        axes.legend(fontsize="small")


def colour_of(index: int) -> str:
    """Colour of the index-th line; the first comes again after the last."""
    return PALETTE[index % len(PALETTE)]


def marker_of(index: int) -> str:
    """Marker of the index-th line; they come again after another number of lines than colours do."""
    return MARKERS[index % len(MARKERS)]


def style(index: int) -> dict:
    """Colour and line style of the index-th line."""
    return {"color": colour_of(index), "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def plot_sets(axes: Axes, table, sets: Sequence[str], title: str) -> None:
    """A statistic of several sets, a row each from above, and a marker for each judge; hollow where it is no claim.

    Parameters
    ----------
    table
        A `pandas.DataFrame` with the columns set, judge, value, "95 % low", "95 % high", "chance, 2.5 %",
        "chance, 97.5 %", "supports a claim".
    """
    judges = list(dict.fromkeys(table["judge"]))
    for row in table.itertuples(index=False, name=None):
        found = dict(zip(table.columns, row, strict=True))
        i = judges.index(found["judge"])
        place = sets.index(found["set"]) + (i - (len(judges) - 1) / 2) * 0.6 / max(1, len(judges))
        colour = colour_of(i)
        band = found["chance, 2.5 %"], found["chance, 97.5 %"]
        axes.plot(band, [place, place], color="0.85", linewidth=9, solid_capstyle="butt", zorder=1)
        axes.plot([found["95 % low"], found["95 % high"]], [place, place], color=colour, linewidth=1.5)
        fill = colour if found["supports a claim"] else "white"
        axes.plot(found["value"], place, marker_of(i), color=colour, markerfacecolor=fill, markersize=6)
    for i, judge in enumerate(judges):
        axes.plot([], [], marker_of(i), color=colour_of(i), label=judge)
    axes.plot([], [], color="0.85", linewidth=9, label="chance, 95 %")
    axes.set(yticks=range(len(sets)), yticklabels=sets, ylim=(len(sets) - 0.4, -0.6), xlabel=title)
    axes.label_outer()
    axes.xaxis.set_major_locator(MaxNLocator(4))


def plot_counts(axes: Axes, values, counts, x_label: str, y_label: str) -> None:
    """How often each whole number occurs, as stems; a log axis where the numbers span a factor of 20."""
    axes.vlines(values, 0, counts, color=colour_of(0), linewidth=2)
    axes.plot(values, counts, "o", color=colour_of(0), markersize=4)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, max(values) * 1.05), ylim=(0, max(counts) * 1.1))
    if max(values) > 20 * min(values):
        axes.set(xscale="log", xlim=(min(values) * 0.8, max(values) * 1.2))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())


def plot_scores(axes: Axes, genuine: np.ndarray, impostor: np.ndarray, title: str, bins: int = 80) -> None:
    """Densities of genuine and impostor scores with their means."""
    limits = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    edges = np.linspace(*limits, bins + 1)
    for i, (name, scores) in enumerate((("impostor", impostor), ("genuine", genuine))):
        axes.hist(
            scores,
            edges,
            density=True,
            alpha=0.35,
            color=colour_of(i),
            linewidth=0,
            label=f"{name} (n = {len(scores):,})",
        )
        axes.axvline(scores.mean(), **style(i), linewidth=1.5, label=f"mean {scores.mean():.3f}")
    axes.set(xlabel="score (cosine similarity)", ylabel="density", title=title)
    legend_beside(axes)


def plot_banded(
    axes: Axes, curves: Mapping[str, object], x: str, y: str, banded: Sequence[str], chance: bool = True
) -> None:
    """Curves over a rate on a log axis, each a `pandas.DataFrame` with the columns x, y, low, high; chance dotted."""
    lowest = min(float(curve[x].iloc[0]) for curve in curves.values())
    grid = np.geomspace(lowest, 1, 100)
    if chance:
        axes.plot(grid, grid, color="0.6", linestyle=":", label="chance")
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(curve[x], curve[y], **style(i), label=name)
        if name in banded:
            axes.fill_between(curve[x], curve["low"], curve["high"], color=colour_of(i), alpha=0.15, linewidth=0)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01))
    legend(axes)


def plot_two_histograms(axes: Axes, impostor: np.ndarray, genuine: np.ndarray, title: str, bins: int = 60) -> None:
    """Densities of impostor and genuine scores."""
    edges = np.linspace(min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max()), bins + 1)
    for i, (name, found) in enumerate((("impostor", impostor), ("genuine", genuine))):
        label = f"{name} (n = {len(found):,})"
        axes.hist(found, edges, density=True, alpha=0.4, color=colour_of(i), linewidth=0, label=label)
    axes.set(xlabel="score (cosine similarity)", ylabel="density", title=title)


# Probability to normal deviate, the scale of a DET's axes.
_deviate = np.vectorize(NormalDist().inv_cdf, otypes=[float])


def plot_det(axes: Axes, curves: Mapping[str, object], title: str = "DET") -> None:
    """False non-match rate over false match rate on normal deviate axes, with bands; chance is the falling diagonal.

    `curves` are `pandas.DataFrame`s with the columns fmr, tmr, low, high; NaN where no band is known.
    """
    ends = _deviate([0.0005, 0.9995])
    axes.plot(ends, ends[::-1], color="0.6", linestyle=":", label="chance")
    for i, (name, curve) in enumerate(curves.items()):
        drawn = curve[(curve["tmr"] < 1) & (curve["tmr"] > 0) & (curve["fmr"] < 1)]
        at = _deviate(drawn["fmr"])
        axes.plot(at, _deviate(1 - drawn["tmr"]), **style(i), label=name)
        ends_of = [_deviate(np.clip(1 - drawn[end], 1e-6, 1 - 1e-6)) for end in ("high", "low")]
        axes.fill_between(at, *ends_of, color=colour_of(i), alpha=0.15, linewidth=0)
    ticks, labels = _deviate(DET_TICKS), [f"{100 * t:g} %" for t in DET_TICKS]
    axes.set_xticks(ticks, labels, fontsize="small")
    axes.set_yticks(ticks, labels, fontsize="small")
    axes.set(xlim=ends, ylim=ends, xlabel="false match rate (FMR)", ylabel="false non-match rate (FNMR)", title=title)
    legend(axes)


def plot_ranks(axes: Axes, curves: Mapping[str, np.ndarray], n_identities: int) -> None:
    """Share of probes identified within rank k (CMC), with chance k / N."""
    longest = max(len(curve) for curve in curves.values())
    ranks = np.arange(1, longest + 1)
    axes.plot(ranks, ranks / n_identities, color="0.6", linestyle=":", label="chance")
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(ranks[: len(curve)], curve, marker=marker_of(i), markersize=4, **style(i), label=name)
    top = min(1.02, 1.3 * max(max(curve) for curve in curves.values()))
    axes.set(xlabel="rank k", ylabel="share of probes identified", ylim=(0, top), title="Identification (CMC)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    legend(axes)


def bins_of(values: np.ndarray, most: int = 40) -> np.ndarray | int:
    """Edges of bins: one for each value where few can occur, such as shares of some classes; else 20 bins."""
    found = np.unique(values.round(9))
    step = np.diff(found).min() if len(found) > 1 else 0.0
    count = round((found[-1] - found[0]) / step) + 1 if step else most + 1
    return found[0] + step * (np.arange(count + 1) - 0.5) if count <= most else 20


def plot_null(axes: Axes, null: np.ndarray, observed: float, label: str = "AUC of the same-label link") -> None:
    """A statistic where there is no link, and the observed one."""
    axes.hist(null, bins_of(null), color=colour_of(0), alpha=0.5, label=f"without a link (n = {len(null):,})")
    axes.axvline(observed, **style(1), linewidth=2, label=f"observed {observed:.3f}")
    axes.set(xlabel=label, ylabel="draws", title="Chance")
    legend(axes)


def plot_power(axes: Axes, table, title: str) -> None:
    """Share of sets with an alarm by the share of planted copies, with intervals; `legend_beside` names the lines.

    `table` is a `pandas.DataFrame` with the columns alteration, share, rate, low, high; "none" is sets without copies.
    """
    for i, (name, rows) in enumerate(table.query("alteration != 'none'").groupby("alteration", sort=False)):
        axes.plot(100 * rows["share"], rows["rate"], marker=marker_of(i), markersize=4, **style(i), label=name)
        axes.fill_between(100 * rows["share"], rows["low"], rows["high"], color=colour_of(i), alpha=0.12, linewidth=0)
    silent = table.query("alteration == 'none'").iloc[0]
    axes.axhline(silent["rate"], color="0.6", linestyle=":", label="no copies")
    axes.axhline(0.8, color="0.8", linewidth=1, zorder=0)
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="planted share of the set (%)", ylabel="sets with an alarm")
    shares = sorted(100 * table.query("alteration != 'none'")["share"].unique())
    axes.set_xticks(shares, [f"{share:.2g}" for share in shares])
    axes.minorticks_off()
    axes.set_title(title)


def plot_frontier(axes: Axes, table, link: str, benchmark: str, chance: np.ndarray, grey: Sequence[str] = ()) -> None:
    """Accuracy of each model with its interval over the link of what it was trained on.

    `table` is a `pandas.DataFrame` with the columns model, accuracy, `95 % low`, `95 % high` and `link`; a model's
    colour and marker go by its row's label in the index. `chance` is the 95 % band of it for each row, float `[N, 2]`,
    NaN where it has none: drawn over the whole height where it is the same for all, else beneath each point. The axis
    begins where chance does.
    """
    bands = np.unique(chance[~np.isnan(chance).any(axis=1)], axis=0)
    if len(bands) == 1:
        axes.axvspan(*bands[0], color="0.9", label="chance, 95 %")
    else:
        about = {"color": "0.85", "linewidth": 9, "zorder": 0, "label": "chance for its set, 95 %"}
        axes.hlines(table["accuracy"], *chance.T, **about)
    lowest, strongest = bands[:, 0].min(), max(1.0, float(table[link].max()))
    axes.set_xlim(min(lowest, float(table[link].min())), strongest + 0.03 * (strongest - lowest))
    for i, row in zip(table.index, table.to_dict("records"), strict=True):
        below, above = row["accuracy"] - row["95 % low"], row["95 % high"] - row["accuracy"]
        axes.errorbar(
            row[link],
            row["accuracy"],
            yerr=[[max(below, 0)], [max(above, 0)]],
            marker=marker_of(i),
            color="0.6" if row["model"] in grey else colour_of(i),
            capsize=4,
            label=row["model"],
        )
    axes.set_ylabel(f"accuracy ({benchmark})")
    legend(axes)


def plot_groups(axes: Axes, table, title: str) -> None:
    """Accuracy within groups, a marker for each model.

    `table` is a `pandas.DataFrame` with the columns model, group, accuracy, low, high.
    """
    groups, models = list(dict.fromkeys(table["group"])), list(dict.fromkeys(table["model"]))
    for i, model in enumerate(models):
        rows = table[table["model"] == model]
        places = [-groups.index(name) - 0.6 * ((i + 0.5) / len(models) - 0.5) for name in rows["group"]]
        bars = [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
        look = {"color": colour_of(i), "fmt": marker_of(i), "markersize": 4, "capsize": 2, "linewidth": 1}
        axes.errorbar(rows["accuracy"], places, xerr=np.maximum(bars, 0), label=model, **look)
    axes.set_yticks([-i for i in range(len(groups))], groups, fontsize="small")
    axes.set(xlabel="accuracy", title=title)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def plot_sweep(axes: Axes, table, over: str, benchmark: str) -> None:
    """Accuracy of each model over another column, such as images per class, with intervals.

    `table` is a `pandas.DataFrame` with that column and model, accuracy, 95 % low, 95 % high.
    """
    for i, (model, rows) in enumerate(table.groupby("model", sort=False)):
        numbers = rows[over]
        axes.plot(numbers, rows["accuracy"], marker=marker_of(i), markersize=5, **style(i), label=model)
        axes.fill_between(numbers, rows["95 % low"], rows["95 % high"], color=colour_of(i), alpha=0.12, linewidth=0)
    axes.set(xlabel=over, ylabel=f"accuracy ({benchmark})")
    axes.set_xticks(sorted(table[over].unique()))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    legend(axes)


def plot_progress(
    axes: Axes, logs: Mapping[str, Sequence[Mapping]], x: str, y: str, x_label: str, y_label: str
) -> None:
    """One logged value over training, a line for each log."""
    for i, (name, rows) in enumerate(logs.items()):
        axes.plot([row[x] for row in rows], [row[y] for row in rows], **style(i), label=name)
    axes.set(xlabel=x_label, ylabel=y_label)
    legend(axes)


def plot_classes(axes: Axes, sets: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Each class's identity consistency over its diversity; `sets` gives both for each set, `[K]` each."""
    for i, (name, (consistency, diversity)) in enumerate(sets.items()):
        axes.scatter(
            diversity, consistency, 14, color=colour_of(i), marker=marker_of(i), alpha=0.6, linewidth=0, label=name
        )
    axes.set(xlabel="diversity (1 is the authentic mean)", ylabel="mean genuine score of a class")
    axes.set_xlim(left=0)
    legend(axes)


def plot_benchmarks(axes: Axes, table) -> None:
    """Accuracies with intervals, models side by side for each benchmark; floors in grey.

    `table` is a `pandas.DataFrame` with the columns benchmark, model, accuracy, 95 % low, 95 % high, verdict.
    """
    benchmarks, names = list(dict.fromkeys(table["benchmark"])), list(dict.fromkeys(table["model"]))
    for i, name in enumerate(names):
        rows = table[table["model"] == name]
        places = [-benchmarks.index(b) - 0.7 * ((i + 0.5) / len(names) - 0.5) for b in rows["benchmark"]]
        means = rows["accuracy"].to_numpy()
        bars = np.maximum([means - rows["95 % low"], rows["95 % high"] - means], 0)
        floor = (rows["verdict"] == "floor").all()
        look = {"color": "0.6"} if floor else {"color": colour_of(i)}
        marker = marker_of(i)
        axes.errorbar(means, places, xerr=bars, fmt=marker, markersize=5, capsize=2, linewidth=1, label=name, **look)
    axes.set_yticks([-i for i in range(len(benchmarks))], benchmarks)
    axes.set(xlabel="accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_beside(axes)


def plot_histogram(axes: Axes, values, x_label: str, y_label: str) -> None:
    """How often values occur; whole numbers get a bar each where they are few."""
    values = np.asarray(values)
    whole = np.issubdtype(values.dtype, np.integer) and np.ptp(values) < 60
    axes.hist(values, np.arange(values.min(), values.max() + 2) - 0.5 if whole else 30, color=colour_of(0), linewidth=0)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.yaxis.set_major_locator(MaxNLocator(3))


def plot_prevalence(axes: Axes, shares) -> None:
    """Shares of images as stacked bars, a row for each attribute.

    `shares` is a `pandas.DataFrame` indexed by attribute, with the columns yes, no, undefined.
    """
    rows, left = np.arange(len(shares))[::-1], np.zeros(len(shares))
    for column, colour in (("yes", colour_of(0)), ("no", "0.8"), ("undefined", "white")):
        axes.barh(rows, shares[column], left=left, color=colour, edgecolor="0.6", linewidth=0.4, label=column)
        left += shares[column].to_numpy()
    axes.set_yticks(rows, [name.replace("_", " ") for name in shares.index], fontsize="small")
    axes.set(xlabel="share of images", xlim=(0, 1), ylim=(-0.7, len(shares) - 0.3))
    axes.grid(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_beside(axes)


def plot_attribute_shares(axes: Axes, table, unreliable: Sequence[str] = (), untaught: Sequence[str] = ()) -> None:
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
            colour = "0.75" if grey else colour_of(i)
            at, share = [rows[name] - shift for name in chosen.index], chosen["prevalence"].to_numpy()
            bars = np.maximum([share - chosen["low"], chosen["high"] - share], 0)
            look = {"fmt": marker_of(i), "markersize": 4, "linewidth": 1, "color": colour}
            axes.errorbar(share, at, xerr=bars, label=None if grey else each, **look)
    axes.set_yticks(places, [name.replace("_", " ") for name in rows], fontsize="small")
    for label, name in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color("0.6" if name in unreliable or name in untaught else "black")
    axes.set(xlabel="share of images called present", xlim=(-0.02, 1.02), ylim=(y - 0.8, -0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(3, len(sets)))


def plot_attribute_matrix(axes: Axes, table, unreliable: Sequence[str] = ()) -> None:
    """Prevalence in % of each attribute, a row, in each set, a column; names of `unreliable` attributes are grey.

    `table` is that of `plot_attribute_shares`.
    """
    sets, names = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["attribute"]))
    square = table.pivot(index="attribute", columns="set", values="prevalence").reindex(index=names, columns=sets)
    labels = [name.replace("_", " ") for name in names]
    plot_matrix(axes, 100 * square.to_numpy(), labels, sets, "images called present (%)", digits=0)
    axes.tick_params(axis="x", rotation=90)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color("0.6" if name in unreliable else "black")


def plot_matrix(
    axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str, signed: bool = False,
    digits: int | None = 2,
) -> None:  # fmt: skip
    """A heat map; `signed` values get a palette centred on 0, `digits` None leaves the numbers out."""
    look = {"cmap": "vlag", "center": 0} if signed else {"cmap": "rocket_r", "vmin": 0}
    sns.heatmap(
        values, ax=axes, xticklabels=columns, yticklabels=rows, annot=digits is not None, fmt=f".{digits or 0}f",
        cbar_kws={"label": label}, **look,
    )  # fmt: skip
    axes.grid(False)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(labelsize=8)


def plot_both_ways(axes: Axes, table, forward: str, backward: str) -> None:
    """Divergence of each attribute in both directions as bars to the right and to the left, largest on top.

    `table` is a `pandas.DataFrame` with the columns attribute, forward, backward, `forward null`, `backward null`.
    """
    rows = np.arange(len(table))[::-1]
    for i, (name, sign, label) in enumerate((("forward", 1, forward), ("backward", -1, backward))):
        axes.barh(rows, sign * table[name], color=colour_of(i), linewidth=0, label=label)
        axes.plot(
            sign * table[f"{name} null"], rows, "|", color="black", markersize=7,
            label="95 % of random splits are below" if sign == 1 else None,
        )  # fmt: skip
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(rows, [name.replace("_", " ") for name in table["attribute"]], fontsize="small")
    axes.set(xlabel="divergence (nats)", ylim=(-0.7, len(table) - 0.3))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    legend(axes)


def plot_named_points(axes: Axes, table, x: str, y: str, name: str, origin: bool = True) -> None:
    """Points with their names beside them, and zero lines where the `origin` is shown."""
    if origin:
        axes.axvline(0, color="0.8", linewidth=1)
        axes.axhline(0, color="0.8", linewidth=1)
    axes.plot(table[x], table[y], marker_of(0), color=colour_of(0), markersize=4)
    for i, row in enumerate(table.sort_values([x, y]).to_dict("records")):
        place = {"xytext": (4, (3, -8)[i % 2]), "textcoords": "offset points"}  # Neighbours above and below.
        axes.annotate(row[name].replace("_", " "), (row[x], row[y]), fontsize=6, color="0.3", **place)


def plot_by_set(axes: Axes, values: Mapping[str, float | None], title: str, reference: str | None = None) -> None:
    """One number of each set as a dot on a row, the first on top; that of the reference is a dashed line as well."""
    rows = -np.arange(len(values))
    known = np.array([np.nan if value is None else value for value in values.values()])
    lowest, highest = np.nanmin(known, initial=0), np.nanmax(known, initial=0)
    room = 0.35 * ((highest - lowest) or 1)  # For the numbers beside the dots.
    if values.get(reference) is not None:
        axes.axvline(values[reference], color="0.5", linestyle="--", linewidth=1)
    axes.hlines(rows, 0, known, color=colour_of(0), linewidth=1, alpha=0.5)
    axes.plot(known, rows, marker_of(0), color=colour_of(0), markersize=5)
    for row, value in zip(rows, known, strict=True):
        text, at, colour = ("not measured", 0, "0.5") if np.isnan(value) else (f"{value:.3g}", value, "black")
        look = {"color": colour, "fontsize": "x-small", "va": "center"}
        patch = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # Lines do not cross the numbers.
        axes.annotate(text, (at, row), (6, 0), textcoords="offset points", bbox=patch, **look)
    axes.set(xlim=(lowest, highest + room), ylim=(rows[-1] - 0.7, 0.7))
    axes.set_title(title, fontsize="small")
    axes.set_yticks(rows, values)
    axes.tick_params(labelsize="small")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.grid(axis="y", visible=False)


def rows_of(rows: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Rows of images uint8 `[n, 3, S, S]`, n <= columns, one after the other; short ones are filled with white."""
    blank = np.full((columns, *rows[0].shape[1:]), 255, np.uint8)
    return np.concatenate([np.concatenate([row, blank[len(row) :]]) for row in rows])


def contact_sheet(images: np.ndarray, columns: int, enlarge: int = 1, gap_px: int = 2) -> np.ndarray:
    """Tile images uint8 `[N, 3, S, S]` into one picture uint8 `[H, W, 3]`, row by row, on white."""
    images = np.asarray(images).repeat(enlarge, 2).repeat(enlarge, 3)
    n, _, side, _ = images.shape
    rows, step = -(-n // columns), side + gap_px
    sheet = np.full((rows * step - gap_px, columns * step - gap_px, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * step, (i % columns) * step
        sheet[top : top + side, left : left + side] = image.transpose(1, 2, 0)
    return sheet
