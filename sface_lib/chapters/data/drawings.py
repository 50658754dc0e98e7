"""Drawings of notebook 01 on an `Axes`: see `sface_lib.chapters.plots`."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter

from sface_lib.chapters.plots import NEUTRAL, legend
from sface_lib.chapters.words import attribute_in_words


def plot_counts(axes: Axes, values: np.ndarray, counts: np.ndarray, x_label: str, y_label: str) -> None:
    """How often each whole number occurs, as stems; a log axis where the numbers span a factor of 20."""
    axes.vlines(values, 0, counts, color=NEUTRAL, linewidth=2)
    axes.plot(values, counts, "o", color=NEUTRAL, markersize=4)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, max(values) * 1.05), ylim=(0, max(counts) * 1.1))
    if max(values) > 20 * min(values):
        axes.set(xscale="log", xlim=(min(values) * 0.8, max(values) * 1.2))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())


def plot_histogram(axes: Axes, values: np.ndarray, x_label: str, y_label: str) -> None:
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
