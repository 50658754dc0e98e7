"""Heads, light and camera: geometry with known answers."""

import os
import subprocess
import sys
from ctypes.util import find_library

import numpy as np
import pytest

from sface_lib.data.template import ARCFACE_112, similarity
from sface_lib.errors import InputError
from sface_lib.population.rendering import heads
from sface_lib.population.rendering.heads import Shape, head_model
from sface_lib.population.rendering.looks import canvas, paint_skin
from sface_lib.population.rendering.mesh import Mesh, averaging, cut_at_seam, hollows, sheet, tube, vertex_normals
from sface_lib.population.rendering.persons import draw_changes, draw_person
from sface_lib.population.rendering.render import Light, Renderer, View
from sface_lib.population.rendering.worn import Makeup, paint_makeup

# Where anny was never used, it first prepares its data, which takes a minute or two.
pytestmark = [pytest.mark.render, pytest.mark.timeout(900)]

TOP_LIGHT = (Light((0.0, 0.3, 1.0), (1.0, 1.0, 1.0), 1.0), Light((0.0, 0.3, 1.0), (1.0, 1.0, 1.0), 0.0))


@pytest.fixture(scope="module")
def model():
    return head_model()


def view(**changes):
    facts = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "distance_mm": 1200.0, "lights": TOP_LIGHT}
    return View(**facts | {"ambient": 0.2, "shine": 0.0} | changes)


def test_the_average_head_is_a_head(model):
    right, left, nose, mouth_right, mouth_left = model.landmarks(model.template[None])[0]
    assert left[0] == pytest.approx(-right[0], abs=0.1) and 55 < left[0] - right[0] < 70  # Adults: 54 to 74 mm.
    assert abs(nose[0]) < 1 and nose[1] < right[1] - 10  # In the middle, and before the eyes.
    assert mouth_right[0] < 0 < mouth_left[0] and -90 < mouth_right[2] < -55
    assert len(model.change_names) == 139 and len(model.action_names) == 52


def test_eyes_stay_at_the_origin_whatever_the_shape(model):
    shapes = [draw_person(model, "balanced", i, 0).shape for i in range(4)]
    together = Shape(*(np.concatenate([getattr(s, name) for s in shapes]) for name in vars(shapes[0])))
    middles = model.eye_centres(model.vertices(together)).mean(1)
    np.testing.assert_allclose(middles, 0, atol=1e-3)


def test_an_action_moves_what_it_names(model):
    def moved(name):
        actions = np.zeros((1, len(model.action_names)))
        actions[0, model.action_names.index(name)] = 1
        return np.linalg.norm(model.vertices(model.average, actions)[0] - model.template, axis=1)

    jaw = moved("jawOpen")
    chin = (abs(model.template[:, 0]) < 10) & (model.template[:, 2] < -95) & (model.template[:, 1] < 10)
    brow = (abs(model.template[:, 0]) > 15) & (model.template[:, 2] > 10) & (model.template[:, 1] < 10)
    assert jaw[chin].mean() > 5 and jaw[brow].mean() < 1.5


def test_changes_are_nearly_symmetric_and_no_grotesques(model):
    changes = np.stack([draw_changes(model, np.random.default_rng(i)) for i in range(200)])
    names = list(model.change_names)
    left = [i for i, name in enumerate(names) if name.startswith("l-")]
    right = [names.index("r-" + names[i][2:]) for i in left]
    assert np.corrcoef(changes[:, left].ravel(), changes[:, right].ravel())[0, 1] > 0.95
    # Sides differ, unless both are clipped.
    assert abs(changes).max() <= 1 and (changes[:, left] != changes[:, right]).mean() > 0.85
    moved_mm = abs(changes) * model.change_sizes
    assert moved_mm.mean() < 3.5 and moved_mm.max() < 15  # A head is 150 mm wide.


def test_normals_of_a_tube_and_of_a_sheet_point_outwards():
    line = np.stack([np.zeros(5), np.zeros(5), np.linspace(0, 10, 5)], 1)
    made = tube(line, 2.0, np.ones(3))
    np.testing.assert_allclose(np.linalg.norm(made.points[:, :2], axis=1), 2, atol=1e-9)
    assert (np.einsum("pd,pd->p", made.points[:, :2], made.normals[:, :2]) > 1.9).all()
    x, z = np.meshgrid(np.arange(4.0), np.arange(3.0))
    flat = sheet(np.stack([x, 0 * x, z], 2), np.ones((2, 2, 4)), 0, 1)
    np.testing.assert_allclose(abs(flat.normals), np.tile([0, 1, 0], (12, 1)), atol=1e-9)
    np.testing.assert_allclose(vertex_normals(flat.points, flat.triangles), flat.normals)


def test_a_triangle_across_the_seam_gets_points_of_its_own():
    places = np.array([[0.95, 0.0], [0.05, 0.5], [0.9, 1.0], [0.5, 0.5]])
    triangles, source, moved = cut_at_seam(np.array([[0, 1, 2], [0, 2, 3]]), places)
    assert source.tolist() == [0, 1, 2, 3, 1] and triangles.tolist() == [[0, 4, 2], [0, 2, 3]]
    assert moved[4].tolist() == [1.05, 0.5]


