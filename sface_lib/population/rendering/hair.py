"""Hair and beards: meshes around a head, each with its own texture.

Short hair and beards are shells: layers of the skin pushed outwards, whose texture lets more through the further out
they lie, so that they end in strands. Long hair adds a curtain that hangs from the head.
"""

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter1d

from sface_lib.population.rendering.looks import AXIS_Y_MM, BOTTOM_MM, TOP_MM, Canvas, bump, rgba, soft_step
from sface_lib.population.rendering.mesh import Mesh, sheet

LAYERS = 3
HAIR_SHINE = (0.12, 20.0)
CURTAIN_TOP_MM = 92.0


@dataclasses.dataclass(frozen=True)
class Hair:
    """A hair style.

    Attributes
    ----------
    colour
        sRGB `[3]`.
    thickness_mm
        On top; 0 is a bald head.
    curl
        0 straight, 1 tight curls.
    hairline_mm
        Height of the front hairline over the eyes.
    recession_mm
        How far it draws back at the temples.
    bangs_mm
        How far hair falls over the hairline; 0 leaves the forehead free.
    length_mm
        How far below the eyes long hair ends; None where it does not hang.
    parting_degrees
        Half of the opening around the face that long hair leaves free.
    sweep
        -1..1: to which side bangs and parting lie.
    peak_mm
        How much lower the hairline is in its middle.
    seed
        Of the strands.
    """

    colour: np.ndarray
    thickness_mm: float
    curl: float
    hairline_mm: float
    recession_mm: float
    bangs_mm: float
    length_mm: float | None
    parting_degrees: float
    sweep: float
    peak_mm: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Beard:
    """A beard: length, and cover 0..1 of moustache, chin and cheeks."""

    length_mm: float
    moustache: float
    chin: float
    cheeks: float


def _scalp(c: Canvas, hair: Hair) -> np.ndarray:
    """Distance in mm inside the hairline, on the cylinder; negative on the face."""
    angle, z = abs(c.angle), c.z_mm
    swept = np.clip(1 + hair.sweep * c.angle / 35, 0, 2)
    front = hair.hairline_mm - hair.bangs_mm * swept + hair.recession_mm * bump(angle - 32, 12)
    front = front - hair.peak_mm * bump(angle, 10) + 4 * bump(angle - 24, 8)
    corners = [0, 38, 58, 70, 82, 100, 125, 180]
    heights = [0, 0, -28, -62, -78, -60, -112, -122]
    line = front + np.interp(angle, corners, heights) * np.clip(front / 62, 0.6, 1)
    line = np.maximum(line, np.interp(angle, [90, 125, 180], [-20, -52, -62]))
    return z - np.where((angle > 76) & (angle < 104), np.maximum(line, 14), line)


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """The skin of one head as the renderer cuts it: points `[P, 3]`, normals, triangles, and places on the cylinder."""

    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    places: np.ndarray

    @property
    def heights_mm(self) -> np.ndarray:
        """Height of each point on the average head, `[P]`."""
        return BOTTOM_MM + self.places[:, 1] * (TOP_MM - BOTTOM_MM)


@dataclasses.dataclass(frozen=True, eq=False)
class Coat:
    """Painted layers of hair: textures RGBA of `LAYERS`, inner first, and how far out the outermost lies, in mm."""

    textures: tuple[np.ndarray, ...]
    reach_mm: np.ndarray


def paint_hair(c: Canvas, hair: Hair) -> Coat:
    """Short hair, or what of long hair covers the head."""
    rng = np.random.default_rng(hair.seed)
    inside = _scalp(c, hair)
    noise, clumps = c.strands(rng, hair.curl), c.strands(rng, 1.0)
    # Hair that falls over the forehead ends in locks; hair that is combed back starts with single strands.
    locks = 3.5 * noise + 3 * clumps + 3 * c.noise(rng, 14) if hair.bangs_mm > 0 else 1.5 * noise + 1.2 * clumps
    edge = soft_step(inside + locks, 6.4 if hair.bangs_mm > 0 else 9)
    depth = np.clip(inside / 14, 0, 1) ** 0.6
    colour = hair.colour.astype(np.float32) * (1 + 0.30 * noise + 0.10 * clumps)[..., None]
    textures = []
    for share in _shares():
        through = np.clip(1.9 - 1.5 * share + 0.9 * noise, 0, 1) if share > 1 / LAYERS else 1.0
        textures.append(rgba(colour * (0.62 + 0.38 * share), edge * through))
    top = 0.75 + 0.5 * np.clip(c.z_mm / 100, -0.5, 1)
    return Coat(tuple(textures), hair.thickness_mm * depth * (1 + 0.25 * hair.curl * clumps) * top)


def paint_beard(c: Canvas, beard: Beard, colour: np.ndarray, seed: int) -> Coat:
    """A beard."""
    noise = c.strands(np.random.default_rng(seed), 0.6)
    angle, z, x = abs(c.angle), c.z_mm, abs(c.x_mm)
    lip = -64 - 0.012 * x**2  # The moustache's lower edge falls towards the mouth's corners.
    moustache = soft_step(lip + 16 - 0.1 * x - z) * soft_step(z - lip) * soft_step(27 - x, 9) * beard.moustache
    chin = soft_step(-84 - z) * soft_step(z + 125) * soft_step(28 - x) * beard.chin
    jaw_top = np.interp(angle, [20, 45, 70, 80], [-82, -62, -35, -5])
    cheeks = soft_step(jaw_top - z) * soft_step(z + 128) * soft_step(80 - angle) * beard.cheeks
    around = (
        soft_step(31 - x, 8)
        * soft_step(x - 23, 6)
        * soft_step(-62 - z, 8)
        * soft_step(z + 95, 8)
        * min(beard.chin, beard.moustache)
    )
    cover = np.clip(np.maximum.reduce([moustache, chin, cheeks, around]) * (1 - c.lips), 0, 1)
    hue = colour.astype(np.float32) * (1 + 0.3 * noise)[..., None]
    textures = []
    for share in _shares():
        through = np.clip(cover * 1.3 - 0.6 * share + 0.45 * noise * cover, 0, 1) * (cover > 0.05)
        textures.append(rgba(hue * (0.7 + 0.3 * share), through))
    return Coat(tuple(textures), beard.length_mm * cover)


