"""Faces under the reader's hand: class, latent, truncation, and the way from one identity to another."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image

from sface_lib.data import to_uint8
from sface_lib.generators import FaceGenerator

ENLARGED_PX = 320


@torch.no_grad()
def morph(
    generator: FaceGenerator,
    accelerator: Accelerator,
    left: int,
    right: int,
    mix: Sequence[float],
    seed: int = 0,
    index: int = 0,
    psi: float = 1.0,
) -> np.ndarray:
    """Faces on the way from one class to another, of one latent: uint8 RGB `[len(mix), 3, R, R]`.

    `mix` 0 is class `left`, 1 class `right`; between them the latents are interpolated.
    """
    with accelerator.autocast():
        ends = [generator.latents([label], [index], seed, psi, noise_of=[left]) for label in (left, right)]
        images = generator.decode(torch.cat([torch.lerp(*ends, share) for share in mix]))
    return to_uint8(images).cpu().numpy()


def explorer(generator: FaceGenerator, accelerator: Accelerator, classes: int, seed: int = 0) -> Any:
    """Widgets for two classes, the mix between them, the latent's index and psi, with the face they give."""
    import ipywidgets as widgets

    last = classes - 1
    controls = {
        "left": widgets.BoundedIntText(0, 0, last, description="class"),
        "right": widgets.BoundedIntText(min(1, last), 0, last, description="toward"),
        "mix": widgets.FloatSlider(0, min=0, max=1, step=0.05, description="mix"),
        "index": widgets.BoundedIntText(0, 0, 10**6, description="latent"),
        "psi": widgets.FloatSlider(1, min=0, max=1, step=0.05, description="psi"),
    }
    picture = widgets.Image(format="png", width=ENLARGED_PX, height=ENLARGED_PX)

    def redraw(*_: Any) -> None:
        values = {name: control.value for name, control in controls.items()}
        face = morph(
            generator, accelerator, values.pop("left"), values.pop("right"), [values.pop("mix")], seed, **values
        )
        stream = io.BytesIO()
        large = Image.fromarray(face[0].transpose(1, 2, 0)).resize((ENLARGED_PX, ENLARGED_PX), Image.Resampling.BICUBIC)
        large.save(stream, "PNG", compress_level=1)
        picture.value = stream.getvalue()

    for control in controls.values():
        control.observe(redraw, "value")
    redraw()
    return widgets.HBox([widgets.VBox(list(controls.values())), picture])
