"""Attributes of two sets side by side, under the reader's hand."""

import io
from html import escape
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters.attributes import drawings
from sface_lib.chapters.looks import Looks
from sface_lib.run.fragments import png_address

MOST_SHOWN = 15


def set_comparer(prevalences: pd.DataFrame, looks: Looks) -> Any:
    """Widgets that choose two sets and a kind of attributes, and draw where the sets differ most.

    `prevalences` has the columns set, kind, attribute, prevalence, low, high.
    """
    import ipywidgets as widgets

    sets, kinds = ([*dict.fromkeys(prevalences[column])] for column in ("set", "kind"))
    controls = [
        widgets.Dropdown(options=sets, value=sets[0], description="set"),
        widgets.Dropdown(options=sets, value=sets[-1], description="beside"),
        widgets.Dropdown(options=["all", *kinds], description="attributes"),
    ]
    picture = widgets.HTML()

    def redraw(*_: Any) -> None:
        first, second, kind = (control.value for control in controls)
        chosen = prevalences if kind == "all" else prevalences[prevalences["kind"] == kind]
        picture.value = _drawn(chosen, first, second, looks)

    for control in controls:
        control.observe(redraw, "value")
    redraw()
    return widgets.VBox([widgets.HBox(controls), picture])


def largest_differences(prevalences: pd.DataFrame, first: str, second: str) -> list[str]:
    """The attributes whose shares in two sets differ most, at most 15, the largest difference first."""
    shares = prevalences.pivot(index="attribute", columns="set", values="prevalence")
    apart = (shares[first] - shares[second]).abs().dropna()
    return apart.sort_values(ascending=False, kind="stable").index[:MOST_SHOWN].tolist()


def _drawn(prevalences: pd.DataFrame, first: str, second: str, looks: Looks) -> str:
    """A picture of the differences with its words, as HTML; drawn beside matplotlib's state, the notebook's own."""
    names = largest_differences(prevalences, first, second)
    table = prevalences[prevalences["attribute"].isin(names) & prevalences["set"].isin([first, second])].copy()
    table["attribute"] = pd.Categorical(table["attribute"], names)
    table = table.sort_values("attribute", kind="stable").astype({"attribute": str}).assign(kind="")
    figure = Figure(figsize=(7, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    drawings.plot_attribute_shares(axes, table, looks.of_set)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    shares = table.set_index(["attribute", "set"])["prevalence"]
    words = "; ".join(
        f"{name.replace('_', ' ')} {shares[name, first]:.0%} and {shares[name, second]:.0%}" for name in names
    )
    said = escape(f"Share of images called present in {first} and {second}, largest difference first: {words}.")
    return f'<img src="{png_address(stream.getvalue())}" alt="{said}">'
