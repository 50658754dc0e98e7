"""Meshes before lights and a camera, by VTK's software path: no display and no GPU needed."""

import dataclasses
from collections.abc import Iterable
from ctypes.util import find_library

import numpy as np

from sface_lib.data.template import ARCFACE_112, similarity
from sface_lib.errors import InputError
from sface_lib.population.rendering.heads import MISSING
from sface_lib.population.rendering.mesh import Mesh

MIDDLE_MM = np.array([0.0, 0.0, -30.0])  # What the camera turns around: a little below the eyes.
NO_OPENGL = (
    "no OpenGL library can be loaded, which the renderer needs even without a display; install Mesa "
    "(Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri; conda: conda install mesalib) and try again"
)
SAMPLES = 4  # Of each pixel of the window, along edges.
KEPT_TEXTURES = 24


@dataclasses.dataclass(frozen=True)
class Light:
    """A light: where it comes from (x to the right of the picture, y up, z to the camera), colour 0..1 and strength."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    strength: float


@dataclasses.dataclass(frozen=True)
class View:
    """Camera and lights of one picture; angles in degrees.

    Attributes
    ----------
    yaw, pitch, roll
        Turn of the head: to its left, up, and towards its left shoulder.
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
    """Draws meshes into the aligned crop of a face; one scene and its lights serve all pictures.

    Raises
    ------
    InputError
        The extra `population` is not installed, or no OpenGL library can be loaded.
    """

    def __init__(self, window_px: int):
        try:
            import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  (without it nothing is drawn)
            from vtkmodules import vtkCommonCore, vtkRenderingCore
        except ImportError as error:
            raise InputError(f"{MISSING} ({error.name or error})") from None
        # VTK says on every machine without a display that there is none, and then does without.
        vtkCommonCore.vtkLogger.SetStderrVerbosity(vtkCommonCore.vtkLogger.VERBOSITY_ERROR)
        self._vtk, self.window_px = vtkRenderingCore, window_px
        self._window, self._scene = vtkRenderingCore.vtkRenderWindow(), vtkRenderingCore.vtkRenderer()
        if self._window.IsA("vtkOSOpenGLRenderWindow") and find_library("OSMesa") is None:
            raise InputError(NO_OPENGL)  # VTK's last resort; without its library it would crash the process.
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(window_px, window_px)
        self._window.SetMultiSamples(SAMPLES)
        self._window.SetAlphaBitPlanes(True)
        self._window.AddRenderer(self._scene)
        self._scene.SetBackgroundAlpha(0.0)
        self._scene.AutomaticLightCreationOff()
        self._scene.UseOITOff()  # Layers of hair and cloth are drawn in their order, not averaged.
        self._lights = [vtkRenderingCore.vtkLight() for _ in range(2)]
        for light in self._lights:
            light.SetLightTypeToSceneLight()
            self._scene.AddLight(light)
        self._textures: dict[int, tuple] = {}
        self._pixels = vtkCommonCore.vtkUnsignedCharArray()

    def picture(self, meshes: Iterable[Mesh], view: View, landmarks: np.ndarray) -> np.ndarray:
        """The aligned crop, RGBA uint8 `[W, W, 4]`; colours are multiplied by the cover.

        `landmarks` are float `[5, 3]` in mm, in the order of `ARCFACE_112`.
        """
        from vtkmodules.util.numpy_support import vtk_to_numpy

        self._scene.RemoveAllViewProps()
        for mesh in meshes:
            self._scene.AddActor(self._actor(mesh, view))
        self._aim(view, landmarks)
        self._window.Render()
        last = self.window_px - 1
        self._window.GetRGBACharPixelData(0, 0, last, last, 0, self._pixels)
        return vtk_to_numpy(self._pixels).reshape(self.window_px, self.window_px, 4)[::-1].copy()

    def _actor(self, mesh: Mesh, view: View):
        from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
        from vtkmodules.vtkCommonCore import vtkPoints
        from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

        def array(values: np.ndarray):
            return numpy_to_vtk(np.ascontiguousarray(values, np.float32), deep=True)

        points, cells, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
        points.SetData(array(mesh.points))
        cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(mesh.triangles, np.int64).ravel(), deep=True))
        surface.SetPoints(points)
        surface.SetPolys(cells)
        surface.GetPointData().SetNormals(array(mesh.normals))
        surface.GetPointData().SetTCoords(array(mesh.places))
        if mesh.shade is not None:
            grey = np.repeat((mesh.shade * 255).round().astype(np.uint8)[:, None], 3, 1)
            surface.GetPointData().SetScalars(numpy_to_vtk(grey, deep=True))
        mapper, actor = self._vtk.vtkPolyDataMapper(), self._vtk.vtkActor()
        mapper.SetInputData(surface)
        actor.SetMapper(mapper)
        actor.SetTexture(self._texture(mesh.texture))
        look = actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetAmbient(view.ambient)
        look.SetDiffuse(1.0)
        look.SetSpecular(mesh.shine)
        look.SetSpecularPower(mesh.sharpness)
        look.SetBackfaceCulling(mesh.closed)
        return actor

    def _texture(self, painted: np.ndarray):
        """The texture on its way to the screen; kept, because pictures of one person share their paint."""
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData

        if id(painted) not in self._textures:
            if len(self._textures) >= KEPT_TEXTURES:
                self._textures.pop(next(iter(self._textures)))[1].ReleaseGraphicsResources(self._window)
            rows, columns, channels = painted.shape
            image, texture = vtkImageData(), self._vtk.vtkTexture()
            image.SetDimensions(columns, rows, 1)
            pixels = (painted[::-1] * 255).round().astype(np.uint8)
            image.GetPointData().SetScalars(numpy_to_vtk(pixels.reshape(-1, channels), deep=True))
            texture.SetInputData(image)
            texture.InterpolateOn()
            self._textures[id(painted)] = (painted, texture)  # Held: another array may not get its number.
        return self._textures[id(painted)][1]

    def _aim(self, view: View, landmarks: np.ndarray) -> None:
        """Move camera and lights around the head, which stays where it is, until the picture is the aligned crop."""
        turn = _rotation(view)
        angle, centre, half = frame(landmarks, view)
        camera = self._scene.GetActiveCamera()
        camera.SetFocalPoint(MIDDLE_MM)
        camera.SetPosition(MIDDLE_MM + view.distance_mm * (turn @ [0, -1, 0]))
        camera.SetViewUp(turn @ [np.sin(angle), 0, np.cos(angle)])
        camera.SetViewAngle(2 * np.degrees(np.arctan(half)))
        camera.SetWindowCenter(*(centre / half))
        camera.SetClippingRange(max(view.distance_mm - 300, 50), view.distance_mm + 400)
        for light, given in zip(self._lights, view.lights, strict=True):
            x, y, z = given.direction
            light.SetPosition(MIDDLE_MM + 1000 * (turn @ [x, -z, y]))
            light.SetFocalPoint(MIDDLE_MM)
            light.SetDiffuseColor(given.colour)
            light.SetSpecularColor(given.colour)
            light.SetIntensity(given.strength)


def frame(landmarks: np.ndarray, view: View) -> tuple[float, np.ndarray, float]:
    """How the camera must look for its picture to be the aligned crop.

    Returns
    -------
    angle, centre, half
        Clockwise turn in radians; then, in a picture turned so, the crop's middle (right, up) and half its side, both
        at distance 1 from the camera.
    """
    turn = _rotation(view)
    x, depth, z = ((landmarks - MIDDLE_MM) @ turn).T
    flat = np.stack([x, -z], 1) / (view.distance_mm + depth)[:, None]
    to_crop = similarity(flat, ARCFACE_112)
    scale = np.hypot(*to_crop[:, 0])
    middle = np.linalg.solve(to_crop[:, :2], np.array([56.0, 56.0]) - to_crop[:, 2])
    turned = to_crop[:, :2] @ middle / scale
    return float(-np.arctan2(to_crop[1, 0], to_crop[0, 0])), turned * [1, -1], 56.0 / scale


def _rotation(view: View) -> np.ndarray:
    """Turn of camera and lights around the head: the turn of the head before them, reversed."""
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return (about_y @ about_x @ about_z).T
