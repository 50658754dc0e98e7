"""From a person and a shot to a photograph: a head is built, drawn, put before a background, cropped and developed."""

import dataclasses
import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from sface_lib.population.rendering.hair import Surface, hair_curtain, paint_beard, paint_hair, shells
from sface_lib.population.rendering.heads import Shape, head_model
from sface_lib.population.rendering.looks import IRIS_COLOURS, age_lines, canvas, cylinder_places, paint_eye, paint_skin
from sface_lib.population.rendering.mesh import Mesh, averaging, cut_at_seam, hollows, vertex_normals
from sface_lib.population.rendering.persons import Person, age_parameter, decade, lines_of_age, shown_years
from sface_lib.population.rendering.render import Renderer
from sface_lib.population.rendering.shots import Shot, actions_of
from sface_lib.population.rendering.worn import earring_meshes, glasses_meshes, hat_meshes, mask_mesh, paint_makeup

OVERSAMPLING = 2  # Drawn at this many times the crop's size, then averaged.
MIN_ROWS, MAX_ROWS = 256, 1024  # Of the painted canvas.
HEADS_AT_ONCE = 5
EYE_RADIUS_MM = 13.0
GOLD = np.array([0.80, 0.66, 0.34])
LINES = 0.32  # What the lines of old age take of the light.
KEPT = 16  # Painted textures.
HOLLOW_MM = np.array([0.5, 2.0, 5.0])  # Depths that darken the skin by these shares, at three scales.
HOLLOW_SHADE = np.array([0.08, 0.14, 0.13])
GREY, METERING = 0.42, 0.45  # The camera brings the head's mean brightness this share of the way to this grey.


class Photographer:
    """Takes photographs of `size_px` x `size_px`, aligned to the ArcFace crop.

    Raises
    ------
    InputError
        The extra `population` is not installed.
    """

    def __init__(self, size_px: int):
        self.size_px, self.model = size_px, head_model()
        self.renderer = Renderer(OVERSAMPLING * size_px)
        self.canvas = canvas(int(np.clip(4 * size_px, MIN_ROWS, MAX_ROWS)))
        model = self.model
        self._triangles, self._source, self._places = cut_at_seam(model.skin, cylinder_places(model.template))
        self._mean = averaging(model.skin, len(model.template))
        self._skin_points = np.unique(model.skin)
        self._eyes = []
        for eye, centre in zip(model.eyes, model.eye_centres(model.template[None])[0], strict=True):
            used, triangles = np.unique(eye, return_inverse=True)
            places = 0.5 + (model.template[used] - centre)[:, [0, 2]] / (2 * EYE_RADIUS_MM)
            self._eyes.append((used, triangles.reshape(eye.shape), places))
        # What is painted is kept for a while: photographs are taken person by person.
        self._painted: dict[tuple, object] = {}

    def take(self, person: Person, shots: Sequence[Shot]) -> list[bytes]:
        """Photographs of one person as JPEG files; each is what it would be alone."""
        return [self._one(person, *each) for each in self._heads(person, shots)]

    def _heads(self, person: Person, shots: Sequence[Shot]) -> Iterator[tuple[Shot, np.ndarray, float]]:
        """Each shot with its head's vertices and the person's age in years."""
        for start in range(0, len(shots), HEADS_AT_ONCE):
            some = shots[start : start + HEADS_AT_ONCE]
            # A batch is always of the same size: another one would round in another way.
            filled = [*some, *[some[-1]] * (HEADS_AT_ONCE - len(some))]
            years = [shown_years(person, shot.years) for shot in filled]
            shape = {field.name: getattr(person.shape, field.name) for field in dataclasses.fields(Shape)}
            shapes = {name: np.repeat(value, HEADS_AT_ONCE, 0) for name, value in shape.items()}
            shapes["age"] = np.array([age_parameter(age) for age in years])
            actions = np.concatenate([actions_of(self.model, person, shot) for shot in filled])
            yield from zip(some, self.model.vertices(Shape(**shapes), actions), years, strict=False)

    def _one(self, person: Person, shot: Shot, vertices: np.ndarray, years: float) -> bytes:
        landmarks = self.model.landmarks(vertices[None])[0]
        drawn = self.renderer.picture(self._parts(person, shot, vertices, landmarks, years), shot.view, landmarks) / 255
        picture, cover = drawn[..., :3], drawn[..., 3:]
        picture *= (GREY / max((picture.sum() / 3) / max(cover.sum(), 1), 0.02)) ** METERING
        behind = background(shot.background, self.size_px).repeat(OVERSAMPLING, 0).repeat(OVERSAMPLING, 1)
        picture = picture + (1 - cover) * behind
        if shot.occluder is not None:
            picture = occlude(picture, shot.occluder)
        return develop(picture, shot, self.size_px)

    def _parts(
        self, person: Person, shot: Shot, vertices: np.ndarray, landmarks: np.ndarray, years: float
    ) -> list[Mesh]:
        """Skin, eyes, and what is worn."""
        upright = vertex_normals(vertices, self.model.skin)
        depth = np.clip(hollows(vertices, upright, self._mean) / HOLLOW_MM, 0, 1.5)
        shade = np.exp(-depth @ HOLLOW_SHADE)[self._source]  # 1 where there is no hollow.
        normals = upright[self._source]
        surface = Surface(vertices[self._source], normals, self._triangles, self._places)
        skin = self._painted_skin(person, shot, years)
        parts = [Mesh(surface.points, normals, self._triangles, self._places, skin, shot.view.shine, shade=shade)]
        iris = np.array(IRIS_COLOURS[person.iris])
        eye = self._once(("eye", person.skin.seed), lambda: paint_eye(iris, person.skin.seed))
        for used, triangles, places in self._eyes:
            points, gaze = vertices[used], np.array(shot.gaze_mm) / (2 * EYE_RADIUS_MM)
            parts.append(Mesh(points, vertex_normals(points, triangles), triangles, places - gaze, eye, 0.6, 60))
        hair, beard, glasses = shot.hair, shot.beard, shot.glasses
        if hair.thickness_mm > 0:
            key = ("hair", hair.seed, hair.thickness_mm, hair.bangs_mm, *hair.colour)
            parts += shells(surface, self._once(key, lambda: paint_hair(self.canvas, hair)))
        if hair.length_mm is not None:
            parts.append(hair_curtain(vertices[self._skin_points], hair))
        if shot.hat is not None:
            parts += hat_meshes(self.canvas, surface, shot.hat)
        if beard is not None:
            key, colour = ("beard", person.skin.seed, beard.length_mm, *hair.colour), hair.colour * 0.8
            parts += shells(surface, self._once(key, lambda: paint_beard(self.canvas, beard, colour, person.skin.seed)))
        if glasses is not None:
            parts += glasses_meshes(landmarks, vertices, glasses)
        if shot.earrings > 0:
            parts += earring_meshes(vertices, self.model.template, GOLD, shot.earrings)
        if shot.mask is not None:
            parts.append(mask_mesh(vertices[self._skin_points], shot.mask))
        return parts

    def _painted_skin(self, person: Person, shot: Shot, years: float) -> np.ndarray:
        """The skin of this decade of life, with or without make-up."""
        skin, key = person.skin, ("skin", person.skin.seed)
        young = self._once(key, lambda: paint_skin(self.canvas, skin, person.hair.colour))
        lines = self._once(("lines", skin.seed), lambda: age_lines(self.canvas, skin)[..., None])
        key = (*key, decade(years))
        bare = self._once(key, lambda: young * (1 - LINES * lines_of_age(decade(years)) * lines))
        if shot.makeup is None:
            return bare
        return self._once(("makeup", *key), lambda: paint_makeup(self.canvas, bare, shot.makeup))

    def _once(self, key: tuple, paint):
        """What was painted under this key, or paint it now."""
        if key not in self._painted:
            if len(self._painted) >= KEPT:
                self._painted.pop(next(iter(self._painted)))
            self._painted[key] = paint()
        return self._painted[key]


