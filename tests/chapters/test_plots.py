"""Figures of many sets and models: every one has a look of its own, and a name that hides no line."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sface_lib.chapters import plots

MANY = [f"model {i}" for i in range(16)]
RATES = np.geomspace(0.01, 1, 5)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def curve(columns, i):
    share = np.linspace(0.1 + 0.02 * i, 0.95, 5)
    return pd.DataFrame(dict(zip(columns, (RATES, share, share - 0.05, share + 0.04), strict=True)))


def accuracies(**columns):
    rows = [{"model": name, "accuracy": 0.6 + 0.02 * i} for i, name in enumerate(MANY)]
    spans = {"95 % low": 0.5, "95 % high": 0.99, "low": 0.5, "high": 0.99}
    return pd.DataFrame(rows).assign(**spans, **columns)


def drawn_of_many(axes):
    """Curves of sixteen names, by the kind of figure."""
    roc = {name: curve(("fmr", "tmr", "low", "high"), i) for i, name in enumerate(MANY)}
    plots.plot_banded(axes[0], roc, "fmr", "tmr", MANY)
    plots.plot_det(axes[1], roc)
    plots.plot_ranks(axes[2], {name: np.linspace(0.1, 0.9, 5) for name in MANY}, 100)
    plots.plot_sweep(axes[3], pd.concat([accuracies(over=10), accuracies(over=20)]), "over", "LFW")
    plots.plot_progress(axes[4], {name: [{"x": 0, "y": i}, {"x": 1, "y": 0}] for i, name in enumerate(MANY)}, *"xyxy")
    plots.plot_classes(axes[5], {name: (np.ones(3), np.ones(3)) for name in MANY})
    plots.plot_benchmarks(axes[6], accuracies(benchmark="LFW", verdict="learnt"))
    plots.plot_frontier(axes[7], accuracies(link=0.6), "link", "LFW", np.array([[0.45, 0.55]] * 16))


def test_sixteen_names_stand_beside_the_lines_and_no_two_look_alike():
    figure, axes = plots.new_figure(columns=4, rows=2, width=7)
    drawn_of_many(axes.ravel())
    figure.draw_without_rendering()
    for ax in axes.flat:
        legend = ax.get_legend()
        named = [text.get_text() for text in legend.get_texts() if text.get_text() in MANY]
        assert named == MANY and legend.get_window_extent().x0 >= ax.get_window_extent().x1
    assert len({tuple(plots.style(i).values()) for i in range(30)}) == 30
    assert len({(plots.colour_of(i), plots.marker_of(i)) for i in range(60)}) == 60


def test_few_names_stand_in_the_axes():
    _, ax = plots.new_figure()
    plots.plot_ranks(ax, {name: np.linspace(0.1, 0.9, 5) for name in MANY[:3]}, 100)
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1


def test_shares_of_many_sets_are_a_column_each():
    names = [f"attribute_{i}" for i in range(5)]
    rows = [(each, name, (i + j) / 20) for i, each in enumerate(MANY) for j, name in enumerate(names)]
    table = pd.DataFrame(rows, columns=["set", "attribute", "prevalence"])
    figure, ax = plots.new_figure(width=7.4)
    plots.plot_attribute_matrix(ax, table, unreliable=["attribute_1"])
    figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == MANY
    assert [label.get_color() for label in ax.get_yticklabels()] == ["black", "0.6", "black", "black", "black"]
    numbers = [text.get_text() for text in ax.texts]
    assert len(numbers) == 80 and numbers[:3] == ["0", "5", "10"]
    groups = accuracies(group="men")
    plots.plot_groups(plots.new_figure()[1], groups, "LFW")


def test_a_null_of_few_values_has_a_bar_for_each():
    """Twelve classes give thirteen shares at most, the rare ones of which may be missing."""
    shares = np.random.default_rng(0).binomial(12, 0.5, 1199) / 12
    counts, edges = np.histogram(shares, plots.bins_of(shares))
    values, drawn = np.unique(shares, return_counts=True)
    assert np.allclose(edges[:-1] + 1 / 24, values) and counts.tolist() == drawn.tolist()
    assert plots.bins_of(np.random.default_rng(0).normal(size=99)) == 20 == plots.bins_of(np.ones(5))
    gap = plots.bins_of(np.array([0.0, 0.25, 1.0]))
    assert np.allclose(gap, np.arange(-0.125, 1.2, 0.25))
