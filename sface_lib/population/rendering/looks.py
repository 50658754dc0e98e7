"""Looks of a head: skin, lips, brows, irises and hair, painted on a cylinder around the average head.

A texture is sRGB float32 `[H, 2 H, 3]` in 0..1. Its columns are the angle around the head from -180 degrees (behind, at
the right) over 0 (the face) to 180, its rows the height from the top: a place on it is the same place of every head.
"""

import dataclasses
import functools

import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import gaussian_filter

from sface_lib.population.rendering.heads import head_model

REFERENCE_ROWS = 512  # Sizes in pixels below are meant at this height.
AXIS_Y_MM = 85.0  # The cylinder's axis, behind the eyes.
TOP_MM, BOTTOM_MM = 120.0, -150.0
# Absorption of melanin and haemoglobin in sRGB's three bands, relative; light skin keeps what is left of white.
PALE = np.array([0.97, 0.84, 0.76], np.float32)
MELANIN = np.array([1.00, 1.15, 1.27], np.float32)
BLOOD = np.array([0.08, 0.42, 0.37], np.float32)
HAIR_COLOURS = {
    "black": (0.07, 0.06, 0.06),
    "brown": (0.24, 0.15, 0.09),
    "blond": (0.62, 0.48, 0.30),
    "red": (0.48, 0.20, 0.09),
    "gray": (0.62, 0.61, 0.60),
}
IRIS_COLOURS = {
    "brown": (0.26, 0.15, 0.08),
    "hazel": (0.42, 0.32, 0.16),
    "green": (0.36, 0.45, 0.30),
    "blue": (0.36, 0.50, 0.66),
    "gray": (0.48, 0.53, 0.56),
}


@dataclasses.dataclass(frozen=True)
class Skin:
    """What belongs to the skin of one identity.

    Attributes
    ----------
    melanin, blood
        0..1: how dark, how red.
    mottling, flush, sockets
        0..1: strength of patches, of red cheeks and nose, and of dark rings around the eyes.
    spots
        float `[S, 4]`: angle in degrees, height in mm, radius in mm and darkness 0..1 of freckles and moles.
    lip_redness
        0..1.
    brow_height_mm, brow_thickness_mm, brow_arch_mm, brow_length_mm, brow_density
        Of both brows; the density is 0..1.
    stubble
        0..1: shadow of a shaven beard.
    seed
        Of patches and of the brows' hairs.
    """

    melanin: float
    blood: float
    mottling: float
    flush: float
    sockets: float
    spots: np.ndarray
    lip_redness: float
    brow_height_mm: float
    brow_thickness_mm: float
    brow_arch_mm: float
    brow_length_mm: float
    brow_density: float
    stubble: float
    seed: int


def skin_colour(melanin: np.ndarray | float, blood: np.ndarray | float) -> np.ndarray:
    """sRGB of skin, with a last axis of three, by the absorption of its two pigments."""
    melanin, blood = (np.asarray(share, np.float32)[..., None] for share in (melanin, blood))
    return PALE * np.exp(-1.15 * melanin * MELANIN - 0.55 * blood * BLOOD)


