"""Open a set of faces of any kind."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, get_args

from sface_lib.data.faces import FaceSet
from sface_lib.data.layout import Labels, Layout, find_layout
from sface_lib.data.lmdbsource import LmdbSource, find_lmdb
from sface_lib.data.parquetsource import ParquetSource, find_tables
from sface_lib.data.recordsource import RecordSource, find_record
from sface_lib.data.sources import open_source
from sface_lib.data.verification import BinSource, is_bin
from sface_lib.data.websource import WebSource, find_web
from sface_lib.errors import FacesError, ParameterError
from sface_lib.files import expand_pattern


def open_faces(path: str | Path, on_bad_image: Literal["stop", "skip"] = "stop", labels: Labels = "auto") -> FaceSet:
    """Open a set of faces, recognised by its content and not by its name; images are read when asked for.

    A set is a folder `<identity>/<image>`, or a zip or tar (plain, gzip, bzip2, xz) of one, possibly below common
    folders and one level of splits (train, val, valid, validation, test, dev), in which equal folders are one identity.
    A file may tell the identities instead: StyleGAN2-ADA's `dataset.json` of integer labels, or of none, and Hugging
    Face's `metadata.csv` with the columns `file_name` and `identity` or `label`, also one in each split. Images in one
    folder, or in none, are an unlabelled set. Names of images and identities are in Unicode's normal form NFC.
    Images are .jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff, .gif and, where Pillow reads it, .avif files; hidden files
    are left aside, and `faces.unread` names others that may be images. Links are followed. Nothing is ever unpacked
    beside the archive; a compressed tar is decompressed to a temporary file.

    Or it is one of InsightFace's: RecordIO, train.rec with train.idx beside (`path` is the .rec file, or the folder
    that holds one such pair), read at random and never as a whole; images are named `<label>/<key>.jpg`. Or a
    verification .bin, which is held in memory and has no labels; `read_protocol` gives its pairs.

    Or what data sets are handed round in: Hugging Face's parquet, a column `image` and one of `label` or `identity`;
    WebDataset, tars with a .cls, .json or .txt beside each image; LMDB (extra `lmdb`), a folder with data.mdb or that
    file. Parquet and WebDataset may be one file, a folder of shards, or a pattern of them, `train-{000..099}.tar`.

    Parameters
    ----------
    path
        Folder, file, or pattern of shards.
    on_bad_image
        What `inspect` does about images that can't be decoded: "stop" raises and lists them, "skip" counts
        them, and `faces.usable()` is the set without them.
    labels
        "folders" takes the folders of images as identities, and "none" none at all, whatever else tells them. "auto"
        refuses numbered folders through which file numbers run on, such as FFHQ's: it can't know whether they are
        identities.

    Raises
    ------
    FacesError
        If there is no such set at `path`; the message says what is wrong and what is allowed. Of numbered folders that
        need a word it is a `NumberedFoldersError`.
    ParameterError
        If `on_bad_image` or `labels` is none of its values.
    """
    if on_bad_image not in ("stop", "skip"):
        raise ParameterError(f'on_bad_image is {on_bad_image!r}, but must be "stop" or "skip"')
    if labels not in get_args(Labels):
        raise ParameterError(f'labels is {labels!r}, but must be "auto", "folders" or "none"')
    source = open_any(Path(path))
    layout = dataclasses.replace(own_layout(source) or find_layout(source, labels), asked=labels)
    if labels == "none":
        layout = dataclasses.replace(layout, labels=None, identities=())
    return FaceSet(source, layout, on_bad_image)


def open_any(path: Path) -> Any:
    """What holds the files of a set, of any kind; raises `FacesError` as `open_faces`."""
    pattern = expand_pattern(path)
    try:
        if (record := find_record(path)) is not None:
            return RecordSource(path, record)
        if is_bin(path):
            return BinSource(path)
        if (file := find_lmdb(path)) is not None:
            return LmdbSource(path, file)
        if (tables := find_tables(path, pattern)) is not None:
            return ParquetSource(path, tables)
        if (shards := find_web(path, pattern)) is not None:
            return WebSource(path, shards)
    except OSError as error:
        raise FacesError(f"'{path}' cannot be read ({error}); check the disk and your permissions") from error
    return open_source(path)


def own_layout(source: Any) -> Layout | None:
    """The layout of a source that holds no files but tells names and labels itself; None for folders and archives."""
    return getattr(source, "layout", None)
