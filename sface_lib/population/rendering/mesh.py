"""Triangle meshes with a texture, the one thing that the renderer draws."""

import dataclasses

import numpy as np
from scipy.sparse import csr_matrix, diags

HOLLOW_ROUNDS = (2, 8, 24)


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A textured surface.

    Attributes
    ----------
    points, normals
        float `[P, 3]`, mm and unit length.
    triangles
        int `[T, 3]`.
    places
        Texture coordinates `[P, 2]`: u to the right, v upwards, 0..1, repeated outside.
    texture
        sRGB or RGBA `[H, W, 3 or 4]` in 0..1.
    shine, sharpness
        Strength 0..1 and exponent of the highlight.
    shade
        `[P]` in 0..1, multiplies the texture; None for 1.
    closed
        Seen from outside only: its triangles turn counter-clockwise there.
    """

    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    places: np.ndarray
    texture: np.ndarray
    shine: float = 0.0
    sharpness: float = 12.0
    shade: np.ndarray | None = None
    closed: bool = False


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals `[V, 3]`; zero where no triangle touches a vertex."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    corners = triangles.ravel("F")
    sums = [np.bincount(corners, np.tile(faces[:, axis], 3), len(vertices)) for axis in range(3)]
    normals = np.stack(sums, 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def averaging(triangles: np.ndarray, n: int) -> csr_matrix:
    """The operator `[N, N]` that gives each of N vertices the mean of its neighbours; zero where it has none."""
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).T
    joined = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    joined.data[:] = 1
    counts = np.asarray(joined.sum(1)).ravel()
    return diags(1 / np.maximum(counts, 1)) @ joined


def hollows(vertices: np.ndarray, normals: np.ndarray, mean: csr_matrix) -> np.ndarray:
    """How deep each vertex lies below its surroundings, in mm, at three scales, `[V, 3]`; negative on a ridge.

    What lies in a hollow sees less of the sky: the cheapest stand-in for ambient occlusion.
    """
    depths, smooth, done = [], vertices, 0
    for rounds in HOLLOW_ROUNDS:
        for _ in range(rounds - done):
            smooth = mean @ smooth
        done = rounds
        depths.append(((smooth - vertices) * normals).sum(1))
    return np.stack(depths, 1)


def cut_at_seam(triangles: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give triangles that cross the seam of a texture round a cylinder points of their own, one turn further.

    Returns
    -------
    triangles, source, places
        Triangles over the new points, the vertex behind each point, and the points' texture coordinates.
    """
    used, flat = np.unique(triangles, return_inverse=True)
    flat = flat.reshape(triangles.shape).copy()
    u = places[used][flat][..., 0]
    low = (u < 0.25) & (u.max(1, keepdims=True) > 0.75)
    copied, new = np.unique(flat[low], return_inverse=True)
    flat[low] = len(used) + new
    source = np.r_[used, used[copied]]
    coordinates = places[source].copy()
    coordinates[len(used) :, 0] += 1
    return flat, source, coordinates


def tube(line: np.ndarray, radius: float, colour: np.ndarray, sides: int = 6) -> Mesh:
    """A tube of one colour around a line `[N, 3]`."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    first = np.cross(along, [0.3, 1.0, 0.2])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    points = (line[:, None] + radius * ring).reshape(-1, 3)
    start = np.arange(len(line) - 1)[:, None] * sides
    a, b = (start + np.arange(sides)).ravel(), (start + (np.arange(sides) + 1) % sides).ravel()
    triangles = np.concatenate([np.stack([a, b, a + sides], 1), np.stack([b, b + sides, a + sides], 1)])
    return Mesh(points, ring.reshape(-1, 3), triangles, np.full((len(points), 2), 0.5), flat_texture(colour), 0.5, 30)


def disc(ring: np.ndarray, colour: np.ndarray, alpha: float) -> Mesh:
    """A flat lens within a closed line `[N, 3]` whose last point is its first."""
    points = np.r_[ring[:-1], ring[:-1].mean(0, keepdims=True)]
    n = len(points) - 1
    triangles = np.stack([np.arange(n), np.roll(np.arange(n), -1), np.full(n, n)], 1)
    normals = np.tile([0.0, -1.0, 0.0], (n + 1, 1))
    return Mesh(points, normals, triangles, np.full((n + 1, 2), 0.5), flat_texture(colour, alpha), 0.6, 60)


def sheet(points: np.ndarray, texture: np.ndarray, shine: float, sharpness: float) -> Mesh:
    """A surface through a grid of points `[R, C, 3]`; the texture lies once on all of it."""
    rows, columns = points.shape[:2]
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).ravel()
    upper = np.stack([corner, corner + columns, corner + 1], 1)
    lower = np.stack([corner + 1, corner + columns, corner + columns + 1], 1)
    triangles, flat = np.concatenate([upper, lower]), points.reshape(-1, 3)
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(1, 0, rows))
    places = np.stack([u, v], 2).reshape(-1, 2)
    return Mesh(flat, vertex_normals(flat, triangles), triangles, places, texture, shine, sharpness)


def flat_texture(colour: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """One colour all over, RGBA `[4, 4, 4]`."""
    return np.broadcast_to(np.r_[np.clip(colour, 0, 1), alpha], (4, 4, 4)).astype(np.float32)
