"""Faces under the reader's hand: right ones, and at once."""

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from sface_lib.chapters.generation.explore import ENLARGED_PX, explorer, morph
from sface_lib.chapters.privacy.explore import error_rates, threshold_slider
from sface_lib.engine import make_accelerator
from sface_lib.generator import Generator, GeneratorSpec, draw
from sface_lib.run.kernel import BATCH, in_batch


def make(resolution_px=16, base=256, widest=16):
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(3, resolution_px, base, widest)).eval().requires_grad_(False)
    return generator.to(memory_format=torch.channels_last)


def test_the_ends_of_a_way_are_the_two_classes():
    generator, accelerator = make(), make_accelerator("float32")
    way = morph(generator, accelerator, 0, 2, [0.0, 0.5, 1.0], seed=4, index=0)
    # One latent on the whole way: the right end is class 2 seen with the latent of class 0.
    left = draw(generator, accelerator, [0], [0], seed=4).numpy()[0]
    assert np.abs(way[0].astype(int) - left).max() <= 2  # Another batch sums in another order.
    assert np.abs(way[0].astype(int) - way[2]).max() > 2
    assert way.shape == (3, 3, 16, 16) and way.dtype == np.uint8


def test_a_moved_control_draws_another_face_and_each_control_has_its_meaning():
    widget = explorer(make(), make_accelerator("float32"), classes=3)
    controls, picture = widget.children[0].children, widget.children[1]
    assert [control.description for control in controls] == ["class", "toward", "mix", "latent", "psi"]
    left, right, mix, latent, psi = controls
    assert (left.max, right.max, mix.max, psi.max) == (2, 2, 1, 1)
    first = picture.value
    assert Image.open(io.BytesIO(first)).size == (ENLARGED_PX, ENLARGED_PX)
    for control, value in ((mix, 0.5), (latent, 7), (psi, 0.3), (left, 2)):
        before = picture.value
        control.value = value
        assert picture.value != before
    mix.value, latent.value, psi.value, left.value = 0, 0, 1, 0
    assert picture.value == first


def test_a_change_is_drawn_within_150_ms():
    """At the size of the shipped generator."""
    widget = explorer(make(64, 2048, 128), make_accelerator(), classes=3)
    control, spent = widget.children[0].children[3], []
    for value in range(1, 12):
        started = time.perf_counter()
        control.value = value
        spent.append(time.perf_counter() - started)
    assert np.median(spent) < 0.15


@pytest.mark.parametrize("value", [None, "1"])
def test_a_notebook_knows_whether_anybody_is_there(monkeypatch, value):
    monkeypatch.delenv(BATCH, raising=False)
    if value:
        monkeypatch.setenv(BATCH, value)
    assert in_batch() == bool(value)


def test_a_threshold_moves_error_rates_and_regions_together():
    genuine, impostor = np.array([0.2, 0.4, 0.6, 0.8]), np.array([-0.4, -0.2, 0.0, 0.2, 0.4])
    assert error_rates(genuine, impostor, 0.4) == (pytest.approx(0.2), 0.25)
    assert error_rates(genuine, impostor, 0.9) == (0.0, 1.0)
    slider, shown = threshold_slider(genuine, impostor).children
    slider.value = 0.0
    assert slider.min == -0.4 and slider.max == 0.8 and type(shown).__name__ == "Output"
