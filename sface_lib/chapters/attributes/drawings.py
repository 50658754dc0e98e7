"""Drawings of notebook 06 on an `Axes`: see `sface_lib.chapters.plots`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from sface_lib.chapters.plots import Looking, plot_matrix
from sface_lib.chapters.words import attribute_in_words

OUTLINED = [withStroke(linewidth=3, foreground="white")]  # Dark marks are seen on dark bars, too.


def plot_attribute_shares(
    axes: Axes, table: pd.DataFrame, look: Looking, unreliable: Sequence[str] = (), untaught: Sequence[str] = ()
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


def plot_attribute_matrix(axes: Axes, table: pd.DataFrame, unreliable: Sequence[str] = ()) -> None:
    """Prevalence in % of each attribute, a row, in each set, a column; names of `unreliable` attributes are grey.

    `table` is that of `plot_attribute_shares`.
    """
    sets, names = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["attribute"]))
    square = table.pivot(index="attribute", columns="set", values="prevalence").reindex(index=names, columns=sets)
    labels = [attribute_in_words(name) for name in names]
    plot_matrix(axes, 100 * square.to_numpy(), labels, sets, "images called present (%)", digits=0)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color("0.45" if name in unreliable else "black")


def plot_both_ways(axes: Axes, table: pd.DataFrame, forward: str, backward: str, colours: tuple[str, str]) -> None:
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
