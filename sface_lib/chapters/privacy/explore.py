"""A threshold under the reader's hand."""

from typing import Any

import numpy as np

from sface_lib.chapters import plots

COLOURS = plots.IMPOSTOR, plots.NEUTRAL


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
