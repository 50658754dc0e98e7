"""Drawings of notebook 03 on an `Axes`: see `sface_lib.chapters.plots`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.special import ndtr, ndtri

from sface_lib.chapters.looks import indexed, of_no_set
from sface_lib.chapters.plots import BAND, FAINT, NEUTRAL, Looking

IMPOSTOR = "#b0b0b0"
DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)


def plot_sets(
    axes: Axes, table: pd.DataFrame, sets: Sequence[str], judges: Sequence[str], title: str, look: Looking,
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
        cells = dict(zip(table.columns, row, strict=True))
        i = judges.index(cells["judge"])
        place = sets.index(cells["set"]) + (i - (len(judges) - 1) / 2) * 0.6 / max(1, len(judges))
        colour = look(cells["set"]).colour
        band = cells["chance, 2.5 %"], cells["chance, 97.5 %"]
        axes.plot(band, [place, place], color=BAND, linewidth=9, solid_capstyle="butt", zorder=1)
        axes.plot([cells["95 % low"], cells["95 % high"]], [place, place], color=colour, linewidth=1.5)
        fill = colour if cells["supports a claim"] else "white"
        axes.plot(cells["value"], place, indexed(i).marker, color=colour, markerfacecolor=fill, markersize=6)
    for i, judge in enumerate(judges):
        axes.plot([], [], indexed(i).marker, color="0.3", label=judge)
    axes.plot([], [], color=BAND, linewidth=9, label="chance, 95 %")
    for name in set(sets) - set(table["set"]):
        axes.text(0.5, sets.index(name), why_empty, **FAINT, transform=axes.get_yaxis_transform())
    axes.set(yticks=range(len(sets)), yticklabels=sets, ylim=(len(sets) - 0.4, -0.6), xlabel=title)
    axes.label_outer()
    axes.xaxis.set_major_locator(MaxNLocator(4))


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


def plot_ranks(axes: Axes, table: pd.DataFrame, n_identities: int, look: Looking) -> None:
    """Share of probes identified within rank k (CMC) with bands, and chance k / N; see `plot_bands` for the table."""
    ranks = np.arange(1, table["rank"].max() + 1)
    axes.plot(ranks, ranks / n_identities, color="0.6", linestyle=":", label="chance")
    plot_bands(axes, table, "rank", look)
    top = min(1.02, 1.3 * table["95 % high"].max())
    axes.set(xlabel="rank k", ylabel="share of probes identified", ylim=(0, top), title="Identification (CMC)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def plot_bands(axes: Axes, table: pd.DataFrame, over: str, look: Looking, joined: bool = True) -> None:
    """A curve with a 95 % band for each judge; `joined` puts a marker on each point.

    `table` is a `pandas.DataFrame` with the columns judge, value, 95 % low, 95 % high and the one that it goes over.
    """
    for name, rows in table.groupby("judge", sort=False):
        own = look(name)
        axes.plot(rows[over], rows["value"], **(own.joined if joined else own.curve), label=name)
        axes.fill_between(rows[over], rows["95 % low"], rows["95 % high"], color=own.colour, alpha=0.15, linewidth=0)


def bins_of(values: np.ndarray, most: int = 40) -> np.ndarray | int:
    """Edges of bins: one for each value where few can occur, such as shares of some classes; else 20 bins."""
    levels = np.unique(values.round(9))
    step = np.diff(levels).min() if len(levels) > 1 else 0.0
    count = round((levels[-1] - levels[0]) / step) + 1 if step else most + 1
    return levels[0] + step * (np.arange(count + 1) - 0.5) if count <= most else 20


def plot_null(axes: Axes, null: np.ndarray, observed: float, label: str, colour: str = NEUTRAL) -> None:
    """A statistic where there is no link, in grey, and the observed one, a line in the colour of its set."""
    axes.hist(null, bins_of(null), color=IMPOSTOR, linewidth=0)
    axes.axvline(observed, color=colour, linewidth=2)
    axes.set(xlabel=label, ylabel="draws")
    axes.set_title(f"observed {observed:.3f} (line); {len(null):,} draws without a link (grey)", fontsize="small")


def plot_power(axes: Axes, table: pd.DataFrame, title: str) -> None:
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
