"""What the curves and points of a drawing are, and where on it they lie, so that a page can name what is pointed at."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

MOST_POINTS = 60  # Of a curve, in equal steps.
SIDES = "get_xlabel", "get_ylabel"
PARTS = 1000  # Places are whole parts of the drawing's width and height.


def points_of_figure(figure: Any, box: Any) -> str:
    """The named curves and points of a matplotlib figure that has been laid out, as JSON; empty where there are none.

    A list of curves, each `[name, label of x, label of y, points]`, where a label may be empty, and each point
    `[left, top, x, y]`: its place in thousandths of the drawing's width and height, from the left and from the top, and
    both values in words. A curve's name is that of the legend; the only curve of a panel goes by the panel's title.

    Parameters
    ----------
    figure
        The figure, drawn once. What is not drawn in the units of its axes is left out.
    box
        What is saved of the figure, a `Bbox` in inches.
    """
    panels = [axes for axes in figure.axes if axes.get_visible()]
    labels = {side: next(filter(None, (getattr(each, side)() for each in panels)), "") for side in SIDES}
    curves = []
    for axes in panels:
        titles = [getattr(axes, side)() or labels[side] for side in SIDES]
        for name, values in _curves(axes):
            points = [
                [*place, _said(axes.xaxis, x), _said(axes.yaxis, y)]
                for place, (x, y) in zip(_places(axes, values, box), values, strict=True)
                if place is not None
            ]
            if points:
                curves.append([name, *titles, points])
    return json.dumps(curves, separators=(",", ":"), ensure_ascii=False) if curves else ""


def _curves(axes: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Name and points `[N, 2]`, in the axes' units, of what is drawn."""
    named = {each.lines[0]: each.get_label() for each in axes.containers if getattr(each, "lines", None)}
    lines = [line for line in axes.lines if line.get_transform() == axes.transData and len(line.get_xdata()) > 0]
    names = {line: named.get(line) or line.get_label() for line in lines}
    told = [line for line in lines if not str(names[line]).startswith("_")]
    if not told and len(lines) == 1 and axes.get_title():
        told, names = lines, {lines[0]: axes.get_title()}
    for line in told:
        values = np.column_stack([np.asarray(each, np.float64) for each in line.get_data(orig=False)])
        kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int))
        yield names[line], values[kept]


def _places(axes: Any, values: np.ndarray, box: Any) -> list[list[int] | None]:
    """Where points lie on what is saved; None outside the axes."""
    with np.errstate(all="ignore"):
        pixels = axes.transData.transform(values)
    room = axes.get_window_extent().padded(1)
    inches = pixels / axes.figure.dpi
    left, top = (inches[:, 0] - box.x0) / box.width, (box.y1 - inches[:, 1]) / box.height
    return [
        [round(PARTS * x), round(PARTS * y)] if np.isfinite([x, y]).all() and room.contains(*at) else None
        for x, y, at in zip(left, top, pixels, strict=True)
    ]


def _said(axis: Any, value: float) -> str:
    """A value in the words of its axis; that of the nearest tick where ticks alone have words, as categories do."""
    from matplotlib.ticker import FixedFormatter, FuncFormatter, PercentFormatter

    formatter = axis.get_major_formatter()
    if isinstance(formatter, PercentFormatter):
        return f"{100 * value / formatter.xmax:.2f} %"
    if isinstance(formatter, FuncFormatter) and (said := formatter(value, None)):
        return str(said)
    if isinstance(formatter, FuncFormatter | FixedFormatter):
        ticks = np.asarray(axis.get_majorticklocs(), np.float64)
        nearest = int(np.abs(ticks - value).argmin())
        return str(formatter(ticks[nearest], nearest))
    return f"{value:.4g}"
