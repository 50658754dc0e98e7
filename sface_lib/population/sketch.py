"""Sketched faces of nobody: a small embedded set for the `smoke` profile and the tests.

An identity is a vector of proportions; hair, skin and background are drawn from palettes that many identities share;
every image has its own pose, expression, light and noise. Pixels are a function of (seed, identity, image, size).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sface_lib.data import Protocol, write_faces, write_protocol
from sface_lib.errors import InputError

SUPERSAMPLING = 4
SKIN = ((244, 210, 182), (222, 178, 142), (186, 136, 100), (128, 86, 62))
HAIR = ((38, 30, 26), (88, 58, 36), (150, 104, 58), (196, 168, 110))
IRIS = ((70, 48, 34), (66, 96, 128), (84, 108, 70))
# First identity of each set, far enough apart that no two sets share one.
AUTHENTIC, BENCHMARK, VERIFIER = 0, 1_000_000, 2_000_000


def sketch(seed: int, identity: int, image: int, size_px: int) -> np.ndarray:
    """Draw one image, uint8 RGB `[3, size_px, size_px]`."""
    trait = np.random.default_rng([seed, identity])
    moment = np.random.default_rng([seed, identity, image])
    shape = trait.uniform(-1, 1, 16)
    skin, hair, iris = (np.array(p[trait.integers(len(p))]) for p in (SKIN, HAIR, IRIS))
    side = size_px * SUPERSAMPLING
    background = tuple((moment.integers(70, 200) + moment.integers(-25, 26, 3)).tolist())
    canvas = Image.new("RGB", (side, side), background)
    _draw_face(ImageDraw.Draw(canvas), side, shape, moment.uniform(-1, 1, 8), skin, hair, iris)
    canvas = canvas.rotate(moment.normal(0, 5), Image.Resampling.BILINEAR, fillcolor=background)
    canvas = canvas.filter(ImageFilter.GaussianBlur(side * 0.006)).resize((size_px, size_px), Image.Resampling.BOX)
    return _light(np.asarray(canvas, np.float64), moment).transpose(2, 0, 1).copy()


def _draw_face(pen: ImageDraw.ImageDraw, side: int, s: np.ndarray, m: np.ndarray, skin, hair, iris) -> None:
    """Draw with identity `s` (16 values in [-1, 1]) and the image's own `m` (8 values: pose, expression)."""

    def ellipse(x, y, rx, ry, colour):
        box = np.array([x - rx, y - ry, x + rx, y + ry]) * side
        pen.ellipse(box.tolist(), fill=tuple(int(c) for c in colour))

    yaw, pitch = 0.06 * m[0], 0.03 * m[1]
    cx, cy = 0.5 + 0.02 * m[2], 0.52 + 0.02 * m[3]
    rx, ry = 0.30 + 0.04 * s[0], 0.38 + 0.04 * s[1]
    ellipse(cx, cy - 0.08 - 0.03 * s[2], rx + 0.05 + 0.03 * s[3], ry + 0.03, hair)
    ellipse(cx, cy + 0.03, rx, ry, skin)
    ellipse(cx + yaw * 0.5, cy + 0.22 + 0.02 * s[4], rx * (0.62 + 0.15 * s[4]), 0.17, skin)
    eye_y, eye_x = cy - 0.06 + 0.03 * s[5] + pitch, 0.13 + 0.03 * s[6]
    eye_rx, eye_ry = 0.055 + 0.015 * s[7], (0.030 + 0.010 * s[8]) * (1 - 0.3 * max(m[4], 0))
    for sign in (-1, 1):
        x = cx + yaw + sign * eye_x
        ellipse(x, eye_y, eye_rx, eye_ry, (245, 245, 245))
        ellipse(x + 0.01 * m[5], eye_y, eye_ry, eye_ry, iris)
        brow = eye_y - 0.06 - 0.015 * s[9] - 0.01 * m[4]
        tilt = 0.02 * s[10] * sign
        line = np.array([x - 0.07, brow + tilt, x + 0.07, brow - tilt]) * side
        pen.line(line.tolist(), fill=tuple((hair * 0.8).astype(int)), width=int(side * (0.022 + 0.012 * s[11])))
    nose_y = cy + 0.09 + 0.03 * s[12] + pitch
    ellipse(cx + yaw * 1.4, nose_y, 0.045 + 0.015 * s[13], 0.03, skin * 0.82)
    mouth_y, smile = nose_y + 0.11 + 0.02 * s[14], 0.03 * m[6]
    ellipse(cx + yaw, mouth_y, 0.10 + 0.03 * s[15] + smile, 0.018 + 0.014 * max(m[7], -0.5), (168, 76, 74))


