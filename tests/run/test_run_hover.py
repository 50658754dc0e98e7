"""What a page names under the pointer lies where it was drawn."""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.ticker import PercentFormatter
from PIL import Image

from sface_lib.run.hover import MOST_POINTS, points_of_figure


@pytest.fixture
def drawn():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    yield figure, axes
    plt.close(figure)


def saved(figure) -> tuple[list, np.ndarray]:
    """The curves, and the pixels of what is saved, uint8 `[H, W, 3]`."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.canvas.get_renderer()).padded(0.1)
    figure.set_layout_engine("none")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=150, bbox_inches=box)
    found = points_of_figure(figure, box)
    return json.loads(found) if found else [], np.asarray(Image.open(stream).convert("RGB"))


def test_points_lie_on_their_marks(drawn):
    """On linear and logarithmic axes, whatever is cut off around the figure."""
    figure, (left, right) = drawn
    left.plot([1, 2, 4], [3, 1, 2], "o", color="red", markersize=9, label="a")
    right.loglog([1e-3, 1e-1, 1], [0.1, 0.5, 1], "o", color="red", markersize=9, label="b")
    curves, pixels = saved(figure)
    assert [curve[0] for curve in curves] == ["a", "b"] and [len(curve[3]) for curve in curves] == [3, 3]
    for *_, points in curves:
        for x, y, *_ in points:
            at = pixels[round(y / 1000 * pixels.shape[0]), round(x / 1000 * pixels.shape[1])]
            assert at.tolist() == [255, 0, 0]
    assert [point[2:] for point in curves[1][3]] == [["0.001", "0.1"], ["0.1", "0.5"], ["1", "1"]]


def test_values_are_said_as_their_axis_says_them(drawn):
    figure, (left, right) = drawn
    left.errorbar([0.876, 0.5], [0.2, 1.1], xerr=0.01, linestyle="", label="CLS")
    left.set_yticks([0, 1], ["LFW", "CFP-FP"])
    left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.set(xlabel="accuracy", ylabel="benchmark")
    right.plot([1, 2], [1, 2])
    right.xaxis.set_major_formatter(lambda value, _: f"about {value:.0f}")
    right.set_title("KT")
    first, second = saved(figure)[0]
    assert first[:3] == ["CLS", "accuracy", "benchmark"]
    assert [point[2:] for point in first[3]] == [["87.60 %", "LFW"], ["50.00 %", "CFP-FP"]]
    assert second[:3] == ["KT", "accuracy", "benchmark"]  # A panel within says no labels of its own.
    assert [point[2:] for point in second[3]] == [["about 1", "1"], ["about 2", "2"]]


def test_what_nobody_can_point_at_is_left_out(drawn):
    """Curves without a name, lines across the axes, and points beyond the limits or without a value."""
    figure, (left, right) = drawn
    left.plot([1, 2], [1, 2])
    left.plot([1, 2], [2, 1])
    left.axhline(1.5, label="chance")
    right.set_visible(False)
    right.plot([1, 2], [1, 2], label="hidden")
    assert saved(figure)[0] == []
    left.plot([0, 1, 2, 9], [1, np.nan, 1, 1], label="a")
    left.set_xlim(1, 3)
    ((_, _, _, points),) = saved(figure)[0]
    assert [point[2:] for point in points] == [["2", "1"]]


def test_a_long_curve_is_thinned_and_keeps_its_ends(drawn):
    figure, (left, _) = drawn
    left.plot(np.arange(1000), np.arange(1000), label="a")
    ((_, _, _, points),) = saved(figure)[0]
    assert len(points) == MOST_POINTS and points[0][2] == "0" and points[-1][2] == "999"
