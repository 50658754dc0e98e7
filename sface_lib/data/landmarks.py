"""Where the eyes of an aligned face are, by dlib's frontal detector and five-point model (extra `align`).

The model gives the two corners of each eye and the base of the nose; an eye's centre lies between its corners. Its
file comes with the package face-recognition-models (dlib's five-point model, free for any use) and is opened where it
lies, because importing that package needs tools that no longer ship with Python.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sface_lib.errors import InputError

MODEL = "shape_predictor_5_face_landmarks.dat"
# The eyes of the ArcFace template, left and right in the picture, as shares of its 112 px.
TEMPLATE_EYES = np.array([[38.2946, 51.6963], [73.5318, 51.5014]]) / 112
# Faces are enlarged to this side, and mirrored beyond it by this share: crops are tighter than faces.
DETECTED_PX, MARGIN = 192, 0.25


@functools.cache
def _models() -> tuple[Any, Any]:
    """The detector and the five-point model."""
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or importlib.util.find_spec("dlib") is None:
        raise InputError("finding eyes needs the extra `align`; install it with pip install 'sface-lab[align]'")
    import dlib

    predictor = dlib.shape_predictor(str(Path(package.origin).parent / "models" / MODEL))
    return dlib.get_frontal_face_detector(), predictor


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
    detector, predictor = _models()
    margin = round(MARGIN * images.shape[-1])
    padded = F.pad(images.float(), [margin] * 4, mode="reflect")
    side = round(DETECTED_PX * padded.shape[-1] / images.shape[-1])
    large = F.interpolate(padded, size=side, mode="bicubic", align_corners=False).clamp(0, 255).byte()
    eyes = np.full((len(images), 2, 2), np.nan)
    for i, picture in enumerate(large.permute(0, 2, 3, 1).contiguous().numpy()):
        found = detector(picture, 0)
        if found:
            points = predictor(picture, max(found, key=lambda box: box.area())).parts()
            corners = np.array([[point.x, point.y] for point in points])[:4]
            # The person's left eye comes first, which is the right one in the picture.
            eyes[i] = corners[[2, 3, 0, 1]].reshape(2, 2, 2).mean(1)
    scale = padded.shape[-1] / images.shape[-1]
    return (eyes + 0.5) / side * scale - margin / images.shape[-1]


def misalignment(images: torch.Tensor) -> np.ndarray:
    """How far the farther eye is from its place in the ArcFace template, as a share of the side `[N]`; NaN: no face."""
    return np.linalg.norm(find_eyes(images) - TEMPLATE_EYES, axis=2).max(1)