def projected(renderer, points):
    """Where VTK's own camera puts points in the picture, in pixels of a 112 px crop."""
    matrix = renderer._scene.GetActiveCamera().GetCompositeProjectionTransformMatrix(1.0, -1, 1)
    matrix = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    flat = np.c_[points, np.ones(len(points))] @ matrix.T
    flat = flat[:, :2] / flat[:, 3:]
    return np.stack([flat[:, 0] + 1, 1 - flat[:, 1]], 1) * 56


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "distance"), [(0, 0, 0, 1200), (30, 10, 20, 500), (-75, -20, -40, 700)]
)
def test_the_picture_is_the_aligned_crop(model, yaw, pitch, roll, distance):
    renderer, marks = Renderer(32), model.landmarks(model.template[None])[0]
    renderer.picture([], view(yaw=yaw, pitch=pitch, roll=roll, distance_mm=distance), marks)
    # No turn, scale or shift is left that would bring the landmarks nearer to the template.
    left = similarity(projected(renderer, marks), ARCFACE_112)
    np.testing.assert_allclose(left, [[1, 0, 0], [0, 1, 0]], atol=1e-3)


def test_a_red_square_is_red_in_its_place_and_nothing_is_elsewhere():
    flat = np.c_[(ARCFACE_112[:, 0] - 56) * 1.5, np.zeros(5), (56 - ARCFACE_112[:, 1]) * 1.5]  # 1.5 mm a pixel.
    x, z = np.meshgrid(np.linspace(-30, 30, 5), np.linspace(-60, 0, 5))
    square = sheet(np.stack([x, 0 * x, z], 2), np.tile([1.0, 0.0, 0.0, 1.0], (2, 2, 1)), 0, 1)
    image = Renderer(112).picture([square], view(ambient=1.0), flat)
    inside = np.zeros((112, 112), bool)
    inside[57:95, 37:75] = True  # 20 px to both sides of the middle, 40 px down, without a pixel of edge.
    outside = np.ones((112, 112), bool)
    outside[55:97, 35:77] = False
    assert (image[inside] == [255, 0, 0, 255]).all() and (image[outside] == 0).all()


def test_a_head_turned_to_its_left_shows_its_nose_at_the_right_of_the_picture(model):
    renderer, marks = Renderer(32), model.landmarks(model.template[None])[0]

    def nose(**turned):
        renderer.picture([], view(**turned), marks)
        points = projected(renderer, marks)
        eyes, mouth = points[:2].mean(0), points[3:].mean(0)
        return points[2, 0] - eyes[0], (points[2, 1] - eyes[1]) / (mouth[1] - eyes[1])

    straight = nose()
    assert abs(straight[0]) < 0.5
    assert nose(yaw=40.0)[0] > 4 and nose(yaw=-40.0)[0] < -4
    assert nose(pitch=20.0)[1] < straight[1] - 0.05 < straight[1] + 0.05 < nose(pitch=-20.0)[1]


def test_a_light_from_the_left_of_the_picture_lights_that_side(model):
    normals, grey = vertex_normals(model.template, model.skin), np.full((2, 2, 3), 0.5)
    head = Mesh(model.template, normals, model.skin, np.zeros((len(model.template), 2)), grey)
    lit = Light((-1.0, 0.0, 0.3), (1.0, 1.0, 1.0), 1.0)
    marks = model.landmarks(model.template[None])[0]
    image = Renderer(64).picture([head], view(lights=(lit, TOP_LIGHT[1]), ambient=0.0), marks)[..., 0].astype(float)
    assert image[:, :32].mean() > 2 * image[:, 32:].mean()


def test_a_hollow_is_deep_and_a_ridge_is_not():
    x, z = np.meshgrid(np.arange(21.0), np.arange(21.0))
    bowl = sheet(np.stack([x, 0.02 * ((x - 10) ** 2 + (z - 10) ** 2), z], 2), np.ones((2, 2, 4)), 0, 1)
    middle, mean = 10 * 21 + 10, averaging(bowl.triangles, 441)
    upwards = bowl.normals * np.sign(bowl.normals[:, 1:2])
    assert (hollows(bowl.points, upwards, mean)[middle] > 0.03).all()
    assert (hollows(bowl.points, -upwards, mean)[middle] < -0.03).all()
    np.testing.assert_allclose(np.asarray(mean.sum(1)).ravel(), 1)


def test_paint_belongs_to_the_seed_and_make_up_to_lips_and_lids():
    c = canvas(128)
    skin = draw_person(head_model(), "balanced", 0, 0).skin
    bare = paint_skin(c, skin, np.array([0.1, 0.1, 0.1]))
    assert np.array_equal(bare, paint_skin(c, skin, np.array([0.1, 0.1, 0.1])))
    assert bare.min() >= 0 and bare.max() <= 1 and bare.shape == (128, 256, 3)
    blue = Makeup(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]), 0.8, 0.8, 0.0)
    moved = abs(paint_makeup(c, bare, blue) - bare).sum(2)
    assert moved[c.lips > 0.9].min() > 0.3 and moved[(c.z_mm > 60) | (c.z_mm < -110)].max() < 0.02


def test_a_machine_without_opengl_is_told_so():
    script = "from sface_lib.population.rendering.render import Renderer; Renderer(32)"
    lacking = os.environ | {"VTK_DEFAULT_OPENGL_WINDOW": "vtkOSOpenGLRenderWindow"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=lacking)
    if find_library("OSMesa") is None:
        assert done.returncode == 1 and "install Mesa" in done.stderr
    else:
        assert done.returncode == 0


def test_missing_packages_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[population\]' .*anny"):
        heads.HeadModel()
