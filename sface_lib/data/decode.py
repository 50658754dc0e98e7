"""Bytes of an image file -> RGB pixels, and what had to be converted for it."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 50_000_000  # A face image that claims more is a mistake or a decompression bomb.

_KINDS = {"1": "grey", "L": "grey", "P": "palette", "CMYK": "cmyk"}


# How the files of each format begin, and the suffixes that they have.
_BEGINNINGS = {
    b"\xff\xd8\xff": (".jpg", ".jpeg"),
    b"\x89PNG": (".png",),
    b"RIFF": (".webp",),
    b"BM": (".bmp",),
}


class UndecodableImage(Exception):
    """An image can't be decoded; the text is the reason, without any name."""


def decode_image(data: bytes, upright: bool = False) -> tuple[np.ndarray, str | None]:
    """Decode a JPEG, PNG, WebP or BMP.

    Grey is repeated in all channels, alpha is dropped, 16-bit samples keep their high byte, palette and CMYK
    are converted by Pillow. An orientation in EXIF is not applied unless asked for: aligned faces carry none, and
    turning some would hide it. Of an animation the first frame is read.

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
    return next((suffixes for start, suffixes in _BEGINNINGS.items() if data.startswith(start)), (".jpg",))


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UndecodableImage("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UndecodableImage("not a JPEG, PNG, WebP or BMP image") from error
    except Exception as error:
        raise UndecodableImage(str(error) or type(error).__name__) from error
    if image.width * image.height > MAX_PIXELS:
        raise UndecodableImage(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS:,}")
    return image


def _kind(image: Image.Image) -> str | None:
    # Pillow reads a 16-bit colour PNG as 8-bit; only the tile's raw mode tells, until the image is loaded.
    if image.mode.startswith("I") or (image.format == "PNG" and "16" in str(image.tile[0][3])):
        return "16-bit"
    return "alpha" if image.mode.upper().endswith("A") else _KINDS.get(image.mode)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # A damaged EXIF turns nothing; the pixels are good.
        return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255.
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
