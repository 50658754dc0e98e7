"""Hair, beards and glasses: meshes around a head, each with its own texture.

Short hair and beards are shells: layers of the skin pushed outwards, whose texture lets more through the further out they
lie, so that they end in strands. Long hair adds a curtain that hangs from the head.
"""

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter

from sface_lib.population.heads import vertex_normals
from sface_lib.population.looks import AXIS_Y_MM, BOTTOM_MM, HEIGHT, TOP_MM, WIDTH, canvas

LAYERS = 3


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Points float `[P, 3]` in mm, triangles int `[T, 3]`, texture coordinates `[P, 2]`, texture float RGBA `[H, W, 4]`."""

    points: np.ndarray
    triangles: np.ndarray
    places: np.ndarray
    texture: np.ndarray


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
    seed: int


@dataclasses.dataclass(frozen=True)
class Beard:
    """A beard: length, and cover 0..1 of moustache, chin and cheeks."""

    length_mm: float
    moustache: float
    chin: float
    cheeks: float


def strands(rng: np.random.Generator, curl: float, shape: tuple[int, int]) -> np.ndarray:
    """Noise drawn out along the strands, unit standard deviation."""
    field = rng.standard_normal(shape)
    field = gaussian_filter(field, (14 * (1 - curl) + 1.5, 0.8 + 1.2 * curl), mode=("nearest", "wrap"))
    return field / field.std()


def _scalp(hair: Hair) -> np.ndarray:
    """Distance in mm inside the hairline, on the cylinder; negative on the face."""
    angle, z = abs(canvas().angle), canvas().z_mm
    front = hair.hairline_mm - hair.bangs_mm + hair.recession_mm * np.exp(-0.5 * ((angle - 32) / 12) ** 2)
    corners = [0, 38, 58, 70, 82, 100, 125, 180]
    heights = [0, 0, -28, -62, -78, -60, -112, -122]
    line = front + np.interp(angle, corners, heights) * np.clip(front / 62, 0.6, 1)
    line = np.maximum(line, np.interp(angle, [90, 125, 180], [-20, -52, -62]))
    return z - np.where((angle > 76) & (angle < 104), np.maximum(line, 14), line)


def hair_shells(vertices: np.ndarray, skin: np.ndarray, places: np.ndarray, source: np.ndarray, hair: Hair) -> list[Mesh]:
    """Layers of short hair on a head; `skin` are triangles over points whose vertex is `source` and place `places`."""
    rng = np.random.default_rng(hair.seed)
    inside = _scalp(hair)
    noise = strands(rng, hair.curl, (HEIGHT, WIDTH))
    clumps = strands(rng, 1.0, (HEIGHT, WIDTH))
    edge = 1 / (1 + np.exp(-np.clip((inside + 2.5 * noise) / 1.6, -30, 30)))
    depth = np.clip(inside / 14, 0, 1) ** 0.6
    colour = np.clip(hair.colour * (1 + 0.30 * noise[..., None] + 0.10 * clumps[..., None]), 0, 1)
    at_points = _read(depth * (1 + 0.25 * hair.curl * clumps), places)
    points = vertices[source]
    normals = _normals(vertices, skin, source)
    top = 0.75 + 0.5 * np.clip(points[:, 2] / 100, -0.5, 1)
    used = at_points[skin].max(1) > 0.005
    layers = []
    for layer in range(1, LAYERS + 1):
        share = layer / LAYERS
        outwards = (0.6 + hair.thickness_mm * share * at_points * top)[:, None]
        through = np.clip(1.9 - 1.5 * share + 0.9 * noise, 0, 1) if layer > 1 else 1.0
        shade = 0.62 + 0.38 * share
        texture = np.concatenate([colour * shade, (edge * through)[..., None]], 2)
        layers.append(Mesh(points + outwards * normals, skin[used], places, texture))
    return layers


def beard_shells(vertices, skin, places, source, beard: Beard, colour: np.ndarray, seed: int) -> list[Mesh]:
    """Layers of a beard on a head, as `hair_shells`."""
    rng, c = np.random.default_rng(seed), canvas()
    noise = strands(rng, 0.6, (HEIGHT, WIDTH))
    angle, z = abs(c.angle), c.z_mm
    moustache = _soft(-48 - z) * _soft(z + 66) * _soft(30 - abs(c.x_mm)) * beard.moustache
    chin = _soft(-84 - z) * _soft(z + 125) * _soft(28 - abs(c.x_mm)) * beard.chin
    jaw_top = np.interp(angle, [20, 45, 70, 80], [-82, -62, -35, -5])
    cheeks = _soft(jaw_top - z) * _soft(z + 128) * _soft(80 - angle) * beard.cheeks
    around = _soft(28 - abs(c.x_mm)) * _soft(abs(c.x_mm) - 25) * _soft(-55 - z) * _soft(z + 90) * min(beard.chin, beard.moustache)
    cover = np.clip(np.maximum.reduce([moustache, chin, cheeks, around]) * (1 - c.lips), 0, 1)
    at_points = _read(cover, places)
    points, normals = vertices[source], _normals(vertices, skin, source)
    used = at_points[skin].max(1) > 0.02
    layers = []
    for layer in range(1, LAYERS + 1):
        share = layer / LAYERS
        through = np.clip(cover * 1.3 - 0.6 * share + 0.45 * noise * cover, 0, 1) * (cover > 0.05)
        texture = np.concatenate([np.clip(colour * (0.7 + 0.3 * share) * (1 + 0.3 * noise[..., None]), 0, 1), through[..., None]], 2)
        layers.append(Mesh(points + (0.4 + beard.length_mm * share * at_points)[:, None] * normals, skin[used], places, texture))
    return layers


def hair_curtain(vertices: np.ndarray, surface: np.ndarray, hair: Hair) -> Mesh:
    """Long hair: a wavy sheet that leaves the head at the temples and ends below; `surface` are skin vertices."""
    rng = np.random.default_rng(hair.seed + 1)
    columns, rows = 97, 28
    angle = np.radians(np.linspace(hair.parting_degrees, 360 - hair.parting_degrees, columns))
    height = np.linspace(62, -hair.length_mm, rows)
    skin = vertices[surface]
    around = np.mod(np.arctan2(skin[:, 0], AXIS_Y_MM - skin[:, 1]), 2 * np.pi)
    radius = np.hypot(skin[:, 0], skin[:, 1] - AXIS_Y_MM)
    reach = np.zeros((rows, columns))
    for i, z in enumerate(height):
        near = abs(skin[:, 2] - max(z, -60)) < 14
        for j, a in enumerate(angle):
            close = near & (abs(around - a) < 0.16)
            reach[i, j] = radius[close].max() if close.any() else 0
    reach = np.maximum.accumulate(np.maximum(reach, 60), axis=0)
    reach = gaussian_filter(reach, (1.5, 2))
    ends = np.sin(np.linspace(0, np.pi, columns))[None] ** 0.3
    waves = gaussian_filter(rng.standard_normal((rows, columns)), (4 - 2.5 * hair.curl, 1.5)) * (4 + 14 * hair.curl)
    fall = np.clip((62 - height) / 60, 0, 1)[:, None]
    reach = reach + (3 + 0.7 * hair.thickness_mm * fall + waves * fall) * ends
    x, y = reach * np.sin(angle), AXIS_Y_MM - reach * np.cos(angle)
    points = np.stack([x, y, np.repeat(height[:, None], columns, 1)], 2).reshape(-1, 3)
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(1, 0, rows))
    noise = strands(rng, hair.curl * 0.8, (256, 512))
    alpha = np.clip(1.6 + 0.5 * noise - 1.9 * np.linspace(0, 1, 256)[:, None] ** 6, 0, 1)
    side = np.minimum(np.linspace(0, 1, 512), np.linspace(1, 0, 512))[None]
    alpha = alpha * np.clip(side * 40 + 0.4 * noise, 0, 1)
    colour = np.clip(hair.colour * (0.9 + 0.30 * noise[..., None]), 0, 1)
    texture = np.concatenate([colour, alpha[..., None]], 2)
    return Mesh(points, _grid(rows, columns), np.stack([u, v], 2).reshape(-1, 2), texture)


@dataclasses.dataclass(frozen=True)
class Glasses:
    """Glasses: lens half width and half height, roundness 0 (box) to 1 (ellipse), rim radius in mm; colour; dark 0..1."""

    width_mm: float
    height_mm: float
    roundness: float
    rim_mm: float
    colour: np.ndarray
    dark: float


def glasses_meshes(landmarks: np.ndarray, surface_points: np.ndarray, glasses: Glasses) -> list[Mesh]:
    """Rims, bridge and temples as tubes, and two lenses, before the eyes of a head."""
    right, left, nose = landmarks[:3]
    front = min(right[1], left[1]) - 17.0
    bow = np.linspace(0, 2 * np.pi, 49)
    power = 2 + 4 * (1 - glasses.roundness)
    ring = np.stack([np.sign(np.cos(bow)) * abs(np.cos(bow)) ** (2 / power), np.sign(np.sin(bow)) * abs(np.sin(bow)) ** (2 / power)], 1)
    meshes = []
    for centre, side in ((right, -1), (left, 1)):
        x = centre[0] + side * 1.5 + ring[:, 0] * glasses.width_mm
        z = centre[2] - 3 + ring[:, 1] * glasses.height_mm
        rim = np.stack([x, front + 0.0025 * (x - nose[0]) ** 2, z], 1)
        meshes.append(_tube(rim, glasses.rim_mm, glasses.colour))
        if glasses.dark > 0:
            meshes.append(_fan(rim, glasses.colour * 0.3, glasses.dark))
        hinge = rim[np.argmax(side * rim[:, 0])]
        widest = side * (abs(surface_points[:, 0]).max() - 14)
        ear = np.array([widest, 95.0, centre[2] - 2])
        meshes.append(_tube(np.linspace(hinge, ear, 6), glasses.rim_mm * 0.8, glasses.colour))
    inner = [right[0] - 1.5 + glasses.width_mm, left[0] + 1.5 - glasses.width_mm]
    arch = np.linspace(inner[0], inner[1], 9)
    lift = 2.5 * np.sin(np.linspace(0, np.pi, 9))
    bridge = np.stack([arch, np.full(9, front), (right[2] + left[2]) / 2 + lift], 1)
    return [*meshes, _tube(bridge, glasses.rim_mm, glasses.colour)]


def _tube(line: np.ndarray, radius: float, colour: np.ndarray, sides: int = 6) -> Mesh:
    """A tube of one colour around a line `[N, 3]`."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    first = np.cross(along, [0.3, 1.0, 0.2])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    points = (line[:, None] + radius * ring).reshape(-1, 3)
    n = len(line)
    a = (np.arange(n - 1)[:, None] * sides + np.arange(sides)[None]).ravel()
    b = (np.arange(n - 1)[:, None] * sides + (np.arange(sides) + 1)[None] % sides).ravel()
    triangles = np.concatenate([np.stack([a, b, a + sides], 1), np.stack([b, b + sides, a + sides], 1)])
    return Mesh(points, triangles, np.full((len(points), 2), 0.5), _flat(colour, 1.0))