def cylinder_places(vertices: np.ndarray) -> np.ndarray:
    """Texture coordinates (u to the left of the head, v upwards, 0..1) of points `[V, 3]` on the average head."""
    angle = np.arctan2(vertices[:, 0], AXIS_Y_MM - vertices[:, 1])
    height = (vertices[:, 2] - BOTTOM_MM) / (TOP_MM - BOTTOM_MM)
    return np.stack([angle / (2 * np.pi) + 0.5, height], 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Canvas:
    """What lies where on the cylinder, float32 `[H, 2 H]`: x and height in mm, angle in degrees, the lips' mask."""

    x_mm: np.ndarray
    z_mm: np.ndarray
    angle: np.ndarray
    lips: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.angle.shape

    @property
    def scale(self) -> float:
        """Pixels for each one at the reference height."""
        return self.shape[0] / REFERENCE_ROWS

    def noise(self, rng: np.random.Generator, radius_px: float) -> np.ndarray:
        """Smooth noise with unit standard deviation; the columns wrap round."""
        radius, modes = radius_px * self.scale, ("nearest", "wrap")
        small = max(1, int(radius / 3))
        rows, columns = self.shape
        field = rng.standard_normal((rows // small + 1, columns // small + 1), np.float32)
        field = gaussian_filter(field, radius / small, mode=modes)
        if small > 1:
            field = gaussian_filter(field.repeat(small, 0).repeat(small, 1), small, mode=modes)
        field = field[:rows, :columns]
        return field / field.std()

    def strands(self, rng: np.random.Generator, curl: float) -> np.ndarray:
        """Noise drawn out along the strands of hair, unit standard deviation."""
        field = rng.standard_normal(self.shape, np.float32)
        lengths = np.array([14 * (1 - curl) + 1.5, 0.8 + 1.2 * curl]) * self.scale
        field = gaussian_filter(field, lengths, mode=("nearest", "wrap"))
        return field / field.std()


@functools.cache
def canvas(rows: int) -> Canvas:
    """The canvas of the average head, with this many rows."""
    model = head_model()
    places = cylinder_places(model.template)
    outer = np.unique(model.skin)
    columns = 2 * rows
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, 1 - (np.arange(rows) + 0.5) / rows)
    values = np.stack([model.template[outer, 0], model.lips[outer]], 1)
    x, lips = np.moveaxis(LinearNDInterpolator(places[outer], values, fill_value=0.0)(u, v), 2, 0)
    lips = np.clip(gaussian_filter(lips, rows / REFERENCE_ROWS), 0, 1)
    fields = (x, BOTTOM_MM + v * (TOP_MM - BOTTOM_MM), (u - 0.5) * 360, lips)
    return Canvas(*(field.astype(np.float32) for field in fields))


def paint_skin(c: Canvas, skin: Skin, hair_colour: np.ndarray) -> np.ndarray:
    """The texture of a young head; `hair_colour` is sRGB `[3]` and colours the brows."""
    rng = np.random.default_rng(skin.seed)
    patches = c.noise(rng, 40) * 0.5 + c.noise(rng, 16) * 0.5
    fine, rough = c.noise(rng, 1.2), 0.5 + 0.6 * skin.stubble
    cheeks = bump(abs(c.x_mm) - 42, 16) * bump(c.z_mm + 42, 16) + 0.8 * bump(c.x_mm, 9) * bump(c.z_mm + 36, 10)
    sockets = bump(abs(c.x_mm) - 32, 13) * bump(c.z_mm + 15, 7)
    melanin = skin.melanin * (1 + 0.30 * skin.mottling * patches + 0.015 * rough * fine) + 0.16 * skin.sockets * sockets
    blood = skin.blood * (1 + 0.65 * skin.mottling * patches) + 0.8 * skin.flush * cheeks + 0.04 * rough * fine
    melanin += 0.8 * _spots(c, skin.spots)
    texture = skin_colour(np.clip(melanin, 0, 2), np.clip(blood, 0, 2))
    beard = bump(np.maximum(abs(c.angle) - 38, 0), 12) * soft_step(-50 - c.z_mm, 7) * soft_step(c.z_mm + 122, 8)
    beard *= 1 - bump(c.x_mm, 17) * soft_step(c.z_mm + 64, 5) * 0.5
    texture = blend(texture, hair_colour * 0.8, skin.stubble * 0.45 * beard * (0.8 + 0.2 * fine))
    lips = skin_colour(skin.melanin * 0.92 + 0.05, skin.blood + 0.8 + 1.5 * skin.lip_redness)
    texture = blend(texture, lips * (1 + 0.05 * fine[..., None]), 0.85 * c.lips)
    return np.clip(blend(texture, hair_colour * 0.85, _brows(c, skin, rng)), 0, 1)


def bump(distance: np.ndarray, width: float) -> np.ndarray:
    """1 at distance zero, falling off over this width."""
    return np.exp(-0.5 * (distance / width) ** 2)


def soft_step(value: np.ndarray, softness: float = 4.0) -> np.ndarray:
    """0 far below zero, 1 far above, with a slope about this wide."""
    return 1 / (1 + np.exp(np.clip(-4 * value / softness, -60, 60)))


def blend(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours `[..., 3]` of which `above` covers this share `[...]`."""
    share = np.clip(share, 0, 1)[..., None]
    return below * (1 - share) + above * share


def rgba(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A texture of one colour `[3]`, or of one for each pixel `[H, W, 3]`, with its cover `[H, W]`."""
    return np.concatenate([np.broadcast_to(np.clip(colour, 0, 1), (*alpha.shape, 3)), alpha[..., None]], 2)


def _spots(c: Canvas, spots: np.ndarray) -> np.ndarray:
    """Darkness of freckles and moles; each is drawn in a small window around its place."""
    darkness = np.zeros(c.shape, np.float32)
    mm_per_row, degrees_per_column = (TOP_MM - BOTTOM_MM) / c.shape[0], 360 / c.shape[1]
    for angle, height, radius, strength in spots:
        row, column = int((TOP_MM - height) / mm_per_row), int((angle + 180) / degrees_per_column)
        rows, columns = slice(max(row - 12, 0), row + 13), slice(max(column - 12, 0), column + 13)
        across = (c.angle[rows, columns] - angle) * 1.5  # About 1.5 mm a degree at the face.
        along = c.z_mm[rows, columns] - height
        darkness[rows, columns] += strength * np.exp(-(((across**2 + along**2) / radius**2) ** 2))
    return darkness


def _brows(c: Canvas, skin: Skin, rng: np.random.Generator) -> np.ndarray:
    """Cover of both brows: an arch of short hairs, thinning out at its ends."""
    x = abs(c.x_mm)
    start, end = 11.0, 11.0 + skin.brow_length_mm
    along = np.clip((x - start) / (end - start), 0, 1)
    middle = 17.0 + skin.brow_height_mm + skin.brow_arch_mm * np.sin(np.pi * along**1.4) - 4.0 * along**3
    thickness = skin.brow_thickness_mm * (1 - 0.62 * along) * 0.5
    cover = bump(c.z_mm - middle, thickness) * soft_step(x - start, 3) * soft_step(end - x, 5) * (abs(c.angle) < 75)
    hairs = 0.75 + 0.35 * c.strands(rng, 0.95)
    return np.clip(skin.brow_density * cover * np.clip(hairs, 0.2, 1.3), 0, 1)


def age_lines(c: Canvas, skin: Skin) -> np.ndarray:
    """Lines of the forehead, from nose to mouth, at the eyes' corners and between the brows, 0..1."""
    rng = np.random.default_rng(skin.seed + 1)
    wobble = 1.5 * c.noise(rng, 25)
    forehead = sum(bump(c.z_mm - z + wobble, 0.9) for z in (34 + rng.uniform(-2, 2), 43, 52 + rng.uniform(-2, 2)))
    forehead = forehead * bump(np.maximum(abs(c.angle) - 25, 0), 8)
    x = abs(c.x_mm)
    drop = np.clip((-34 - c.z_mm) / 42, 0, 1)
    folds = bump(x - (19 + 12 * drop), 1.3) * soft_step(-36 - c.z_mm, 6) * soft_step(c.z_mm + 78, 8)
    feet = sum(bump(c.z_mm - slope * (x - 48), 0.9) for slope in (-0.35, 0.05, 0.45))
    feet = feet * soft_step(x - 50, 3) * soft_step(63 - x, 4) * (abs(c.angle) < 80)
    frown = bump(x - 5, 0.8) * bump(c.z_mm - 20, 6)
    return np.clip(0.7 * forehead + folds + 0.7 * feet + 0.7 * frown, 0, 1)


def paint_eye(iris: np.ndarray, seed: int, size: int = 96) -> np.ndarray:
    """Texture of an eyeball seen from the front, `[size, size, 3]`: white, iris with fibres and dark rim, pupil."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    fibres = np.interp(angle, np.linspace(-np.pi, np.pi, 80), rng.normal(0, 0.16, 80))
    disc = 0.46
    colour = np.asarray(iris) * (1 + fibres[..., None] + 0.5 * (1 - radius[..., None] / disc).clip(0, 1))
    eye = np.array([0.80, 0.76, 0.73]) * (1 - 0.22 * radius[..., None] ** 2)
    eye = blend(eye, colour * 0.45, soft_step(disc - radius, 0.06))
    eye = blend(eye, colour, soft_step(disc * 0.88 - radius, 0.08))
    eye = blend(eye, np.full(3, 0.02), soft_step(0.19 - radius, 0.04))
    return np.clip(eye * (1 - 0.45 * soft_step(-y - 0.25, 0.5)[..., None]), 0, 1)  # The upper lid's shadow.
