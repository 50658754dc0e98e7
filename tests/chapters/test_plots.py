"""Figures of many sets and models: every one has one look in all of them, and a name that hides nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sface_lib.chapters import plots, sheets
from sface_lib.chapters.attributes import drawings as attributes
from sface_lib.chapters.evaluation import drawings as evaluation
from sface_lib.chapters.generation import drawings as generation
from sface_lib.chapters.looks import COLOURS, GREY, INK, MARKERS, Looks, contrast, indexed
from sface_lib.chapters.privacy import drawings as privacy
from sface_lib.privacy.alterations import ALTERATIONS

MANY = [f"model {i}" for i in range(16)]
LOOK = {name: indexed(i) for i, name in enumerate(MANY)}.get
LOOK_OF_SETS = Looks(["a", "b"]).of_set
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
    logs = {name: [{"x": 0, "y": i}, {"x": 1, "y": 0}] for i, name in enumerate(MANY)}
    plots.plot_banded(axes[0], roc, "fmr", "tmr", MANY, LOOK)
    privacy.plot_det(axes[1], roc, LOOK)
    ranks = ("rank", "value", "95 % low", "95 % high")
    privacy.plot_ranks(axes[2], pd.concat(curve(ranks, i).assign(judge=n) for i, n in enumerate(MANY)), 100, LOOK)
    evaluation.plot_sweep(axes[3], pd.concat([accuracies(over=10), accuracies(over=20)]), "over", "LFW", LOOK)
    plots.plot_progress(axes[4], logs, *"xyxy", LOOK)
    generation.plot_classes(axes[5], {name: (np.ones(3), np.ones(3)) for name in MANY}, LOOK)
    evaluation.plot_benchmarks(axes[6], accuracies(benchmark="LFW"), LOOK)
    plots.plot_frontier(axes[7], accuracies(link=0.6), "link", "LFW", np.array([[0.45, 0.55]] * 16), LOOK)


@pytest.mark.slow
def test_sixteen_names_stand_beside_the_lines():
    figure, axes = plots.new_figure(columns=4, rows=2, width=7)
    drawn_of_many(axes.ravel())
    for ax in axes.flat:
        plots.legend(ax)
    figure.draw_without_rendering()
    for ax in axes.flat:
        legend = ax.get_legend()
        named = [text.get_text() for text in legend.get_texts() if text.get_text() in MANY]
        assert named == MANY and legend.get_window_extent().x0 >= ax.get_window_extent().x1


def test_models_of_one_link_stand_side_by_side():
    _, ax = plots.new_figure()
    plots.plot_frontier(ax, accuracies(link=0.6), "link", "LFW", np.array([[0.45, 0.55]] * 16), LOOK)
    places = [line.get_xdata()[0] for line in ax.lines if line.get_marker() in MARKERS]
    assert len(set(places)) == 16 and np.mean(places) == pytest.approx(0.6)
    (low, high), span = ax.get_xlim(), np.ptp(places)
    assert low < 0.45 and high > 1 and span < (high - low) / 4


def test_panels_fill_their_rows_and_only_outer_ones_have_labels():
    assert [plots.grid(n) for n in (1, 4, 5, 7, 9)] == [(1, 1), (4, 1), (3, 2), (4, 2), (3, 3)]
    figure, panels = plots.new_panels(5, 3, 2, 2, sharex=True, sharey=True)
    for ax in panels:
        ax.set(xlabel="x", ylabel="y")
    plots.label_outside(panels, 3)
    assert figure.axes == panels and len(panels) == 5
    assert [ax.get_xlabel() for ax in panels] == ["", "", "x", "x", "x"]  # The third has no panel below it.
    assert [ax.get_ylabel() for ax in panels] == ["y", "", "", "y", ""]


def test_a_signed_heat_map_is_white_at_zero_and_its_ends_are_alike():
    _, ax = plots.new_figure()
    plots.plot_matrix(ax, np.array([[0.1, -0.5], [np.nan, 0.2]]), "ab", "cd", "phi", signed=True)
    assert ax.collections[0].get_clim() == (-0.5, 0.5)


def test_numbers_of_a_heat_map_are_read_on_every_cell():
    _, ax = plots.new_figure()
    values = np.append(np.linspace(0, 1, 19), np.nan).reshape(4, 5)
    plots.plot_matrix(ax, values, "abcd", "efghi", "share")
    cells = ax.collections[0].get_facecolors()[:19]
    assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in values.ravel()[:19]]
    assert min(contrast(text.get_color(), cell) for text, cell in zip(ax.texts, cells, strict=True)) >= 4.5


def test_marks_are_seen_on_bars_of_any_colour():
    figure, ax = plots.new_figure()
    ways = {"forward": 0.5, "backward": 0.5, "forward null": 0.25, "backward null": 0.25}
    attributes.plot_both_ways(ax, pd.DataFrame([{"attribute": "Male"} | ways]), "p", "q", (INK, INK))
    figure.canvas.draw()
    pixels, (x, y) = np.asarray(figure.canvas.buffer_rgba()), ax.transData.transform((0.25, 0)).round().astype(int)
    around = pixels[pixels.shape[0] - y, x - 6 : x + 7, :3].max(1)
    assert around.max() > 220 and around.min() < 20  # White beside black, inside a bar of dark grey.


def test_names_of_points_do_not_hide_one_another():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=25), "y": rng.normal(size=25), "name": [f"Name_{i}" for i in range(25)]})
    figure, ax = plots.new_figure()
    plots.plot_named_points(ax, table, "x", "y", "name")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert ax.get_xlim()[0] == -ax.get_xlim()[1]
    assert [line.get_label() for line in ax.lines[2:]] == [f"Name {i}" for i in range(25)]  # Under a pointer.
    places = ax.transData.transform(table[["x", "y"]].to_numpy())
    assert not any(box.contains(*place) for box in boxes for place in places)


def test_of_many_points_the_outermost_are_named():
    table = pd.DataFrame(
        {"x": [0.0, 0.1, -0.1, 9.0], "y": [0.0, 0.1, 0.1, 0.0], "name": ["a", "b", "c", "5_o_Clock_Shadow"]}
    )
    _, ax = plots.new_figure()
    plots.plot_named_points(ax, table, "x", "y", "name", most_named=1)
    assert [text.get_text() for text in ax.texts] == ["5 o'clock shadow"] and len(ax.lines) == 2 + 4


def test_a_contact_sheet_holds_the_images_as_they_are_beside_their_labels():
    rows = [np.full((n, 3, 4, 4), grey, np.uint8) for n, grey in ((2, 10), (1, 20))]
    bare = sheets.contact_sheet(rows, enlarge=3, gap_px=1)
    assert bare.shape == (25, 25, 4)
    seen, ground = bare[..., :3], bare[..., 3] == 0
    assert (seen[:12] == 10)[:, [0, 11, 13, 24]].all() and (seen[13:, :12] == 20).all()
    assert ground[13:, 13:].all() and ground[12].all() and ground[:, 12].all() and not ground[:12, :12].any()
    labelled = sheets.contact_sheet(rows, ["first", "second"], ["l", "r"], enlarge=3, gap_px=1)
    top, left = np.array(labelled.shape[:2]) - 25
    assert (labelled[top:, left:] == bare).all()
    margins = labelled[:top, left:], labelled[top : top + 12, :left], labelled[top + 13 :, :left]
    assert all((margin[..., 3] > 180).any() for margin in margins) and (labelled[:top, :left, 3] == 0).all()
    (letters,) = {tuple(pixel[:3]) for margin in margins for pixel in margin[margin[..., 3] > 0].tolist()}
    assert all(contrast([part / 255 for part in letters], ground) > 4.1 for ground in ("#ffffff", "#14181d"))


# Looks


def test_a_set_has_one_colour_and_marker_and_its_models_and_judges_are_tones_of_it():
    looks = Looks(["generated", "dcface", "sface"])
    sets = [looks.of_set(name) for name in ("authentic", "generated", "dcface", "sface", "elsewhere")]
    assert len({each.colour for each in sets}) == len({each.marker for each in sets}) == 5
    assert looks.of_model("baseline") == looks.of_set("authentic") == looks.of_set("balanced")
    assert looks.of_model("CLS dcface").colour == looks.of_set("dcface").colour == looks.of_model("given dcface").colour
    models = [looks.of_model(f"{strategy} dcface") for strategy in ("CLS", "KT", "CL")]
    for told_by in ("colour", "line_style", "filling"):
        assert len({getattr(each, told_by) for each in models}) == 3
    assert {each.marker for each in models} == {looks.of_set("dcface").marker}
    assert looks.of_model("CLS dcface 20") == looks.of_model("CLS dcface")  # Of the sweep: a point on its curve.
    assert looks.of_set("as drawn") == looks.of_set("generated").variant(0)
    assert Looks(["dcface"]).of_set("generated") == looks.of_set("generated")


def test_a_mixture_stands_between_its_set_and_the_authentic_one():
    looks = Looks(["dcface"])
    red = [int(looks.of_model(f"CLS dcface mixed {share}").colour[3:5], 16) for share in (0.1, 0.5, 0.9)]
    own, authentic = (int(looks.of_set(name).colour[3:5], 16) for name in ("dcface", "authentic"))
    assert own > red[0] > red[1] > red[2] > authentic


def test_sixteen_sets_look_different():
    looks = Looks(MANY)
    assert len({(look.colour, look.marker) for look in map(looks.of_set, MANY)}) == 16
    floors = [looks.of_model(floor) for floor in ("raw pixels", "untrained")]
    assert {floor.colour for floor in floors} == {GREY} and len({floor.marker for floor in floors}) == 2
    filtered = [looks.of_model(f"CLS generated filtered {rate}") for rate in (0.5, 0.1, 0.01)]
    assert len({look.marker for look in filtered}) == 3
    assert looks.of_model("CLS generated filtered 0.5") == filtered[0]


def test_every_alteration_of_planted_copies_has_a_colour_and_a_marker_that_no_set_has():
    _, ax = plots.new_figure()
    rows = [{"alteration": each, "share": share} for each in ("none", *ALTERATIONS) for share in (0.001, 0.01)]
    privacy.plot_power(ax, pd.DataFrame(rows).assign(rate=0.5, low=0.4, high=0.6), "verifier")
    lines = [line for line in ax.lines if line.get_label() in ALTERATIONS]
    colours = {line.get_color() for line in lines}
    assert len(colours) == len({line.get_marker() for line in lines}) == len(ALTERATIONS)
    assert not colours & set(COLOURS) and min(contrast(each, "white") for each in colours) >= 2.5


def test_shares_of_many_sets_are_a_column_each():
    names = [f"attribute_{i}" for i in range(5)]
    rows = [(each, name, (i + j) / 20) for i, each in enumerate(MANY) for j, name in enumerate(names)]
    table = pd.DataFrame(rows, columns=["set", "attribute", "prevalence"])
    figure, ax = plots.new_figure(width=7.4)
    attributes.plot_attribute_matrix(ax, table, unreliable=["attribute_1"])
    figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_xticklabels()] == MANY
    assert [label.get_color() for label in ax.get_yticklabels()] == ["black", "0.45", "black", "black", "black"]
    numbers = [text.get_text() for text in ax.texts]
    assert len(numbers) == 80 and numbers[:3] == ["0", "5", "10"]
    groups = accuracies(group="men")
    evaluation.plot_groups(plots.new_figure()[1], groups, "LFW", ["women", "men"], LOOK)
    assert [label.get_text() for label in plt.gca().get_yticklabels()] == ["women", "men"]


def test_a_null_of_few_values_has_a_bar_for_each():
    """Twelve classes give thirteen shares at most, the rare ones of which may be missing."""
    shares = np.random.default_rng(0).binomial(12, 0.5, 1199) / 12
    counts, edges = np.histogram(shares, privacy.bins_of(shares))
    values, drawn = np.unique(shares, return_counts=True)
    assert np.allclose(edges[:-1] + 1 / 24, values) and counts.tolist() == drawn.tolist()
    assert privacy.bins_of(np.random.default_rng(0).normal(size=99)) == 20 == privacy.bins_of(np.ones(5))
    gap = privacy.bins_of(np.array([0.0, 0.25, 1.0]))
    assert np.allclose(gap, np.arange(-0.125, 1.2, 0.25))


def test_an_empty_row_says_why():
    _, ax = plots.new_figure()
    table = {"set": "a", "judge": "verifier", "value": 0.6, "95 % low": 0.5, "95 % high": 0.7, "supports a claim": True}
    table |= {"chance, 2.5 %": 0.45, "chance, 97.5 %": 0.55}
    privacy.plot_sets(ax, pd.DataFrame([table]), ["a", "b"], ["verifier"], "link", LOOK_OF_SETS, "no authentic labels")
    assert [(text.get_position(), text.get_text()) for text in ax.texts] == [((0.5, 1), "no authentic labels")]


def test_a_marker_at_the_end_of_its_axis_is_whole():
    _, ax = plots.new_figure()
    generation.plot_by_set(ax, {"a": 0.0, "b": 3.0}, "copies (%)", LOOK_OF_SETS)
    assert not any(line.get_clip_on() for line in ax.lines if line.get_marker() in MARKERS)


def test_chance_has_one_entry_in_the_legend_of_all_panels():
    _, axes = plots.new_figure(columns=2)
    for ax, band in zip(axes, ([[0.45, 0.55]] * 16, [[0.45, 0.55], [0.4, 0.6]] * 8), strict=True):
        plots.plot_frontier(ax, accuracies(link=0.6), "link", "LFW", np.array(band), LOOK)
    plots.legend(axes[1])
    assert sum("chance" in text.get_text() for text in axes[1].get_legend().get_texts()) == 1
