"""A threshold, and matches, under the reader's hand."""

import secrets
from html import escape
from typing import Any

import numpy as np

from sface_lib.chapters import plots
from sface_lib.chapters.privacy import drawings
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.data import FaceSet
from sface_lib.run.fragments import png_address, png_of_pixels

COLOURS = drawings.IMPOSTOR, plots.NEUTRAL
THUMBNAILS, MATCHES = 12, 5
SIDE_PX = 72  # Of a thumbnail.


def threshold_slider(genuine: np.ndarray, impostor: np.ndarray, bins: int = 80) -> Any:
    """A widget that moves a threshold over the distributions of scores: FMR, FNMR and the accepted regions follow."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt
    from IPython.display import display

    genuine, impostor = np.sort(genuine), np.sort(impostor)
    low, high = float(min(genuine[0], impostor[0])), float(max(genuine[-1], impostor[-1]))
    edges = np.linspace(low, high, bins + 1)
    densities = [np.histogram(scores, edges, density=True)[0] for scores in (impostor, genuine)]
    slider = widgets.FloatSlider((low + high) / 2, min=low, max=high, step=(high - low) / 200, description="threshold")
    shown = widgets.Output()

    def redraw(*_: Any) -> None:
        figure, axes = plots.new_figure(width=7, height=2.6)
        parts = zip(("impostor", "genuine"), densities, (impostor, genuine), COLOURS, strict=True)
        for name, density, scores, colour in parts:
            accepted = 1 - np.searchsorted(scores, slider.value, side="left") / len(scores)
            axes.stairs(density, edges, color=colour, label=f"{name}: {100 * accepted:.2f} % accepted")
            beyond = edges[:-1] >= slider.value
            axes.bar(
                edges[:-1][beyond],
                density[beyond],
                np.diff(edges)[beyond],
                align="edge",
                color=colour,
                alpha=0.4,
            )
        fmr, fnmr = error_rates(genuine, impostor, slider.value)
        axes.axvline(slider.value, color="0.3")
        axes.set(xlabel="score", ylabel="density", title=f"FMR {100 * fmr:.3g} %, FNMR {100 * fnmr:.3g} %")
        axes.legend(fontsize="small")
        with shown:
            shown.clear_output(wait=True)
            display(figure)
        plt.close(figure)

    slider.observe(redraw, "value")
    redraw()
    return widgets.VBox([slider, shown])


def error_rates(genuine: np.ndarray, impostor: np.ndarray, threshold: float) -> tuple[float, float]:
    """FMR and FNMR of ascending scores at a threshold."""
    missed = np.searchsorted(genuine, threshold, side="left") / len(genuine)
    return 1 - np.searchsorted(impostor, threshold, side="left") / len(impostor), missed


def match_browser(sets: AuditedSets, view: View, shows_authentic: bool) -> Any:
    """Widgets of a set's faces: a click on one shows the images that score highest with it, by one judge.

    Those are training images and, where there are any, control images, with their scores; of authentic faces the scores
    alone, unless `shows_authentic`.
    """
    import ipywidgets as widgets

    of = {"training": (sets.authentic, view.sets.authentic), "control": (sets.control, view.sets.control)}
    last = max(0, len(sets.synthetic) - THUMBNAILS)
    first = widgets.BoundedIntText(0, 0, last, step=THUMBNAILS, description="from image")
    side = {"width": f"{SIDE_PX}px", "height": f"{SIDE_PX}px"}
    thumbnails = [widgets.Button(layout=widgets.Layout(**side)) for _ in range(THUMBNAILS)]
    looks, matches = widgets.HTML(), widgets.HTML()
    own = f"sface-{secrets.token_hex(6)}"  # A style holds on the whole page, where other sets have a browser, too.

    def row(title: str, faces: FaceSet, rows: np.ndarray, face: np.ndarray) -> str:
        scores = rows @ face
        best = np.argsort(-scores, kind="stable")[:MATCHES]
        shown = [_figure(faces, i, f"{title} image, score {scores[i]:.2f}") for i in best] if shows_authentic else []
        said = ", ".join(f"{scores[i]:.2f}" for i in best)
        return f"<p><b>{title}</b>, scores {said}</p><div>{''.join(shown)}</div>"

    def show(index: int) -> None:
        face = view.sets.synthetic.rows[index]
        rows = [row(title, faces, given.rows, face) for title, (faces, given) in of.items() if given is not None]
        matches.value = _figure(sets.synthetic, index, f"synthetic image {index}") + "".join(rows)

    def turn(*_: Any) -> None:
        rules = []
        for k, button in enumerate(thumbnails):
            index = first.value + k
            button.tooltip = f"synthetic image {index}" if index < len(sets.synthetic) else ""
            button.disabled = not button.tooltip
            if button.tooltip:
                picture = _address(sets.synthetic, index)
                rules.append(f".{own}-{k} {{ background: center / cover url({picture}) !important; }}")
        looks.value = f"<style>{''.join(rules)}</style>"
        show(first.value)

    for k, button in enumerate(thumbnails):
        button.add_class(f"sface-face-{k}")
        button.add_class(f"{own}-{k}")
        button.on_click(lambda _, k=k: show(first.value + k))
    first.observe(turn, "value")
    turn()
    grid = widgets.Box(thumbnails, layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([first, looks, grid, matches])


def _address(faces: FaceSet, index: int) -> str:
    pixels = faces.load([index], size_px=SIDE_PX)[0].numpy().transpose(1, 2, 0)
    return png_address(png_of_pixels(pixels))


def _figure(faces: FaceSet, index: int, words: str) -> str:
    return f'<img src="{_address(faces, index)}" alt="{escape(words)}" title="{escape(words)}">'
