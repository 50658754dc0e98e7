"""A head before lights and a camera, by VTK's software path: no display and no GPU needed."""

import dataclasses

import numpy as np

from sface_lib.errors import InputError
from sface_lib.population.heads import MISSING, HeadModel, vertex_normals
from sface_lib.population.looks import cylinder_places

EYE_RADIUS_MM = 13.0
# Five landmarks of the ArcFace crop at 112 px: right eye, left eye, nose, right and left corner of the mouth.
ARCFACE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


@dataclasses.dataclass(frozen=True)
class Light:
    """One light: where it comes from (x to the right of the picture, y up, z to the camera), colour and strength."""

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
        Two lights at most.
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
    """Draws one head after the other in one scene; making a scene is slow, changing it is not.

    Parameters
    ----------
    model
        The heads' topology.
    size_px
        Side of the crop; it is rendered at twice that.

    Raises
    ------
    InputError
        The extra `population` is not installed, or no OpenGL library is there.
    """

    def __init__(self, model: HeadModel, size_px: int):
        try:
            import pyvista
        except ImportError as error:
            raise InputError(f"{MISSING} ({error.name} is not installed)") from None
        self._pv, self.model, self.size_px = pyvista, model, size_px
        self.window_px = 4 * size_px
        self._plotter = pyvista.Plotter(off_screen=True, window_size=(self.window_px,) * 2, lighting="none")
        self._plotter.set_background((0, 0, 0))
        self._lights = [pyvista.Light(light_type="scene light") for _ in range(2)]
        for light in self._lights:
            self._plotter.add_light(light)
        triangles, self._source, places = _cut_at_seam(model.skin, cylinder_places(model.template))
        self.skin_triangles, self.skin_source, self.skin_places = triangles, self._source, places
        self._worn = []
        self._skin_triangles = triangles
        self._skin = self._add(model.template[self._source], triangles, places, np.full((8, 8, 3), 200, np.uint8))
        self._eyes = []
        for eye, centre in zip(model.eyes, model.eye_centres(model.template[None])[0], strict=True):
            used, flat = np.unique(eye, return_inverse=True)
            flat = flat.reshape(eye.shape)
            offset = model.template[used] - centre
            places = np.stack([0.5 + offset[:, 0] / (2 * EYE_RADIUS_MM), 0.5 + offset[:, 2] / (2 * EYE_RADIUS_MM)], 1)
            self._eyes.append((used, flat, places, self._add(model.template[used], flat, places, None)))

    def _add(self, points, triangles, places, texture):
        mesh = self._pv.PolyData(points.astype(np.float32), _cells(triangles))
        mesh.active_texture_coordinates = places.astype(np.float32)
        mesh.point_data.SetNormals(self._pv.convert_array(vertex_normals(points, triangles).astype(np.float32)))
        blank = np.full((8, 8, 3), 200, np.uint8) if texture is None else texture
        actor = self._plotter.add_mesh(mesh, color="white", texture=self._pv.Texture(blank), copy_mesh=False)
        actor.prop.interpolation = "phong"
        return actor

    def _update(self, actor, points, triangles, texture, places=None):
        mesh = actor.mapper.dataset
        mesh.points = points.astype(np.float32)
        mesh.point_data.SetNormals(self._pv.convert_array(vertex_normals(points, triangles).astype(np.float32)))
        if places is not None:
            mesh.active_texture_coordinates = places.astype(np.float32)
        actor.texture = self._pv.Texture(_bytes(texture))
        actor.texture.interpolate = True

    def picture(self, vertices, skin_texture, eye_texture, view, gaze=(0.0, 0.0), worn=()):
        """RGBA uint8 `[H, W, 4]` of the whole window, and the landmarks in its pixels, `[5, 2]`."""
        normals_from = vertices
        self._update(self._skin, normals_from[self._source], self._skin_triangles, skin_texture)
        self._share_normals_across_seam(vertices)
        for used, flat, places, actor in self._eyes:
            self._update(actor, vertices[used], flat, eye_texture, places - np.array(gaze) / (2 * EYE_RADIUS_MM))
        self._wear(worn)
        self._aim(view)
        self._plotter.render()
        image = self._plotter.screenshot(return_img=True, transparent_background=True)
        return image, self._project(self.model.landmarks(vertices[None])[0])

    def _wear(self, meshes):
        """Hair, beard and glasses, instead of those of the last picture."""
        for actor in self._worn:
            self._plotter.remove_actor(actor, render=False)
        self._worn = [self._add(mesh.points, mesh.triangles, mesh.places, _bytes(mesh.texture)) for mesh in meshes]

    def _share_normals_across_seam(self, vertices):
        normals = vertex_normals(vertices, self.model.skin)[self._source].astype(np.float32)
        self._skin.mapper.dataset.point_data.SetNormals(self._pv.convert_array(normals))

    def _aim(self, view):
        """Move camera and lights around the head, which stays where it is."""
        turn = _rotation(view)
        camera = self._plotter.camera
        middle = np.array([0.0, 0.0, -30.0])
        camera.focal_point = middle
        camera.position = middle + view.distance_mm * (turn @ [0, -1, 0])
        camera.up = turn @ [0, 0, 1]
        camera.view_angle = 2 * np.degrees(np.arctan(150 / view.distance_mm))
        camera.clipping_range = (view.distance_mm - 300, view.distance_mm + 400)
        for light, given in zip(self._lights, view.lights, strict=True):
            x, y, z = given.direction
            light.position = middle + 1000 * (turn @ [x, -z, y])
            light.focal_point = middle
            light.diffuse_color = light.specular_color = tuple(float(share) for share in given.colour)
            light.intensity = given.strength
        for actor in (self._skin, *(eye[3] for eye in self._eyes)):
            actor.prop.ambient, actor.prop.diffuse = view.ambient, 1.0
            actor.prop.specular, actor.prop.specular_power = view.shine, 12
        for actor in self._worn:
            actor.prop.ambient, actor.prop.diffuse = view.ambient, 1.0
            actor.prop.specular, actor.prop.specular_power = 0.15, 20
        for eye in self._eyes:
            eye[3].prop.specular, eye[3].prop.specular_power = 0.6, 60

    def _project(self, points):
        camera = self._plotter.camera
        matrix = camera.GetCompositeProjectionTransformMatrix(1.0, -1, 1)
        matrix = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
        flat = np.c_[points, np.ones(len(points))] @ matrix.T
        flat = flat[:, :2] / flat[:, 3:]
        return np.stack([(flat[:, 0] + 1) / 2, (1 - flat[:, 1]) / 2], 1) * self.window_px


def _rotation(view: View) -> np.ndarray:
    """Turn of camera and lights around the head, which is the turn of the head before them, reversed."""
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return (about_y @ about_x @ about_z).T


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity transform `[2, 3]` from points `[N, 2]` to points `[N, 2]` (Umeyama, 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ sign @ vt
    scale = (s * np.diag(sign)).sum() / (a**2).sum()
    return np.c_[scale * turn, target.mean(0) - scale * turn @ source.mean(0)]


def _bytes(texture):
    return (texture * 255).round().astype(np.uint8)


def _cells(triangles):
    return np.hstack([np.full((len(triangles), 1), 3), triangles]).ravel()


def _cut_at_seam(triangles: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles that cross the back of the cylinder get vertices of their own, one turn further.

    Gives triangles, the vertex behind each point, and the points' texture coordinates.
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