def _fan(ring: np.ndarray, colour: np.ndarray, alpha: float) -> Mesh:
    points = np.r_[ring[:-1], ring[:-1].mean(0, keepdims=True)]
    n = len(points) - 1
    triangles = np.stack([np.arange(n), np.roll(np.arange(n), -1), np.full(n, n)], 1)
    return Mesh(points, triangles, np.full((n + 1, 2), 0.5), _flat(colour, alpha))


def _flat(colour: np.ndarray, alpha: float) -> np.ndarray:
    return np.broadcast_to(np.r_[np.clip(colour, 0, 1), alpha], (4, 4, 4)).astype(float)


def _grid(rows: int, columns: int) -> np.ndarray:
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).ravel()
    return np.concatenate(
        [
            np.stack([corner, corner + columns, corner + 1], 1),
            np.stack([corner + 1, corner + columns, corner + columns + 1], 1),
        ]
    )


def _read(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of a field on the cylinder at texture coordinates."""
    rows = np.clip(((1 - places[:, 1]) * HEIGHT).astype(int), 0, HEIGHT - 1)
    return field[rows, np.mod((places[:, 0] * WIDTH).astype(int), WIDTH)]


def _normals(vertices: np.ndarray, skin: np.ndarray, source: np.ndarray) -> np.ndarray:
    return vertex_normals(vertices, source[skin])[source]


def _soft(value: np.ndarray, width: float = 4.0) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(value * 4 / width, -40, 40)))
