"""How a source's files form a set: identity folders, loose images, or images with a file that tells identities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sface_lib.data.decode import IMAGE_SUFFIXES
from sface_lib.data.filenames import composed, is_image, may_be_image
from sface_lib.data.labelfiles import LABELS_FILE, METADATA_FILE, number, told_by_dataset_json, told_by_metadata
from sface_lib.errors import FacesError, NumberedFoldersError

Labels = Literal["auto", "folders", "none"]
SPLITS = {"train", "val", "valid", "validation", "test", "dev"}
_OWN_DIGITS = (7, 8)  # Of folders and files that were written from RecordIO, whose keys run on through the classes.
_ALLOWED = (
    "allowed are <identity>/<image> (in a folder, zip or tar, below common folders and one level of train, val, test), "
    f"images without folders, and images with a StyleGAN2-ADA {LABELS_FILE} or a Hugging Face {METADATA_FILE}; or set "
    "labels=none to take no identities"
)


@dataclass(frozen=True)
class Layout:
    """Images of a set in the order of their names.

    Attributes
    ----------
    members, names
        Name of each image within the source, and relative to the set's root, in Unicode's normal form NFC.
    labels
        int64 `[N]`, index into `identities`, or None for an unlabelled set.
    identities
        Name of each identity, in NFC; empty for an unlabelled set.
    told_by
        What was taken for an image's identity, in words.
    unread
        Names of files that may be images, and are not read.
    asked
        What was to be taken for identities, see `open_faces`.
    """

    members: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray | None
    identities: tuple[str, ...]
    told_by: str = "the folder of an image"
    unread: tuple[str, ...] = ()
    asked: Labels = "auto"


def find_layout(source: Any, labels: Labels = "auto") -> Layout:
    """Tell images, root, labels and identities of a source.

    Folders whose names are equal in NFC are one identity.

    Parameters
    ----------
    labels
        "auto": identities are those of a `dataset.json` or `metadata.csv`, else the folders; images in one folder, or
        in none, have no identities. "folders": the folders, whatever else there is. "none": there are no identities.

    Raises
    ------
    FacesError
        If there is no image, or the files follow none of the layouts, or a file of labels doesn't fit them; or, as
        `NumberedFoldersError`, if folders may be identities or not.
    """
    unread = tuple(sorted(composed(member) for member in source.members if may_be_image(member)))
    members, images = _images(source.members)
    if not images:
        others = f", but {len(unread)} files that are not read, e.g. {unread[0]!r}" if unread else ""
        raise FacesError(f"'{source.path}' holds no images ({' '.join(IMAGE_SUFFIXES)}){others}; {_ALLOWED}")
    told = None
    if labels == "auto":
        told = told_by_dataset_json(source, images) or told_by_metadata(source, images)
    if told is not None:
        names = tuple(image.removeprefix(told.root) for image in images)
        return Layout(members, names, told.labels, told.identities, told.told_by, unread)
    names = _below_common_folder(images)
    folders = [] if labels == "none" else _identity_folders(names, labels, source)
    if labels == "none" or (labels == "auto" and len(set(folders)) == 1):
        return Layout(members, names, None, (), unread=unread)
    if labels == "auto":
        _check_shares(folders, names, source)
    return Layout(members, names, *number(folders), unread=unread)


def _images(members: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Images as the source calls them and in NFC, in the order of the latter; of two equal ones one keeps its own."""
    entries = sorted((composed(m).split("/"), m != composed(m), m) for m in members if is_image(m))
    names: dict[str, str] = {}
    for parts, _, member in entries:
        name = "/".join(parts)
        names[member if name in names else name] = member
    return tuple(names.values()), tuple(names)


def _below_common_folder(images: Sequence[str]) -> tuple[str, ...]:
    """Strip folders that all images share, but never an image's own folder."""
    paths = [image.split("/") for image in images]
    while all(len(path) > 2 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    return tuple("/".join(path) for path in paths)


def _identity_folders(names: Sequence[str], labels: Labels, source: Any) -> list[str]:
    """The folder that each image lies in, below one level of splits at most; empty for images without one."""
    paths = [name.split("/") for name in names]
    deepest = max(map(len, paths))
    splits = all(len(path) > 1 and path[0].lower() in SPLITS for path in paths)
    if splits and (deepest > 2 or labels == "auto"):
        paths = [path[1:] for path in paths]
    loose = [name for name, path in zip(names, paths, strict=True) if len(path) == 1]
    if loose and (len(loose) < len(names) or labels == "folders"):
        raise FacesError(f"'{source.path}' holds images outside identity folders, e.g. {loose[0]!r}; {_ALLOWED}")
    deep = [name for name, path in zip(names, paths, strict=True) if len(path) > 2]
    if deep:
        raise FacesError(f"'{source.path}' nests folders too deeply, e.g. {deep[0]!r}; {_ALLOWED}")
    return [composed(path[0]) if len(path) == 2 else "" for path in paths]


def _check_shares(folders: Sequence[str], names: Sequence[str], source: Any) -> None:
    """Refuse numbered folders through which file numbers run on: they are shares of the files, not identities."""
    files = [name.rpartition("/")[2].rpartition(".")[0] for name in names]
    if all(text.isascii() and text.isdecimal() and len(text) < 16 for text in (*folders, *files)):
        own = {(len(folder), len(file)) for folder, file in zip(folders, files, strict=True)} == {_OWN_DIGITS}
        if not own and _run_on(np.array(folders, dtype=np.int64), np.array(files, dtype=np.int64)):
            problem = (
                f"'{source.path}' holds numbered folders through which file numbers run on ({names[0]!r} to "
                f"{names[-1]!r}), as where a folder is a share of the files and no identity"
            )
            raise NumberedFoldersError(
                f"{problem}; set labels=none if so, or labels=folders if each folder is one identity (--labels none, "
                "--labels folders)",
                problem,
            )


def _run_on(folders: np.ndarray, files: np.ndarray) -> bool:
    """Whether folders are called by their first file's number, or by the hundreds or thousands of all in them.

    Parameters
    ----------
    folders, files
        Number of each image's folder and file, int64 `[N]`.
    """
    numbers, place = np.unique(folders, return_inverse=True)
    first, last = np.full(len(numbers), files.max()), np.zeros(len(numbers), np.int64)
    np.minimum.at(first, place, files)
    np.maximum.at(last, place, files)
    if len(numbers) < 2 or (first[1:] <= last[:-1]).any():
        return False
    # Neighbouring numbers are those of identities with one image each.
    if (first == numbers).all() and np.diff(numbers).min() > 1:
        return True
    size = 100
    while size <= files.max():
        # Where every folder begins with the image 1 of its hundred, the folder is an identity and the rest its images.
        share = files // size
        called = (share == folders).all() or (share * size == folders).all()
        if called and (first % size != 1).any():
            return True
        size *= 10
    return False
