"""The eyes of aligned faces are found where they are."""

import importlib.util

import numpy as np
import pytest
import torch

from sface_lib.data import open_faces
from sface_lib.data.landmarks import find_eyes, load_models, misalignment
from sface_lib.data.template import TEMPLATE_EYES
from sface_lib.errors import InputError
from sface_lib.population import shipped_faces, shipped_truth


@pytest.mark.slow
def test_eyes_of_aligned_faces_lie_where_the_template_has_them():
    truth = shipped_truth("balanced")
    plain = (truth["yaw_degrees"].abs() < 20) & ~truth["masked"] & ~truth["occluded"]
    faces = shipped_faces("balanced").load(np.flatnonzero(plain)[:200:2])
    eyes = find_eyes(faces)
    found = ~np.isnan(eyes[:, 0, 0])
    # Frontal and not hidden: most are found. Of 64 px, 0.03 are two.
    assert found.mean() > 0.8
    assert np.abs(np.median(eyes[found], 0) - TEMPLATE_EYES).max() < 0.03
    assert np.median(misalignment(faces)[found]) < 0.04


@pytest.mark.slow
def test_a_shift_of_the_picture_is_a_shift_of_the_eyes():
    faces = shipped_faces("balanced").load(np.arange(0, 400, 5))
    plain, moved = find_eyes(faces), find_eyes(faces.roll((3, 5), (2, 3)))
    both = ~np.isnan(plain[:, 0, 0]) & ~np.isnan(moved[:, 0, 0])
    assert np.median(moved[both] - plain[both], 0) == pytest.approx(np.tile([5 / 64, 3 / 64], (2, 1)), abs=0.012)


@pytest.mark.slow
def test_a_mirrored_face_has_its_eyes_exchanged():
    faces = shipped_faces("balanced").load(np.arange(0, 400, 5))
    plain, mirrored = find_eyes(faces), find_eyes(faces.flip(3))
    both = ~np.isnan(plain[:, 0, 0]) & ~np.isnan(mirrored[:, 0, 0])
    expected = plain[both][:, ::-1] * [-1, 1] + [1, 0]
    assert np.median(np.abs(mirrored[both] - expected)) < 0.02


def test_where_no_face_is_there_are_no_eyes():
    noise = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert np.isnan(find_eyes(noise)).all() and np.isnan(misalignment(noise)).all()


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    load_models.cache_clear()
    with pytest.raises(InputError, match=r"run pip install -e '\.\[align\]'"):
        find_eyes(torch.zeros((1, 3, 64, 64), dtype=torch.uint8))
    load_models.cache_clear()


def test_eyes_of_photographs_lie_where_another_detector_aligned_them(real_data):
    """LFW, aligned by MTCNN's points: two detectors agree to a few hundredths of the side."""
    faces = open_faces(real_data / "lfw112.tar")
    away = misalignment(faces.load(np.arange(0, len(faces), 100)))
    assert np.isfinite(away).mean() > 0.9 and np.nanmedian(away) < 0.04
