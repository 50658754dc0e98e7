"""What is worn: glasses, hats, earrings, masks and make-up."""

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from sface_lib.population.rendering.hair import Surface, silhouette
from sface_lib.population.rendering.looks import AXIS_Y_MM, Canvas, blend, bump, rgba, soft_step
from sface_lib.population.rendering.mesh import Mesh, disc, flat_texture, sheet, tube

CLOTH_SHINE = (0.05, 8.0)
MASK_MM, MASK_DEGREES = (-24.0, -40.0, -70.0, -100.0, -122.0), (16.0, 36.0, 56.0, 50.0, 34.0)
EARLOBE = ((68.0, 95.0), (-45.0, -15.0))  # |x| and z in mm on the average head.


@dataclasses.dataclass(frozen=True)
class Glasses:
    """Glasses: half width and height of a lens, roundness 0 (box) to 1 (ellipse), rim radius; colour; dark 0..1."""

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
    ring = np.stack(
        [
            np.sign(np.cos(bow)) * abs(np.cos(bow)) ** (2 / power),
            np.sign(np.sin(bow)) * abs(np.sin(bow)) ** (2 / power),
        ],
        1,
    )
    meshes = []
    for centre, side in ((right, -1), (left, 1)):
        x = centre[0] + side * 1.5 + ring[:, 0] * glasses.width_mm
        z = centre[2] - 3 + ring[:, 1] * glasses.height_mm
        rim = np.stack([x, front + 0.0025 * (x - nose[0]) ** 2, z], 1)
        meshes.append(tube(rim, glasses.rim_mm, glasses.colour))
        if glasses.dark > 0:
            meshes.append(disc(rim, glasses.colour * 0.3, glasses.dark))
        hinge = rim[np.argmax(side * rim[:, 0])]
        widest = side * (abs(surface_points[:, 0]).max() - 14)
        ear = np.array([widest, 95.0, centre[2] - 2])
        meshes.append(tube(np.linspace(hinge, ear, 6), glasses.rim_mm * 0.8, glasses.colour))
    inner = [right[0] - 1.5 + glasses.width_mm, left[0] + 1.5 - glasses.width_mm]
    arch = np.linspace(inner[0], inner[1], 9)
    lift = 2.5 * np.sin(np.linspace(0, np.pi, 9))
    bridge = np.stack([arch, np.full(9, front), (right[2] + left[2]) / 2 + lift], 1)
    return [*meshes, tube(bridge, glasses.rim_mm, glasses.colour)]


@dataclasses.dataclass(frozen=True)
class Hat:
    """A hat: how low it sits over the eyes in mm, how thick it is, length of its brim (0 is a woollen one); colour."""

    edge_mm: float
    thickness_mm: float
    brim_mm: float
    colour: np.ndarray


def hat_meshes(c: Canvas, surface: Surface, hat: Hat) -> list[Mesh]:
    """The cap and its brim."""
    inside = surface.heights_mm - hat.edge_mm
    reach = hat.thickness_mm * np.clip(inside / 20, 0, 1) ** 0.5
    points = surface.points + (4 + reach)[:, None] * surface.normals
    cloth = rgba(hat.colour, soft_step(c.z_mm - hat.edge_mm, 1.5))
    used = surface.triangles[inside[surface.triangles].max(1) > 0]
    cap = Mesh(points, surface.normals, used, surface.places, cloth, *CLOTH_SHINE, closed=True)
    if hat.brim_mm == 0:
        return [cap]
    angle = np.linspace(-1.25, 1.25, 33)
    edge = surface.points[(abs(inside) < 8) & (surface.points[:, 1] < 60)]
    wide, front = abs(edge[:, 0]).max() + 4, edge[:, 1].min() - 4
    rows = []
    for share in np.linspace(0, 1, 6):
        forward = front + 75 * (1 - np.cos(angle)) - share * hat.brim_mm * np.cos(angle)
        drop = hat.edge_mm + 3 - share * 12 - 10 * (1 - np.cos(angle))
        rows.append(np.stack([wide * np.sin(angle), forward, drop], 1))
    return [cap, sheet(np.stack(rows), flat_texture(hat.colour * 0.9), *CLOTH_SHINE)]


def mask_mesh(skin: np.ndarray, colour: np.ndarray) -> Mesh:
    """A mask from the nose's bridge to under the chin, drawn tight over the head's points `skin` `[P, 3]`."""
    height = np.linspace(MASK_MM[0], MASK_MM[-1], 29)
    reach, bins = silhouette(skin, height)
    drawn = gaussian_filter(maximum_filter(reach, (7, 7), mode=("nearest", "wrap")), 2, mode=("nearest", "wrap"))
    half = np.interp(-height, -np.array(MASK_MM), MASK_DEGREES)
    angle = np.radians(half[:, None] * np.linspace(-1, 1, 41))
    rows = zip(angle, np.maximum(drawn, reach), strict=True)
    reach = np.stack([np.interp(row, bins, radii, period=2 * np.pi) for row, radii in rows])
    points = [reach * np.sin(angle), AXIS_Y_MM - reach * np.cos(angle), np.repeat(height[:, None], angle.shape[1], 1)]
    return sheet(np.stack(points, 2), flat_texture(colour), *CLOTH_SHINE)


def earring_meshes(vertices: np.ndarray, template: np.ndarray, colour: np.ndarray, radius_mm: float) -> list[Mesh]:
    """A ring at each earlobe; `template` are the same vertices `[V, 3]` on the average head."""
    (near, far), (low, high) = EARLOBE
    lobes = (
        (abs(template[:, 0]) > near) & (abs(template[:, 0]) < far) & (template[:, 2] > low) & (template[:, 2] < high)
    )
    rings = []
    for side in (-1, 1):
        ear = vertices[lobes & (side * template[:, 0] > 0)]
        lobe = ear[ear[:, 2].argmin()]
        turn = np.linspace(0, 2 * np.pi, 17)
        ring = np.stack([0 * turn, np.sin(turn), np.cos(turn) - 1], 1) * radius_mm
        rings.append(tube(lobe + [side * 1.0, -2, 2] + ring, 1.1, colour))
    return rings


@dataclasses.dataclass(frozen=True)
class Makeup:
    """Make-up: sRGB `[3]` of lipstick and of eye shadow, and their strengths 0..1; blush 0..1."""

    lipstick: np.ndarray
    shadow: np.ndarray
    lips: float
    eyes: float
    blush: float


def paint_makeup(c: Canvas, texture: np.ndarray, makeup: Makeup) -> np.ndarray:
    """A skin's texture with make-up on it."""
    x = abs(c.x_mm)
    eyelid = bump(x - 32, 11) * bump(c.z_mm - 8, 4.5) * (abs(c.angle) < 75)
    cheek = bump(x - 48, 14) * bump(c.z_mm + 38, 12) * (abs(c.angle) < 80)
    for colour, share in (
        (makeup.lipstick, makeup.lips * c.lips),
        (makeup.shadow, makeup.eyes * eyelid),
        (np.array([0.75, 0.30, 0.32]), 0.4 * makeup.blush * cheek),
    ):
        texture = blend(texture, colour, share)
    return texture.astype(np.float32)
