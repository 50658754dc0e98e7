"""Bytes of an image file -> RGB pixels, and what had to be converted for it."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features


def _reads_avif() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow before 11.3 does not know the name.
        return bool(features.check("avif"))


# Pillow's name of each format that is read, and the suffixes that its files have, the usual one first.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
} | ({"AVIF": (".avif",)} if _reads_avif() else {})
IMAGE_SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MAX_PIXELS = 50_000_000  # A face image that claims more is a mistake or a decompression bomb.

_KINDS = {"1": "grey", "L": "grey", "P": "palette", "CMYK": "cmyk"}
# Byte and bytes by which the files of each format are known.
_BEGINNINGS = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"RIFF", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"GIF8", "GIF"),
    (4, b"ftypavi", "AVIF"),
)


class UndecodableImage(Exception):
    """An image can't be decoded; the text is the reason, without any name."""


def decode_image(data: bytes, upright: bool = False) -> tuple[np.ndarray, str | None]:
    """Decode a JPEG, PNG, WebP, BMP, TIFF, GIF or, where Pillow reads it, an AVIF.

    Grey is repeated in all channels, alpha is dropped, 16-bit samples keep their high byte, palette and CMYK
    are converted by Pillow. An orientation in EXIF is not applied unless asked for: aligned faces carry none, and
    turning some would hide it; that of a TIFF is part of the format, and Pillow applies it. Of an animation the first
    frame is read, of a TIFF the first page.

    Parameters
    ----------
    upright
        Turn the picture as its EXIF says, as photographs want it.

    Returns
    -------
    pixels
        uint8 `[H, W, 3]`, RGB.
    converted
        "grey", "alpha", "16-bit", "palette" or "cmyk", the one conversion that is counted; None if the
        file was RGB.

    Raises
    ------
    UndecodableImage
        If the data are truncated, damaged, too large, or no such image.
    """
    with _open(data) as image:
        converted = _kind(image)
        try:
            image.load()
            return _to_rgb(_upright(image) if upright else image), converted
        except Exception as error:  # Pillow's readers raise nearly every kind on damaged data.
            raise UndecodableImage(str(error) or type(error).__name__) from error


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises
    ------
    UndecodableImage
        If the header can't be read.
    """
    with _open(data) as image:
        return image.size


def image_suffixes(data: bytes) -> tuple[str, ...]:
    """Suffixes that fit an image file, the usual one first, by how it begins; ".jpg" where nothing is known."""
    kinds = (kind for offset, start, kind in _BEGINNINGS if data.startswith(start, offset))
    return FORMATS.get(next(kinds, ""), (".jpg",))


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UndecodableImage("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except UnidentifiedImageError as error:
        raise UndecodableImage(f"not a {', '.join(FORMATS)} image") from error
    except Exception as error:
        raise UndecodableImage(str(error) or type(error).__name__) from error
    if image.width * image.height > MAX_PIXELS:
        raise UndecodableImage(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS:,}")
    return image


def _kind(image: Image.Image) -> str | None:
    if image.mode.startswith("I") or ";16" in _raw_mode(image):
        return "16-bit"
    return "alpha" if image.mode.upper().endswith("A") else _KINDS.get(image.mode)


def _raw_mode(image: Image.Image) -> str:
    """How the file holds its samples: Pillow reads 16-bit colour as 8-bit, and only this tells until it is loaded."""
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return ""
    given = image.tile[0][3]
    return given if isinstance(given, str) else str(given[0])


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # A damaged EXIF turns nothing; the pixels are good.
        return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "F":
        raise UndecodableImage("its samples are fractions, whose range is not known; store 8-bit samples")
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255.
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
