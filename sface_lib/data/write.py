"""Write a set of faces, image by image: an identity folder, a StyleGAN2-ADA zip, RecordIO, parquet or WebDataset."""

import contextlib
import io
import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from sface_lib.data.decode import UndecodableImage, image_size, image_suffixes
from sface_lib.data.filenames import is_image
from sface_lib.data.labelfiles import LABELS_FILE
from sface_lib.data.layout import find_layout
from sface_lib.data.parquetwriter import write_table
from sface_lib.data.recordwriter import companions, write_records
from sface_lib.data.rows import Row
from sface_lib.data.sources import FolderSource, member_name
from sface_lib.data.tarwriter import write_samples
from sface_lib.errors import FacesError, InputError
from sface_lib.files import add_to_zip, atomic_folder, new_zip, write_json

_END = object()


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
    One that ends in .rec becomes InsightFace RecordIO, with .idx and `property` beside; it keeps labels, and neither
    names nor identity names. One that ends in .parquet becomes a table as Hugging Face reads it, with identity names as
    those of a ClassLabel; one that ends in .tar a WebDataset of one shard, `<name>.png` with `<name>.cls`, the label,
    and `<name>.json`, label and name of the identity. Any other path becomes a folder `<identity>/<index>.png`; there
    `open_faces` numbers identities in the order of their names. An unlabelled folder holds `<index>.png`. A
    `dataset.json` is added where `open_faces` would not tell the same from folders, as of a single identity.

    Parameters
    ----------
    path
        Must not exist yet; missing parents are made.
    images
        uint8 `[3, H, W]` each, RGB; a generator is consumed one by one.
    labels
        Label of each image, integers from 0; None writes an unlabelled set, and is refused for RecordIO.
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
    return _write(path, _rows(images, labels, names, identities, encode_png), labels is not None, identities)


def write_encoded(
    path: str | Path,
    files: Iterable[bytes],
    labels: Iterable[int] | None = None,
    identities: Sequence[str] | None = None,
    names: Iterable[str] | None = None,
) -> Path:
    """As `write_faces`, of image files of any kind that is read, whose bytes are kept as they are.

    A name keeps its suffix where that fits the file. Only the header of each image is looked at.

    Raises
    ------
    FacesError
        If `path` exists or can't be written.
    InputError
        If a file, a label or a name is not as described, or their numbers differ.
    """
    return _write(path, _rows(files, labels, names, identities, checked_file), labels is not None, identities)


@contextlib.contextmanager
def new_path(path: Path) -> Iterator[None]:
    """Refuse to write over something, and say what can be done where nothing can be written.

    Raises
    ------
    FacesError
        If `path` exists or can't be written.
    """
    if path.exists() or path.is_symlink():
        raise FacesError(f"'{path}' exists already; remove it or give another path")
    try:
        yield
    except OSError as error:
        raise FacesError(
            f"'{path}' cannot be written ({error}); check permissions and free space, or give another path"
        ) from error


def _write(path: str | Path, rows: Iterator[Row], labelled: bool, identities: Sequence[str] | None) -> Path:
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".rec" and not labelled:
        raise InputError(f"labels are needed to write '{path}', because RecordIO has one for each image; give them")
    with contextlib.ExitStack() as stack:
        for file in (*(companions(path) if ending == ".rec" else ()), path):
            stack.enter_context(new_path(file))
        if ending == ".rec":
            write_records(path, rows, 0 if identities is None else len(identities))
        elif ending == ".parquet":
            write_table(path, rows, identities, labelled)
        else:
            {".zip": _write_zip, ".tar": write_samples}.get(ending, _write_folder)(path, rows, identities)
    return path


def _write_zip(path: Path, rows: Iterator[Row], identities: Sequence[str] | None) -> None:
    labels = {}
    with new_zip(path) as archive:
        for row in rows:
            member = row.name or f"{row.index // 1000:05d}/img{row.index:08d}{row.suffix}"
            if member in labels:
                raise InputError(f"names hold {member!r} twice (a suffix is that of the image); give each its own")
            labels[member] = row.label
            add_to_zip(archive, member, row.data)
        content = {"labels": list(labels.items()) if None not in labels.values() else None}
        if identities is not None:
            content["identities"] = list(identities)
        add_to_zip(archive, LABELS_FILE, json.dumps(content))


