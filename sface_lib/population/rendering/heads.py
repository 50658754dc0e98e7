"""Heads: triangle meshes of the parametric body model `anny` (Apache-2.0, CC0 MakeHuman shapes).

The origin is the middle between the eyes. Axes are the model's: x to the head's left, y to the back, z up; millimetres.
"""

import dataclasses
import functools
import re

import numpy as np
import torch

from sface_lib.errors import InputError, how_to_install

FACE_WORDS = ("cheek", "chin", "ear-", "eye", "forehead", "head-", "mouth", "nose", "neck")
NEUTRAL = {"muscle": 0.5, "height": 0.5, "proportions": 0.6, "cupsize": 0.5, "firmness": 0.5}
ANCESTRIES = ("african", "asian", "caucasian")
MISSING = f"the rendered population needs more packages: {how_to_install('population')}"


@dataclasses.dataclass(frozen=True)
class Shape:
    """What makes the geometry of N heads; all arrays float, first axis N.

    Attributes
    ----------
    masculinity, age, weight
        `[N]` in 0..1: 0 female and 1 male; 0 newborn, 0.67 young adult, 1 old; 0 thin, 1 heavy.
    ancestry
        `[N, 3]` shares of `ANCESTRIES`.
    changes
        `[N, C]` local changes in -1..1, in the order of `HeadModel.change_names`.
    """

    masculinity: np.ndarray
    age: np.ndarray
    weight: np.ndarray
    ancestry: np.ndarray
    changes: np.ndarray


class HeadModel:
    """The parametric head, with the regions and landmarks that painting and alignment need.

    Attributes
    ----------
    change_names
        Names of the local changes of face and neck; `l-` and `r-` begin those of one side.
    change_kinds
        The same names without their side.
    action_names
        Names of the facial actions.
    skin, eyes
        Triangles int `[T, 3]` of the head's surface, and of (right, left) eyeball.
    template
        float `[V, 3]` in mm, the average head.
    average
        The `Shape` of the average head.
    lips
        float `[V]`, 1 on the lips.

    Raises
    ------
    InputError
        The extra `population` is not installed.
    """

    def __init__(self):
        try:
            import warp

            warp.config.log_level = warp.LOG_ERROR  # Before anny starts it: it would print its devices.
            import anny
            from anny.face_segmentation import get_face_segmentation_mask as region
        except ImportError as error:
            raise InputError(f"{MISSING} ({error.name or error})") from None
        arguments = {"local_changes": "default", "facial_actions": "all", "phenotypes": "all"}
        self._anny = anny.Anny(rig="makehuman-head", topology="head", **arguments).to(dtype=torch.float32)
        triangles = self._anny.faces.numpy()
        self.skin = triangles[region(self._anny, ["head"]).numpy()]
        self.eyes = tuple(
            triangles[region(self._anny, [f"eye_front.{side}", f"eye_back.{side}"]).numpy()] for side in "RL"
        )
        self._eye_fronts = tuple(
            np.unique(triangles[region(self._anny, [f"eye_front.{side}"]).numpy()]) for side in "RL"
        )
        labels = self._anny.local_change_labels
        self.change_names = tuple(name for name in labels if any(word in name for word in FACE_WORDS))
        self.change_kinds = tuple(re.sub("^[lr]-", "", name) for name in self.change_names)
        self.action_names = tuple(self._anny.facial_action_labels)
        even = np.full((1, 3), 1 / 3)
        half = np.full(1, 0.5)
        self.average = Shape(half, np.full(1, 0.7), half, even, np.zeros((1, len(self.change_names))))
        self.template = self.vertices(self.average)[0]
        self.lips = self._lips(anny)
        self._nose_tip, self._mouth = self._find_landmarks()

    def vertices(self, shape: Shape, actions: np.ndarray | None = None) -> np.ndarray:
        """Vertices float32 `[N, V, 3]` in mm, the middle between the eyes at the origin.

        `actions` are float `[N, A]` in 0..1, in the order of `action_names`; None is a face at rest.
        """
        n = len(shape.age)
        phenotypes = {"gender": shape.masculinity, "age": shape.age, "weight": shape.weight}
        phenotypes |= dict(zip(ANCESTRIES, shape.ancestry.T, strict=True))
        phenotypes |= {name: np.full(n, value) for name, value in NEUTRAL.items()}
        changes = dict(zip(self.change_names, shape.changes.T, strict=True))
        moved = dict(zip(self.action_names, actions.T, strict=True)) if actions is not None else {}
        posed = self._anny(
            phenotype_kwargs=_tensors(phenotypes),
            local_changes_kwargs=_tensors(changes),
            facial_actions=_tensors(moved) or None,
        )
        vertices = posed["vertices"].detach().numpy() * 1000
        return vertices - self.eye_centres(vertices).mean(1)[:, None]

    def eye_centres(self, vertices: np.ndarray) -> np.ndarray:
        """Middles of the (right, left) eyeball's front, `[N, 2, 3]`."""
        return np.stack([vertices[:, front].mean(1) for front in self._eye_fronts], 1)

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """Right eye, left eye, nose tip, right and left mouth corner, `[N, 5, 3]`: the order of ArcFace's crop."""
        rest = vertices[:, [self._nose_tip, *self._mouth]]
        return np.concatenate([self.eye_centres(vertices), rest], 1)

    @functools.cached_property
    def change_sizes(self) -> np.ndarray:
        """Largest displacement in mm, over the head's surface, of each local change at 1."""
        n = len(self.change_names)
        repeated = {
            field.name: np.repeat(getattr(self.average, field.name), n, 0) for field in dataclasses.fields(Shape)
        }
        moved = self.vertices(Shape(**repeated | {"changes": np.eye(n)}))
        return np.linalg.norm(moved - self.template, axis=2)[:, np.unique(self.skin)].max(1)

    def _lips(self, anny) -> np.ndarray:
        """The lips' mask, which MakeHuman paints over the body's texture, read at each vertex."""
        from anny.paths import get_anny_root_dir
        from PIL import Image

        mask = np.asarray(Image.open(get_anny_root_dir() / "data/mpfb2/textures/mpfb_lips.jpg").convert("L"), float)
        corners, places = self._anny.faces.numpy(), self._anny.texture_coordinates.numpy()
        uv = places[self._anny.face_texture_coordinate_indices.numpy()]
        columns = (uv[..., 0] * (mask.shape[1] - 1)).round().astype(int)
        rows = ((1 - uv[..., 1]) * (mask.shape[0] - 1)).round().astype(int)
        lips = np.zeros(len(self.template))
        np.maximum.at(lips, corners, mask[rows, columns] / 255)
        return lips

    def _find_landmarks(self) -> tuple[int, tuple[int, int]]:
        """Vertices at the tip of the nose and the corners of the mouth, on the average head."""
        x, y, z = self.template.T
        surface = np.unique(self.skin)
        middle = surface[(abs(x[surface]) < 4) & (z[surface] < -15) & (z[surface] > -60)]
        nose = middle[y[middle].argmin()]
        red = surface[self.lips[surface] > 0.5]
        return int(nose), (int(red[x[red].argmin()]), int(red[x[red].argmax()]))


@functools.cache
def head_model() -> HeadModel:
    """The one head model of a process; making it the first time on a machine takes a minute."""
    return HeadModel()


def _tensors(values: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(value, dtype=torch.float32) for name, value in values.items()}
