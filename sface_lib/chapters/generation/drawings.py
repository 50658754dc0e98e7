"""Drawings of notebook 02 on an `Axes`: see `sface_lib.chapters.plots`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sface_lib.chapters.plots import Looking


def plot_classes(axes: Axes, sets: Mapping[str, tuple[np.ndarray, np.ndarray]], look: Looking) -> None:
    """Each class's identity consistency over its diversity; `sets` gives both for each set, `[K]` each."""
    for name, (consistency, diversity) in sets.items():
        style = look(name).points | {"linestyle": "", "markersize": 4, "alpha": 0.6}
        axes.plot(diversity, consistency, **style, label=name)
    axes.set(xlabel="diversity (1 is the authentic mean)", ylabel="mean genuine score of a class")
    axes.set_xlim(left=0)


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
