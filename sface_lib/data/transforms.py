"""Pixels in, pixels out: square crop, resize, and the range at a network's door."""

import numpy as np
import torch
import torch.nn.functional as F

from sface_lib.errors import InputError, ParameterError


def centre_square(images: torch.Tensor | np.ndarray) -> torch.Tensor | np.ndarray:
    """The largest centred square of each image.

    Parameters
    ----------
    images
        `[..., H, W]`; an odd pixel is cut at the bottom or right.

    Returns
    -------
    `[..., S, S]` with S = min(H, W), a view.

    Examples
    --------
    >>> centre_square(np.zeros((3, 10, 6))).shape
    (3, 6, 6)
    """
    height, width = images.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side]


def resize_images(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Resize square images by antialiased bicubic interpolation; images of that size come back as they are.

    Parameters
    ----------
    images
        uint8 `[N, 3, S, S]`, RGB.
    size_px
        Wanted side, in pixels.

    Returns
    -------
    uint8 `[N, 3, size_px, size_px]`, RGB.

    Raises
    ------
    InputError
        If `images` are not uint8, not four-dimensional, or not square.
    ParameterError
        If `size_px` is below 1.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise InputError(
            f"images are {images.dtype} {list(images.shape)}, but must be uint8 [N, 3, S, S]; "
            "crop them by centre_square first if they are not square"
        )
    if size_px < 1:
        raise ParameterError(f"size_px is {size_px}, but must be at least 1")
    if images.shape[-1] == size_px:
        return images
    if not len(images):
        return images.new_empty((0, images.shape[1], size_px, size_px))
    # torch interpolates uint8 on a CPU alone.
    pixels = images if images.device.type == "cpu" else images.float()
    resized = F.interpolate(pixels, size=size_px, mode="bicubic", antialias=True, align_corners=False)
    return resized if resized.dtype == torch.uint8 else resized.round().clamp(0, 255).to(torch.uint8)


def to_unit_range(images: torch.Tensor) -> torch.Tensor:
    """uint8 in 0..255 -> float32 in [-1, 1], `x / 127.5 - 1`; any shape.

    Examples
    --------
    >>> to_unit_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Float in [-1, 1] -> uint8 in 0..255, rounded; values outside are clamped; undoes `to_unit_range` exactly."""
    return ((images.to(torch.float32) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
