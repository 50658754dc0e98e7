"""A set of faces in LMDB: a key an image, whose value is the encoded file, or a pickle of it and of its label.

A pickle may hold a tuple, list or dict of bytes, numbers and texts, and nothing in it is run. The identity is what the
pickle says, or the first part of keys such as `identity/image`, or the value at `label-0001` for one at `image-0001`.
Keys that tell of the set, such as `__len__`, are left aside.
"""

import contextlib
import io
import os
import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import pyarrow as pa

from sface_lib.data.catalogue import Catalogue, Told, place_of, tell, value_of
from sface_lib.data.decode import UndecodableImage, image_size, image_suffixes
from sface_lib.data.pickled import ALLOWED
from sface_lib.data.recordio import damage
from sface_lib.errors import FacesError, InputError, how_to_install
from sface_lib.unpickle import read_restricted

DATA_FILE = "data.mdb"
TRIED = 100  # Values among which one must tell what all of them are.
# The first page's header, of 12 or 16 bytes by the word size of the machine, comes before the magic number.
_MAGIC, _PLACE, _PLACES = struct.pack("=I", 0xBEEFC0DE), struct.calcsize("P") + 8, (12, 16)
_HELPER = re.compile(rb"__.*__|num[-_]?(samples|images)|nums|len(gth)?|size|keys|classes|meta([-_]?info)?|label-\d+")
_PAIRED = re.compile(rb"image-(\d+)")
_PICKLE = re.compile(rb"\x80[\2-\5]")
# How bytes are written by protocol 2, and byte arrays: nothing else but plain data is built.
_PLAIN = {name: ALLOWED[name] for name in ("_codecs.encode", "__builtin__.bytearray", "builtins.bytearray")}
_IMAGES, _LABELS, _IDENTITIES = ("image", "img", "jpg", "png", "bytes", "data"), ("label", "cls"), ("identity",)


class _Value(NamedTuple):
    """What a pickle holds of an image."""

    image: bytes
    label: Any = None
    identity: Any = None


class LmdbSource:
    """The images of an LMDB, read at random and without a lock; a process maps the file once for all who read it.

    Images are called as their keys, below the folder of their identity unless the keys have folders of their own; where
    keys are no text, images are numbered. Where values are image files, opening reads keys and a few values; where they
    are pickles, it reads each of them once. In memory are names, keys and labels, about 150 bytes an image. What was
    read of the file counts as memory of the process until the system wants it back.

    Raises
    ------
    FacesError
        If the package `lmdb` is missing; the file is damaged, cut or of another kind of machine; a pickle holds
        anything but plain data; or a label is neither a name nor a whole number from 0, or is missing beside others.
    """

    kind = "LMDB"

    def __init__(self, path: Path, file: Path):
        self.path, self._file, self._mapped = path, file, None
        with _readable(file):
            self._pickled = self._holds_pickles()
            keys, catalogue = [], Catalogue(path, "the label in a value, or the folder in a key", self._where)
            for key, told in self._told():
                keys.append(key)
                catalogue.add(_text(key), told)
            suffix = image_suffixes(self._image(keys[0]))[0] if keys else ""
        self.layout, order = catalogue.layout(suffix)
        self.members = self.layout.members
        self._keys = pa.array((keys[place] for place in order), pa.large_binary())

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        try:
            return self._image(self._keys[place_of(member, self.members)].as_py())
        except _lmdb(self._file).Error as error:
            raise damage("the LMDB cannot be read") from error

    def __getstate__(self):
        return {**self.__dict__, "_mapped": None}

    def _begin(self) -> Any:
        """A transaction for reading."""
        if self._mapped is None:
            self._mapped = _map(self._file)
        return self._mapped.begin()

    def _image(self, key: bytes) -> bytes:
        with self._begin() as transaction:
            value = transaction.get(key)
        if value is None:
            raise damage("the LMDB has no such key any more")
        return _unpack(value, f"a value of '{self._file}'").image if self._pickled else value

    def _holds_pickles(self) -> bool:
        """Whether values are pickles or image files, by the first that is one of the two."""
        with self._begin() as transaction:
            rows = ((key, value) for key, value in transaction.cursor() if not _HELPER.fullmatch(key))
            values = [value for _, value in islice(rows, TRIED)]
        for value in values:
            if _PICKLE.match(value):
                return True
            with contextlib.suppress(UndecodableImage):
                image_size(value)
                return False
        if not values:
            return False
        raise FacesError(
            f"'{self._file}' holds values that are neither image files nor pickles of plain data (protocol 2 to 5); "
            "write JPEG or PNG files as values, under keys such as identity/image"
        )

    def _told(self) -> Iterator[tuple[bytes, Told]]:
        """Key and identity of each image, in the order of the keys."""
        with self._begin() as transaction:
            rows = transaction.cursor().iternext(keys=True, values=self._pickled)
            rows = (row if self._pickled else (row, None) for row in rows)
            images = ((key, value) for key, value in rows if not _HELPER.fullmatch(key))
            for number, (key, value) in enumerate(images):
                where = self._where(number)
                label = identity = None
                if self._pickled:
                    _, label, identity = _unpack(value, where)
                elif paired := _PAIRED.fullmatch(key):
                    label = transaction.get(b"label-" + paired.group(1))
                    label = label and value_of(label.decode("utf-8", "replace"))
                told = tell(label, identity, where)
                yield key, told if told != Told() else Told(None, _folder(_text(key)))

    def _where(self, number: int) -> str:
        return f"image {number} of '{self._file}' (from 0, by key)"


