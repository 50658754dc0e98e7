"""Write a set of faces, image by image: an identity folder, or a StyleGAN2-ADA zip."""

import io
import itertools
import json
import operator
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from sface_lib.data.layout import LABELS_FILE
from sface_lib.data.sources import member_name
from sface_lib.errors import FacesError, InputError
from sface_lib.files import add_to_zip, atomic_folder, atomic_path

_END = object()


class _Row(NamedTuple):
    """One image on its way to the disk."""

    index: int
    png: bytes
    label: int | None
    name: str | None


def write_faces(
    path: str | Path,
    images: Iterable[np.ndarray | torch.Tensor],
    labels: Iterable[int] | None = None,
    identities: Sequence[str] | None = None,
    names: Iterable[str] | None = None,
) -> Path:
    """Write faces as PNG files; whole or not at all, and never over something else.

    A path that ends in .zip becomes a StyleGAN2-ADA zip (`00000/img00000000.png`, ..., stored, with
    `dataset.json`; identity names stand there under the key "identities", which StyleGAN2-ADA ignores).
    Any other path becomes a folder `<identity>/<index>.png`; there `open_faces` numbers identities in the
    order of their names.

    Parameters
    ----------
    path
        Must not exist yet; missing parents are made.
    images
        uint8 `[3, H, W]` each, RGB; a generator is consumed one by one.
    labels
        Label of each image, integers from 0; None writes an unlabelled zip, and is refused for a folder.
    identities
        Name of each label; None uses the label itself, zero-padded, as the folder's name.
    names
        Name of each image, such as `faces.names`; the suffix becomes .png. In a folder the name's own folder,
        if it has one, must be that of the identity.

    Returns
    -------
    The path that was written.

    Raises
    ------
    FacesError
        If `path` exists or can't be written.
    InputError
        If an image, a label or a name is not as described, or their numbers differ.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise FacesError(f"'{path}' exists already; remove it or give another path")
    is_zip = path.suffix.lower() == ".zip"
    if labels is None and not is_zip:
        raise InputError(f"labels are needed to write the folder '{path}'; give them, or a path that ends in .zip")
    rows = _rows(images, labels, names, identities)
    try:
        (_write_zip if is_zip else _write_folder)(path, rows, identities)
    except OSError as error:
        raise FacesError(
            f"'{path}' cannot be written ({error}); check permissions and free space, or give another path"
        ) from error
    return path


def _write_zip(path: Path, rows: Iterator[_Row], identities: Sequence[str] | None) -> None:
    labels = {}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for row in rows:
            member = row.name or f"{row.index // 1000:05d}/img{row.index:08d}.png"
            if member in labels:
                raise InputError(f"names hold {member!r} twice (the suffix becomes .png); give each image its own")
            labels[member] = row.label
            add_to_zip(archive, member, row.png)
        content = {"labels": list(labels.items()) if None not in labels.values() else None}
        if identities is not None:
            content["identities"] = list(identities)
        add_to_zip(archive, LABELS_FILE, json.dumps(content))


def _write_folder(path: Path, rows: Iterator[_Row], identities: Sequence[str] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(path) as temporary:
        for row in rows:
            target = temporary / _folder_member(row, identities)
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                raise InputError(f"two images would be written to '{target.relative_to(temporary)}'; rename one")
            target.write_bytes(row.png)


def _folder_member(row: _Row, identities: Sequence[str] | None) -> str:
    """`<identity>/<file>` of an image; identity folders sort like their labels when they have no names."""
    identity = f"{row.label:07d}" if identities is None else identities[row.label]
    if "/" in identity or member_name(identity, Path(identity)) is None:
        raise InputError(f"identity {identity!r} cannot name a folder; use no '/' and no leading '.'")
    folder, _, file = (row.name or f"{row.index:08d}.png").rpartition("/")
    if folder not in ("", identity):
        raise InputError(f"name {row.name!r} lies outside the folder of its identity {identity!r}; change one")
    return f"{identity}/{file}"


def _rows(
    images: Iterable, labels: Iterable | None, names: Iterable | None, identities: Sequence[str] | None
) -> Iterator[_Row]:
    """Check and encode one image after the other."""
    given = [column for column in (images, labels, names) if column is not None]
    for index, values in enumerate(itertools.zip_longest(*given, fillvalue=_END)):
        if any(value is _END for value in values):
            raise InputError(f"images, labels and names differ in number: one ends after {index}; give one each")
        rest = iter(values[1:])
        label = None if labels is None else _checked_label(next(rest), index, identities)
        name = None if names is None else _checked_name(next(rest))
        yield _Row(index, encode_png(values[0], f"image {index}"), label, name)


def _checked_label(value: int, index: int, identities: Sequence[str] | None) -> int:
    try:
        label = operator.index(value)
    except TypeError:
        label = -1
    if label < 0 or (identities is not None and label >= len(identities)):
        top = "" if identities is None else f" to {len(identities) - 1}, the last of the identities"
        raise InputError(f"label {value!r} of image {index} must be an integer from 0{top}")
    return label


def _checked_name(name: str) -> str:
    member = member_name(name, Path(name))
    if member is None:
        raise InputError(f"name {name!r} would be a hidden file; use names without a leading '.'")
    return str(PurePosixPath(member).with_suffix(".png"))


def encode_png(image: np.ndarray | torch.Tensor, what: str = "the image") -> bytes:
    """A PNG file of an image uint8 `[3, H, W]`, RGB; raises `InputError` where it is anything else."""
    pixels = image.cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise InputError(f"{what} is {pixels.dtype} {list(pixels.shape)}, but must be uint8 [3, H, W], RGB")
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
