"""Faces under the reader's hand are the right ones."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sface_lib.chapters.attributes.explore import largest_differences, set_comparer
from sface_lib.chapters.generation.explore import ENLARGED_PX, explorer, morph
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.privacy.explore import error_rates, match_browser, threshold_slider
from sface_lib.engine import make_accelerator
from sface_lib.generators import draw
from sface_lib.generators.stylegan2 import Generator, GeneratorSpec
from sface_lib.privacy.settings import EmbeddedSet
from sface_lib.run.kernel import BATCH, in_batch


def make():
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(3, 16, 256, 16)).eval().requires_grad_(False)
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


class Faces:
    """As many grey images; image i has the level i."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def load(self, positions, size_px):
        return torch.stack([torch.full((3, size_px, size_px), int(i), dtype=torch.uint8) for i in positions])


def browser(shows_authentic, control=True):
    """Twenty synthetic images, thirty training ones and three control ones, on a circle: angles are known."""
    angles = {"synthetic": np.arange(20) / 10, "authentic": np.arange(30) / 10 + 0.01, "control": np.arange(3) + 0.5}
    rows = {name: EmbeddedSet(np.stack([np.cos(a), np.sin(a)], 1), np.arange(len(a))) for name, a in angles.items()}
    rows["control"] = rows["control"] if control else None
    faces = {name: Faces(len(a)) for name, a in angles.items()}
    faces["control"] = faces["control"] if control else None
    view = SimpleNamespace(sets=SimpleNamespace(**rows))
    return match_browser(SimpleNamespace(**faces), view, shows_authentic)


def test_a_click_on_a_face_shows_its_nearest_images():
    first, looks, grid, found = browser(True).children
    styled = re.findall(r"\.(sface-\w+-\d+) {", looks.value)
    assert [button._dom_classes[-1] for button in grid.children] == styled and len(set(styled)) == 12
    assert grid.children[7].tooltip == "synthetic image 7"
    grid.children[7].click()
    places = [found.value.index(text) for text in ("synthetic image 7", "<b>training</b>", "<b>control</b>")]
    assert places == sorted(places)
    training, control = re.findall(r"</b>, scores ([^<]*)", found.value)
    expected = np.sort(np.cos(0.7 - (np.arange(30) / 10 + 0.01)))[::-1][:5]
    assert training == ", ".join(f"{score:.2f}" for score in expected)
    assert control.startswith(f"{np.cos(0.2):.2f}, {np.cos(0.8):.2f}")
    assert len(re.findall(r'alt="training image, score [0-9.]+"', found.value)) == 5
    before = looks.value
    first.value = 8  # The last twelve.
    assert first.max == 8 and looks.value != before and "synthetic image 8" in found.value
    grid.children[11].click()
    assert "synthetic image 19" in found.value


def test_two_browsers_on_one_page_keep_their_own_faces():
    first, second = (set(re.findall(r"\.(sface-\w+-\d+) {", browser(True).children[1].value)) for _ in range(2))
    assert len(first) == len(second) == 12 and not first & second


def test_faces_that_may_not_be_shown_are_told_by_their_scores():
    found = browser(False, control=False).children[3].value
    assert "scores" in found and "training image" not in found and "control" not in found
    assert found.count("<img") == 1


def prevalences():
    rows = [("a", "hair", "Bald", 0.1), ("a", "hair", "Bangs", 0.5), ("a", "beard", "Goatee", 0.2)]
    rows += [("b", "hair", "Bald", 0.4), ("b", "hair", "Bangs", 0.6), ("b", "beard", "Goatee", 0.9)]
    table = pd.DataFrame(rows, columns=["set", "kind", "attribute", "prevalence"])
    return table.assign(low=table["prevalence"] - 0.05, high=table["prevalence"] + 0.05)


def test_two_sets_are_compared_where_they_differ_most():
    assert largest_differences(prevalences(), "a", "b") == ["Goatee", "Bald", "Bangs"]
    controls, picture = set_comparer(prevalences(), Looks(["a", "b"])).children
    assert "largest difference first: Goatee 20% and 90%; Bald 10% and 40%; Bangs 50% and 60%." in picture.value
    kinds = controls.children[2]
    assert kinds.options == ("all", "hair", "beard")
    kinds.value = "hair"
    assert "in a and b, largest difference first: Bald" in picture.value and "Goatee" not in picture.value
    controls.children[0].value = "b"
    assert "in b and b" in picture.value
