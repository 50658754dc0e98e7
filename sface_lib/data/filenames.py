"""Names of a set's files: their normal form, and whether a file is an image, may be one, or is plainly none."""

import mimetypes
import unicodedata
from pathlib import PurePosixPath

from sface_lib.data.decode import IMAGE_SUFFIXES

_TYPES = mimetypes.MimeTypes()  # Python's own table, whatever the machine adds to it.
# What that table lacks of the files that lie beside images and are none, in lower case.
_NO_IMAGES = {
    *(".md", ".rst", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".ipynb", ".bat", ".url", ".lnk"),
    *(".lst", ".list", ".idx", ".rec", ".npy", ".npz", ".mat", ".m", ".pts", ".pkl", ".pickle", ".pt", ".pth", ".ckpt"),
    *(".safetensors", ".onnx", ".parquet", ".feather", ".arrow", ".db", ".mdb", ".sqlite", ".7z", ".rar"),
    *(".md5", ".sha1", ".sha256", "md5sums", "sha256sums", "property", "makefile"),
    *("readme", "license", "licence", "copying", "notice", "changelog"),
}


def composed(name: str) -> str:
    """A name in Unicode's normal form NFC: macOS stores file names decomposed, and lists hold them composed."""
    return unicodedata.normalize("NFC", name)


def is_image(name: str) -> bool:
    """Whether a file has the ending of an image that is read.

    Examples
    --------
    >>> is_image('a/face.JPG'), is_image('notes.txt')
    (True, False)
    """
    return name.lower().endswith(IMAGE_SUFFIXES)


def may_be_image(name: str) -> bool:
    """Whether a file that is not read may be an image: by a name such as IMG_0001.HEIC, or one without an ending."""
    if is_image(name):
        return False
    path = PurePosixPath(name.lower())
    kind, packed = _TYPES.guess_type(path.name)
    known = packed is not None or (kind is not None and not kind.startswith("image/"))
    return not (known or _NO_IMAGES & {path.suffix, path.name})