def shells(surface: Surface, coat: Coat) -> list[Mesh]:
    """The layers of a coat, pushed out from a head's skin."""
    reach = _read(coat.reach_mm, surface.places)
    used = surface.triangles[reach[surface.triangles].max(1) > 0.05]
    return [
        Mesh(
            surface.points + (0.5 + share * reach)[:, None] * surface.normals,
            surface.normals,
            used,
            surface.places,
            texture,
            *HAIR_SHINE,
            closed=True,
        )
        for share, texture in zip(_shares(), coat.textures, strict=True)
    ]


def _shares() -> np.ndarray:
    return np.arange(1, LAYERS + 1) / LAYERS


def hair_curtain(skin: np.ndarray, hair: Hair) -> Mesh:
    """Long hair: a wavy sheet from the parting over the ears to its ends; `skin` are points of the head `[P, 3]`.

    Its two front edges frame the face: near the parting on top, widest at the cheekbones, closing in below.
    """
    rng = np.random.default_rng(hair.seed + 1)
    columns, rows = 97, 36
    height = np.linspace(CURTAIN_TOP_MM, -hair.length_mm, rows)
    inwards = rng.uniform(0, 16)
    opening = np.interp(height, [-120, -60, -5, 30, 60, CURTAIN_TOP_MM], [-inwards, 0, 0, -6, -24, -46])
    shift = hair.sweep * np.interp(height, [20, CURTAIN_TOP_MM], [0, 22])
    left = np.clip(hair.parting_degrees + opening + shift, 3, None)
    right = np.clip(hair.parting_degrees + opening - shift, 3, None)
    share = np.linspace(0, 1, columns)
    angle = np.radians(left[:, None] * (1 - share) + (360 - right[:, None]) * share)
    reach, bins = silhouette(skin, np.maximum(height, -60))
    hangs = (height < 10)[:, None]
    reach = np.where(hangs, np.maximum.accumulate(np.where(hangs, reach, 0), axis=0), reach)
    reach = np.maximum(gaussian_filter(reach, (1.5, 2), mode=("nearest", "wrap")), reach)
    reach = np.stack([np.interp(row, bins, radii) for row, radii in zip(angle, reach, strict=True)])
    waves = gaussian_filter(rng.standard_normal((rows, columns)), (4 - 2.5 * hair.curl, 1.5)) * (4 + 14 * hair.curl)
    fall = np.clip((CURTAIN_TOP_MM - height) / 100, 0, 1)[:, None]
    reach = reach + 2.5 + (0.5 + 0.5 * fall) * hair.thickness_mm + waves * fall
    reach -= 0.5 * hair.thickness_mm * np.exp(-np.minimum(share, 1 - share) / 0.02)  # Thin at its front edges.
    x, y = reach * np.sin(angle), AXIS_Y_MM - reach * np.cos(angle)
    points = np.stack([x, y, np.repeat(height[:, None], columns, 1)], 2)
    noise = gaussian_filter(rng.standard_normal((192, 384), np.float32), (12 * (1 - 0.8 * hair.curl) + 1, 0.8))
    noise /= noise.std()
    alpha = np.clip(1.8 + 0.5 * noise - 1.9 * np.linspace(0, 1, 192)[:, None] ** 8, 0, 1)
    side = np.minimum(np.linspace(0, 1, 384), np.linspace(1, 0, 384))[None]
    alpha = alpha * np.clip(side * 60 + 0.5 + 0.3 * noise, 0, 1)
    texture = rgba(hair.colour * (0.9 + 0.30 * noise[..., None]), alpha)
    return sheet(points, texture, *HAIR_SHINE)


def silhouette(skin: np.ndarray, heights_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far points of a head `[P, 3]` reach from its axis: radii in mm `[R, C]` near each height and angle `[C]`."""
    angles = np.radians(np.linspace(0, 360, 145))
    around = np.mod(np.arctan2(skin[:, 0], AXIS_Y_MM - skin[:, 1]), 2 * np.pi)
    radius = np.hypot(skin[:, 0], skin[:, 1] - AXIS_Y_MM)
    bins = np.clip(np.searchsorted(angles, around), 0, len(angles) - 1)
    radii = np.zeros((len(heights_mm), len(angles)))
    for i, height in enumerate(heights_mm):
        near = abs(skin[:, 2] - height) < 14
        np.maximum.at(radii[i], bins[near], radius[near])
    return maximum_filter1d(radii, 5, axis=1), angles


def _read(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of a field on the cylinder at texture coordinates."""
    rows, columns = field.shape
    at = np.clip(((1 - places[:, 1]) * rows).astype(int), 0, rows - 1)
    return field[at, np.mod((places[:, 0] * columns).astype(int), columns)]