def _write_folder(path: Path, rows: Iterator[Row], identities: Sequence[str] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labelled = True
    with atomic_folder(path) as temporary:
        for row in rows:
            target = temporary / _folder_member(row, identities)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise InputError(f"two images would be written to '{target.relative_to(temporary)}'; rename one")
            target.write_bytes(row.data)
            labelled = row.label is not None
        keep_labels(temporary, labelled)


def keep_labels(folder: Path, labelled: bool) -> None:
    """Write a `dataset.json` into a folder of faces where `open_faces` would not tell identities, or none, as wanted.

    `labelled` says whether the folders in it are identities.
    """
    source = FolderSource(folder)
    try:
        layout = find_layout(source)
    except FacesError:
        layout = None
    if not any(map(is_image, source.members)) or (layout is not None and (layout.labels is not None) == labelled):
        return
    content: dict[str, Any] = {"labels": None}
    if labelled:
        layout = find_layout(source, "folders")
        content["labels"] = list(zip(layout.members, layout.labels.tolist(), strict=True))
        content["identities"] = list(layout.identities)
    write_json(folder / LABELS_FILE, content)


def _folder_member(row: Row, identities: Sequence[str] | None) -> str:
    """`<identity>/<file>` of an image; identity folders sort like their labels when they have no names."""
    own = row.name or f"{row.index:08d}{row.suffix}"
    if row.label is None:
        return own
    identity = f"{row.label:07d}" if identities is None else identities[row.label]
    if "/" in identity or member_name(identity, Path(identity)) is None:
        raise InputError(f"identity {identity!r} cannot name a folder; use no '/' and no leading '.'")
    folder, _, file = own.rpartition("/")
    if folder not in ("", identity):
        raise InputError(f"name {row.name!r} lies outside the folder of its identity {identity!r}; change one")
    return f"{identity}/{file}"


def _rows(
    images: Iterable,
    labels: Iterable | None,
    names: Iterable | None,
    identities: Sequence[str] | None,
    encode: Callable[[Any, str], bytes],
) -> Iterator[Row]:
    """Check and encode one image after the other."""
    given = [column for column in (images, labels, names) if column is not None]
    for index, values in enumerate(itertools.zip_longest(*given, fillvalue=_END)):
        if any(value is _END for value in values):
            raise InputError(f"images, labels and names differ in number: one ends after {index}; give one each")
        rest = iter(values[1:])
        label = None if labels is None else _checked_label(next(rest), index, identities)
        name = None if names is None else next(rest)
        data = encode(values[0], f"image {index}" + (f" ({name!r})" if name else ""))
        suffixes = image_suffixes(data)
        name = None if names is None else _checked_name(name, suffixes)
        yield Row(index, data, suffixes[0], label, name)


def _checked_label(value: int, index: int, identities: Sequence[str] | None) -> int:
    try:
        label = operator.index(value)
    except TypeError:
        label = -1
    if label < 0 or (identities is not None and label >= len(identities)):
        top = "" if identities is None else f" to {len(identities) - 1}, the last of the identities"
        raise InputError(f"label {value!r} of image {index} must be an integer from 0{top}")
    return label


def _checked_name(name: str, suffixes: Sequence[str]) -> str:
    member = member_name(name, Path(name))
    if member is None:
        raise InputError(f"name {name!r} would be a hidden file; use names without a leading '.'")
    path = PurePosixPath(member)
    return str(path if path.suffix.lower() in suffixes else path.with_suffix(suffixes[0]))


def checked_file(data: bytes, what: str = "the image") -> bytes:
    """The bytes of an image file, as they are; raises `InputError` where their header is none of an image."""
    try:
        image_size(data)
    except UndecodableImage as error:
        raise InputError(f"{what} cannot be decoded ({error}); repair it or leave it out") from error
    return data


def encode_png(image: np.ndarray | torch.Tensor, what: str = "the image") -> bytes:
    """A PNG file of an image uint8 `[3, H, W]`, RGB; raises `InputError` where it is anything else."""
    pixels = image.cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise InputError(f"{what} is {pixels.dtype} {list(pixels.shape)}, but must be uint8 [3, H, W], RGB")
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
