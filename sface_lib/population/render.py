"""Meshes before lights and a camera, by VTK's software path: no display and no GPU needed."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from sface_lib.errors import InputError
from sface_lib.population.heads import MISSING
from sface_lib.population.mesh import Mesh

# Five landmarks of the ArcFace crop at 112 px: right eye, left eye, nose, right and left corner of the mouth.
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
MIDDLE_MM = np.array([0.0, 0.0, -30.0])  # Of the picture: a little below the eyes.
REACH_MM = 150.0  # From the middle to the picture's edge.


@dataclasses.dataclass(frozen=True)
class Light:
    """One light: where it comes from (x to the right of the picture, y up, z to the camera), colour 0..1 and strength."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    strength: float


@dataclasses.dataclass(frozen=True)
class View:
    """Camera and lights of one picture; angles in degrees.

    Attributes
    ----------
    yaw, pitch, roll
        Turn of the head: to its left, up, and towards its right shoulder.
    distance_mm
        From the camera to the eyes; a short one is a wide lens.
    lights
        Two lights.
    ambient
        0..1, light from everywhere.
    shine
        0..1, of the skin.
    """

    yaw: float
    pitch: float
    roll: float
    distance_mm: float
    lights: tuple[Light, Light]
    ambient: float
    shine: float


class Renderer:
    """Draws meshes into a square window; one scene and its lights serve all pictures.

    Raises
    ------
    InputError
        The extra `population` is not installed, or no OpenGL library can be loaded.
    """

    def __init__(self, window_px: int):
        try:
            import pyvista
        except ImportError as error:
            raise InputError(f"{MISSING} ({error.name or error})") from None
        # VTK says on every machine without a display that there is none, and then does without.
        pyvista.vtk_verbosity("error")
        self._pyvista, self.window_px = pyvista, window_px
        self._plotter = pyvista.Plotter(off_screen=True, window_size=(window_px, window_px), lighting="none")
        self._plotter.set_background((0.0, 0.0, 0.0))
        self._lights = [pyvista.Light(light_type="scene light") for _ in range(2)]
        for light in self._lights:
            self._plotter.add_light(light)
        self._actors: list = []

    def picture(self, meshes: Iterable[Mesh], view: View) -> np.ndarray:
        """The meshes from this view, RGBA uint8 `[W, W, 4]`; colours are multiplied by the cover."""
        for actor in self._actors:
            self._plotter.remove_actor(actor, reset_camera=False, render=False)
        self._actors = [self._add(mesh, view) for mesh in meshes]
        self._aim(view)
        self._plotter.render()
        return self._plotter.screenshot(return_img=True, transparent_background=True)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Where points `[N, 3]` lie in the last picture, `[N, 2]`: columns and rows in pixels."""
        matrix = self._plotter.camera.GetCompositeProjectionTransformMatrix(1.0, -1, 1)
        matrix = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
        flat = np.c_[points, np.ones(len(points))] @ matrix.T
        flat = flat[:, :2] / flat[:, 3:]
        return np.stack([(flat[:, 0] + 1) / 2, (1 - flat[:, 1]) / 2], 1) * self.window_px

    def _add(self, mesh: Mesh, view: View):
        cells = np.hstack([np.full((len(mesh.triangles), 1), 3), mesh.triangles]).ravel()
        surface = self._pyvista.PolyData(mesh.points.astype(np.float32), cells)
        surface.active_texture_coordinates = mesh.places.astype(np.float32)
        surface.point_data.SetNormals(self._pyvista.convert_array(mesh.normals.astype(np.float32)))
        texture = self._pyvista.Texture((mesh.texture * 255).round().astype(np.uint8))
        texture.interpolate = True
        actor = self._pyvista.Actor(mapper=self._pyvista.DataSetMapper(surface))
        actor.texture = texture
        look = actor.prop
        look.color, look.interpolation = "white", "phong"
        look.ambient, look.diffuse = view.ambient, 1.0
        look.specular, look.specular_power = mesh.shine, mesh.sharpness
        self._plotter.add_actor(actor, reset_camera=False, render=False)
        return actor

    def _aim(self, view: View) -> None:
        """Move camera and lights around the head, which stays where it is."""
        turn = _rotation(view)
        camera = self._plotter.camera
        camera.focal_point = MIDDLE_MM
        camera.position = MIDDLE_MM + view.distance_mm * (turn @ [0, -1, 0])
        camera.up = turn @ [0, 0, 1]
        camera.view_angle = 2 * np.degrees(np.arctan(REACH_MM / view.distance_mm))
        camera.clipping_range = (max(view.distance_mm - 300, 50), view.distance_mm + 400)
        for light, given in zip(self._lights, view.lights, strict=True):
            x, y, z = given.direction
            light.position, light.focal_point = MIDDLE_MM + 1000 * (turn @ [x, -z, y]), MIDDLE_MM
            # A whole number would be read as one of 255 steps.
            light.diffuse_color = light.specular_color = tuple(map(float, given.colour))
            light.intensity = given.strength


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity transform `[2, 3]` from points `[N, 2]` to points `[N, 2]` (Umeyama, 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u * sign @ vt
    scale = (s * sign).sum() / (a**2).sum()
    return np.c_[scale * turn, target.mean(0) - scale * turn @ source.mean(0)]


def _rotation(view: View) -> np.ndarray:
    """Turn of camera and lights around the head: the turn of the head before them, reversed."""
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return (about_y @ about_x @ about_z).T
