"""The ArcFace template: where points of a face lie in an aligned crop, and the crop that brings them there.

Coordinates are (x, y) in pixels from the picture's upper left corner, so that a pixel's centre lies at a half.
"""

import math

import numpy as np
from PIL import Image

# Five landmarks of the ArcFace crop at 112 px: right eye, left eye, nose, right and left corner of the mouth.
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# Its eyes, left and right in the picture, as shares of the side.
TEMPLATE_EYES = ARCFACE_112[:2] / 112


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity transform `[2, 3]` from points `[N, 2]` to points `[N, 2]` (Umeyama, 1991).

    A turn, a scale and a shift, never a reflection; float64. A point that is given twice counts twice.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u * sign @ vt
    scale = (s * sign).sum() / (a**2).sum()
    return np.c_[scale * turn, target.mean(0) - scale * turn @ source.mean(0)]


def cut_crop(picture: np.ndarray, transform: np.ndarray, size_px: int) -> np.ndarray:
    """The square of a picture that a similarity transform maps to a crop.

    A picture that is finer than the crop is first sampled on a grid as fine as its own pixels, then reduced by
    antialiased bicubic interpolation: no detail turns into a pattern.

    Parameters
    ----------
    picture
        uint8 `[H, W, 3]`, RGB.
    transform
        `[2, 3]`, from the picture's coordinates to the crop's.
    size_px
        Side of the crop.

    Returns
    -------
    uint8 `[size_px, size_px, 3]`, RGB; black outside the picture, as InsightFace has it.
    """
    back = np.linalg.inv(transform[:, :2])
    back = np.c_[back, -back @ transform[:, 2]]
    finer = max(1, math.ceil(np.hypot(*back[:, 0])))
    affine = (back * [1 / finer, 1 / finer, 1]).ravel().tolist()
    fine = (size_px * finer, size_px * finer)
    crop = Image.fromarray(picture).transform(fine, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    return np.array(crop.resize((size_px, size_px), Image.Resampling.BICUBIC))