def background(seed: int, side: int) -> np.ndarray:
    """A blurred scene: a slope of two colours with boxes and blobs before it, float `[side, side, 3]`."""
    rng = np.random.default_rng(seed)
    first, second = _muted(rng), _muted(rng)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    slope = np.clip(0.5 + 0.5 * (x * np.cos(angle) + y * np.sin(angle)), 0, 1)[..., None]
    scene = first * slope + second * (1 - slope)
    for _ in range(rng.integers(0, 16)):
        centre, reach, colour = rng.uniform(-1.1, 1.1, 2), rng.uniform(0.08, 0.7, 2), _muted(rng)
        box = (abs(x - centre[0]) < reach[0]) & (abs(y - centre[1]) < reach[1])
        blob = ((x - centre[0]) / reach[0]) ** 2 + ((y - centre[1]) / reach[1]) ** 2 < 1
        share = rng.uniform(0.3, 1.0) * (box if rng.random() < 0.6 else blob)[..., None]
        scene = scene * (1 - share) + colour * share
    rough = sum(_clouds(rng, cells, side) / cells for cells in (4, 9, 22, 55))
    scene = scene + rng.uniform(0, 0.35) * rough[..., None] / rough.std() * rng.uniform(0.8, 1.0, 3) * scene
    blur = side * rng.choice([0.003, 0.012, 0.03])
    return np.clip(gaussian_filter(scene, (blur, blur, 0)), 0, 1)


def _clouds(rng: np.random.Generator, cells: int, side: int) -> np.ndarray:
    """Smooth noise `[side, side]` with this many bumps across."""
    grid = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))


def _muted(rng: np.random.Generator) -> np.ndarray:
    """A colour, mostly a greyish one."""
    grey = rng.uniform(0.05, 0.95)
    return np.clip(grey + rng.normal(0, 0.05 if rng.random() < 0.8 else 0.18, 3) * np.sqrt(grey), 0, 1)


def occlude(picture: np.ndarray, seed: int) -> np.ndarray:
    """Something of one colour before a part of the face, from one side."""
    rng = np.random.default_rng(seed)
    side = len(picture)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.75)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    inside = (along - 0.25 * across**2 > reach) & (abs(across - rng.uniform(-0.4, 0.4)) < rng.uniform(0.3, 0.9))
    share = gaussian_filter(inside.astype(float), side * 0.006)[..., None]
    colour = rng.uniform(0.05, 0.8) * rng.uniform(0.7, 1.0, 3)
    return picture * (1 - share) + colour * (0.85 + 0.15 * y[..., None]) * share


def develop(picture: np.ndarray, shot: Shot, size_px: int) -> bytes:
    """Exposure, colour, size, blur, noise and JPEG, in this order; the file of `size_px` x `size_px`."""
    picture = np.clip(picture * shot.exposure * np.array(shot.white_balance), 0, 1) ** shot.gamma
    small = picture.reshape(size_px, OVERSAMPLING, size_px, OVERSAMPLING, 3).mean((1, 3))
    if shot.blur_px > 0.05:
        small = gaussian_filter(small, (shot.blur_px, shot.blur_px, 0))
    rng = np.random.default_rng(shot.background + 1)
    small = small + shot.noise * (
        rng.standard_normal(small.shape[:2])[..., None] + 0.4 * rng.standard_normal(small.shape)
    )
    pixels = (np.clip(small, 0, 1) * 255).round().astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "JPEG", quality=shot.jpeg_quality, optimize=True)
    return stored.getvalue()
