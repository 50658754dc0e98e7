"""InsightFace verification sets, such as lfw.bin: a pickle of encoded images and of which pairs show one person.

The pickle is a tuple (images, same): pair p is the images 2 p and 2 p + 1, and same[p] is true where both show one
person. Python 2 and 3 wrote such files; images are byte strings or, from OpenCV's encoder, uint8 arrays `[n]` or
`[n, 1]`. Only those, booleans and the lists around them are built; a file that names anything else is refused, and
nothing in it is run.
"""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from sface_lib.data.layout import Layout
from sface_lib.data.pickled import ALLOWED, PickledArray
from sface_lib.data.write import checked_file, encode_png, new_path
from sface_lib.errors import FacesError, InputError
from sface_lib.files import atomic_path
from sface_lib.unpickle import load_restricted

# Python 3 can read protocol 4 since 3.4, and no earlier one holds byte strings as they are.
_PROTOCOL = 4


class BinSource:
    """The images of a verification .bin, `00000000.jpg` and so on, without labels.

    A pickle can't be read in parts: all encoded images are in memory, once for a process and those forked from it; what
    is pickled reads the file again.

    Raises
    ------
    FacesError
        If the file is damaged, asks for anything but images and truths, or their numbers don't fit.
    """

    kind = "verification .bin"

    def __init__(self, path: Path):
        self.path = path
        self._images: list[bytes] | None = read_bin(path)[0]
        self.members = tuple(map(bin_name, range(len(self._images))))
        self.layout = Layout(self.members, self.members, None, ())

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        if self._images is None:
            self._images = read_bin(self.path)[0]
        return self._images[int(PurePosixPath(member).stem)]

    def __getstate__(self):
        return {**self.__dict__, "_images": None}


def is_bin(path: Path) -> bool:
    """Whether a file begins as a pickled tuple of lists does, in any of pickle's protocols, and is no tar."""
    if not path.is_file():
        return False
    with open(path, "rb") as stream:
        head = stream.read(262)
    pickled = head[:2] in (b"((", b"(]") or (head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))
    return pickled and head[257:] != b"ustar"


def bin_name(index: int) -> str:
    """Name of an image by its place in the file."""
    return f"{index:08d}.jpg"


def read_bin(path: str | Path) -> tuple[list[bytes], np.ndarray]:
    """Encoded images, 2 P, and whether each pair shows one person, bool `[P]`.

    Raises
    ------
    FacesError
        As `BinSource`.
    """
    try:
        content = load_restricted(path, ALLOWED, encoding="bytes")
    except InputError as error:
        raise FacesError(str(error)) from error
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise FacesError(f"'{path}' is a pickle, but not one of (images, same), as a verification .bin is")
    given, same = content
    images, same = [_image(image, path) for image in _listed(given, path)], _truths(same, path)
    if not images or len(images) != 2 * len(same):
        raise FacesError(
            f"'{path}' holds {len(images)} images and {len(same)} truths, but there must be two images for each truth, "
            "and one at least; get the whole file"
        )
    return images, same


def write_bin(path: str | Path, images: Iterable[bytes | np.ndarray | torch.Tensor], same: Sequence[bool]) -> Path:
    """Write a verification .bin, whole or not at all, and never over something else.

    All images are held in memory until they are written. The file has no folds: evaluations split the pairs, in their
    order, into ten parts.

    Parameters
    ----------
    path
        Must not exist yet; missing parents are made.
    images
        The two of each pair in turn: image files as they are, or uint8 `[3, H, W]`, RGB, which become PNG.
    same
        Whether each pair shows one person, `[P]`.

    Raises
    ------
    FacesError
        If `path` exists or can't be written.
    InputError
        If an image is none, or the numbers don't fit.
    """
    same = [bool(truth) for truth in same]
    path = Path(path)
    with new_path(path), atomic_path(path) as temporary:
        files = [
            (checked_file if isinstance(image, bytes) else encode_png)(image, f"image {number}")
            for number, image in enumerate(images)
        ]
        if not files or len(files) != 2 * len(same):
            raise InputError(f"{len(files)} images and {len(same)} truths are given; give two images for each truth")
        with open(temporary, "wb") as stream:
            pickle.dump((files, same), stream, protocol=_PROTOCOL)
    return path


def _listed(given: Any, path: str | Path) -> list | tuple:
    if not isinstance(given, list | tuple):
        raise FacesError(f"'{path}' holds a {type(given).__name__} where a list of images must be; get the file again")
    return given


def _image(image: Any, path: str | Path) -> bytes:
    """Bytes of one encoded image."""
    if isinstance(image, PickledArray) and sorted(image.shape)[:-1] in ([], [1]):
        return image.data
    if not isinstance(image, bytes | bytearray):
        what = f"an array {list(image.shape)}" if isinstance(image, PickledArray) else f"a {type(image).__name__}"
        raise FacesError(
            f"'{path}' holds {what} where an image must be; write its images as the bytes of JPEG or PNG files"
        )
    return bytes(image)


def _truths(given: Any, path: str | Path) -> np.ndarray:
    values = list(given.data) if isinstance(given, PickledArray) else given
    if not isinstance(values, list | tuple) or any(value not in (0, 1) for value in values):
        raise FacesError(f"'{path}' must say of each pair whether it shows one person, by true or false alone")
    return np.array(values, dtype=bool)