class _Mapped:
    """An open LMDB; in a forked process, where the parent's may not be used, another."""

    def __init__(self, file: Path):
        self._file, self._owner = file, os.getpid()
        self._opened = _open(file)

    def begin(self) -> Any:
        """A transaction for reading."""
        if self._owner != os.getpid():
            self._opened.close()
            self._opened, self._owner = _open(self._file), os.getpid()
        return self._opened.begin()

    def __del__(self):
        if getattr(self, "_opened", None) is not None:
            self._opened.close()


# LMDB must not be opened twice in one process: by device and file, while anybody reads it.
_mapped: WeakValueDictionary[tuple[int, int], _Mapped] = WeakValueDictionary()


def find_lmdb(path: Path) -> Path | None:
    """The data file of an LMDB, which a path names or a folder holds; None where there is none."""
    if path.is_dir():
        return file if (file := path / DATA_FILE).is_file() else None
    if not path.is_file() or not (path.suffix == ".mdb" or _magic_place(path)):
        return None
    return path


def _map(file: Path) -> _Mapped:
    facts = file.stat()
    key = facts.st_dev, facts.st_ino
    mapped = _mapped.get(key)
    if mapped is None:
        mapped = _mapped[key] = _Mapped(file)
    return mapped


def _open(file: Path) -> Any:
    """Map a file whose first page is that of an LMDB of this machine, and which is not cut."""
    place = _magic_place(file)
    if place is None:
        raise FacesError(f"'{file}' is damaged, or no LMDB; copy or download it again")
    if place != (_PLACE, _MAGIC):
        raise FacesError(
            f"'{file}' is an LMDB of a machine of another word size or byte order, which this one cannot read; write "
            "it by mdb_dump there, and by mdb_load here"
        )
    opened = _lmdb(file).open(str(file), subdir=False, readonly=True, lock=False, readahead=False)
    needed = (opened.info()["last_pgno"] + 1) * opened.stat()["psize"]
    if file.stat().st_size < needed:  # To read behind its end would end the process.
        opened.close()
        raise FacesError(
            f"'{file}' is cut short, {file.stat().st_size:,} of {needed:,} bytes; copy or download it again"
        )
    return opened


def _lmdb(file: Path) -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise FacesError(f"'{file}' is an LMDB, which needs the extra `lmdb`: {how_to_install('lmdb')}") from error
    return lmdb


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Say in one sentence that LMDB can't read a file."""
    try:
        yield
    except _lmdb(file).Error as error:
        raise FacesError(
            f"'{file}' cannot be read as LMDB, so it is damaged or of another version ({error}); copy it again, or "
            "write it by mdb_dump where it was made and by mdb_load here"
        ) from error


def _magic_place(file: Path) -> tuple[int, bytes] | None:
    """Where the first page has LMDB's magic number, and in which byte order."""
    with open(file, "rb") as stream:
        head = stream.read(max(_PLACES) + len(_MAGIC))
    candidates = ((place, magic) for place in _PLACES for magic in (_MAGIC, _MAGIC[::-1]))
    return next(((place, magic) for place, magic in candidates if head[place : place + len(magic)] == magic), None)


def _unpack(value: bytes, where: str) -> _Value:
    """Image and label of a pickle of plain data."""
    try:
        content = read_restricted(io.BytesIO(value), where, _PLAIN, encoding="bytes")
    except InputError as error:
        raise FacesError(str(error)) from error
    if isinstance(content, dict):
        named = {_plain(key, text=True): _plain(value) for key, value in content.items()}
        image = _first(named, _IMAGES) or _longest(named.values())
        record = _Value(image, _first(named, _LABELS), _first(named, _IDENTITIES))
    else:
        record = _of_sequence([*map(_plain, content if isinstance(content, tuple | list) else [content])], where)
    if not isinstance(record.image, bytes):
        raise FacesError(f"{where} holds no bytes of an image; write a pickle of (image file, label)")
    return record


def _plain(value: Any, text: bool = False) -> Any:
    """A value without the differences of Python 2 and 3: byte arrays are bytes, and bytes that must be text are."""
    value = bytes(value) if isinstance(value, bytearray) else value
    return value.decode("utf-8", "replace") if text and isinstance(value, bytes) else value


def _of_sequence(values: list, where: str) -> _Value:
    """The longest bytes are the image; the one number is the label, or without any the one text the identity."""
    image = _longest(values)
    numbers = [value for value in values if isinstance(value, int | float)]
    texts = [value for value in values if isinstance(value, str | bytes) and value is not image]
    several = numbers if numbers else texts
    if len(several) > 1:
        raise FacesError(
            f"{where} holds {len(several)} values of which any could be its label; write a dict of 'image' and 'label'"
        )
    return _Value(image, *several)


def _longest(values: Any) -> bytes | None:
    return max((value for value in values if isinstance(value, bytes)), key=len, default=None)


def _first(named: dict, keys: tuple[str, ...]) -> Any:
    return next((named[key] for key in keys if key in named), None)


def _text(key: bytes) -> str:
    """A key as a name; empty where it is none."""
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _folder(name: str) -> str | None:
    """The folder of an image's name, `identity` of `identity/image`."""
    return name.split("/")[-2] if "/" in name else None