def _light(pixels: np.ndarray, moment: np.random.Generator) -> np.ndarray:
    """Exposure, a light from one side, sensor noise; uint8 `[S, S, 3]`."""
    ramp = np.linspace(-1, 1, len(pixels))
    angle, strength = moment.uniform(0, 2 * np.pi), moment.uniform(0, 0.35)
    side_light = 1 + strength * (np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None])
    lit = pixels * (side_light * moment.uniform(0.75, 1.15))[..., None] + moment.normal(0, 4, pixels.shape)
    return lit.clip(0, 255).round().astype(np.uint8)


def write_sketches(path: Path, first_identity: int, identities: int, images: int, size_px: int, seed: int) -> Path:
    """Write a labelled set of sketches as a StyleGAN2-ADA zip.

    Raises
    ------
    InputError
        Fewer than one identity or image, or an image smaller than 16 px.
    """
    if identities < 1 or images < 1 or size_px < 16:
        raise InputError(
            f"{identities} identities x {images} images of {size_px} px: at least one of each, and 16 px, are needed"
        )
    labels = np.repeat(np.arange(identities), images)
    return write_faces(path, _sketches(first_identity, labels, images, size_px, seed), labels)


def _sketches(first: int, labels: np.ndarray, images: int, size_px: int, seed: int) -> Iterator[np.ndarray]:
    for position, label in enumerate(labels):
        yield sketch(seed, first + int(label), position % images, size_px)


def write_sketch_protocol(
    path: Path, names: tuple[str, ...], labels: np.ndarray, folds: int, pairs: int, seed: int
) -> Path:
    """Write identity-disjoint folds of pairs over a set: in each, as many genuine as impostor pairs.

    Parameters
    ----------
    names, labels
        Of the set's images, `[N]`.
    folds
        Number of folds; each needs two identities of its own.
    pairs
        Genuine pairs of a fold, and impostor pairs.
    """
    identities = np.unique(labels)
    if len(identities) < 2 * folds:
        raise InputError(f"{folds} folds need {2 * folds} identities, the set has {len(identities)}; use fewer folds")
    random = np.random.default_rng(seed)
    rows: list[tuple[str, str, bool, int]] = []
    for fold in range(folds):
        own = identities[fold::folds]
        for same in (True, False):
            for _ in range(pairs):
                a, b = _draw_pair(random, own, labels, same)
                rows.append((names[a], names[b], same, fold + 1))
    left, right, same, fold = zip(*rows, strict=True)
    return write_protocol(path, Protocol(left, right, np.array(same), np.array(fold, np.int64)))


def _draw_pair(random: np.random.Generator, own: np.ndarray, labels: np.ndarray, same: bool) -> tuple[int, int]:
    """Positions of two different images, of one identity or of two."""
    if same:
        a, b = random.choice(np.flatnonzero(labels == random.choice(own)), 2, replace=False)
        return int(a), int(b)
    first, second = random.choice(own, 2, replace=False)
    return int(random.choice(np.flatnonzero(labels == first))), int(random.choice(np.flatnonzero(labels == second)))
