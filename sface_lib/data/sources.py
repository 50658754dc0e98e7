"""Where the files of a set lie: a folder, a zip or a tar, read member by member and never unpacked.

A source lists its `members` (relative POSIX names, without hidden files) and gives the bytes of one. It may be
pickled and forked: what a process must not share with another is opened again in each.
"""

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sface_lib.errors import FacesError

# What `read` may raise for a member that is listed but damaged.
READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)

# What opening an archive may raise where it is damaged, or none.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)

_UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_MAX_DEPTH = 6  # Deep enough for every layout, and the end of a loop of links.


class FolderSource:
    """The files below a folder; links are followed."""

    kind = "folder"

    def __init__(self, path: Path):
        self.path = path
        self.members = tuple(name for raw in self._walk() if (name := member_name(raw, path)))

    def _walk(self):
        """Relative POSIX names of all files; a folder that can't be listed is an error, not a gap."""
        for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_raise):
            relative = Path(folder).relative_to(self.path)
            if len(relative.parts) >= _MAX_DEPTH:
                subfolders.clear()
            yield from ((relative / file).as_posix() for file in files)

    def read(self, member: str) -> bytes:
        """Bytes of one member."""
        return (self.path / member).read_bytes()


class ZipSource:
    """The members of a zip; each process keeps one handle of its own."""

    kind = "zip"

    def __init__(self, path: Path):
        self.path = path
        self._handle, self._owner = None, None
        self._raw = {}
        for info in self._archive().infolist():
            # Some Windows tools write backslashes as separators.
            raw = info.filename if "/" in info.filename else info.filename.replace("\\", "/")
            name = member_name(raw, path)
            if info.is_dir() or name is None:
                continue
            if info.flag_bits & 1:
                raise FacesError(f"'{path}' is an encrypted zip; decrypt it and make a zip without a password")
            self._raw[name] = info.filename
        self.members = tuple(self._raw)

    def _archive(self) -> zipfile.ZipFile:
        if self._handle is None or self._owner != os.getpid():
            self._handle, self._owner = zipfile.ZipFile(self.path), os.getpid()
        return self._handle

    def read(self, member: str) -> bytes:
        """Bytes of one member."""
        return self._archive().read(self._raw[member])

    def __getstate__(self):
        return {**self.__dict__, "_handle": None, "_owner": None}


class PlainTar:
    """A tar that can be read at random.

    A compressed one can't, so it is decompressed once into a temporary file, which is removed with this object.
    """

    def __init__(self, path: Path):
        self.path = path
        self._unpacker = next((opener for magic, opener in _UNPACKERS.items() if _head(path, magic)), None)
        self._plain = path if self._unpacker is None else self._decompress()

    def _decompress(self) -> Path:
        with tempfile.NamedTemporaryFile(prefix="sface-", suffix=".tar", delete=False) as target:
            # A forked child drops its copy of this object too, but only the owner removes the file.
            weakref.finalize(self, _remove, target.name, os.getpid())
            with self._unpacker(self.path) as packed:
                shutil.copyfileobj(packed, target, 1 << 20)
        return Path(target.name)

    def walk(self) -> Iterator[tarfile.TarInfo]:
        """All members in their order, of which none is kept; raises `tarfile.ReadError` where the tar is cut."""
        at = 0
        with tarfile.open(self._plain, "r:") as archive, open(self._plain, "rb", 1 << 20) as stream:
            while True:
                stream.seek(at)
                # tarfile takes 40 us for each header: those of plain files, nearly all, are read here.
                member = None if archive.pax_headers else _plain_file(stream.read(tarfile.BLOCKSIZE), at)
                if member is None:
                    if at:  # Else it is the one that opening read.
                        archive.firstmember, archive.offset = None, at
                    member = archive.next()
                    archive.members.clear()
                    at = archive.offset
                else:
                    at = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if member is None:
                    break
                yield member
            # tarfile takes a cut or damaged header for the end; only a block of zeros is one.
            archive.fileobj.seek(archive.offset)
            if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("no end mark")

    def open(self) -> BinaryIO:
        """The tar itself, for reading."""
        if self._unpacker is not None and not self._plain.exists():  # Unpickled after its owner's end.
            self._plain = self._decompress()
        return open(self._plain, "rb")


def _plain_file(header: bytes, at: int) -> tarfile.TarInfo | None:
    """The file whose header lies at a byte of a tar; None for any that takes more to read, or is damaged."""
    # Not a link, a folder, an extended header, a name in two parts or a size above 8 GB.
    if len(header) < tarfile.BLOCKSIZE or header[156] not in b"0\0" or header[345] or header[124] & 0x80:
        return None
    try:
        checksum, size = (int(header[part].strip(b" \0") or b"0", 8) for part in (slice(148, 156), slice(124, 136)))
    except ValueError:
        return None
    name = header[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    # Its own bytes count as blanks. Adler-32 from 0 holds a sum of bytes, modulo a prime, in its lower half.
    counted = zlib.adler32(header[:148] + b" " * 8 + header[156:], 0) & 0xFFFF
    if counted != checksum % 65521 or name.endswith("/"):
        return None
    member = tarfile.TarInfo(name)
    member.type, member.size, member.offset, member.offset_data = header[156:157], size, at, at + tarfile.BLOCKSIZE
    return member


class TarSource:
    """The members of a tar, found by an index of offsets that is read once."""

    kind = "tar"

    def __init__(self, path: Path):
        self.path = path
        self._tar = PlainTar(path)
        self._places = _index_tar(self._tar, path)
        self.members = tuple(self._places)

    def read(self, member: str) -> bytes:
        """Bytes of one member."""
        if self._places[member] is None:
            raise OSError("a link to something that is not in the archive")
        offset, size = self._places[member]
        with self._tar.open() as stream:
            stream.seek(offset)
            return stream.read(size)


def open_source(path: str | Path) -> FolderSource | ZipSource | TarSource:
    """Open a folder, zip or tar, recognised by its content.

    Raises
    ------
    FacesError
        If there is nothing at `path`, or it is none of the three, or damaged, encrypted or unsafe.
    """
    path = Path(path)
    if not path.exists():
        raise FacesError(
            f"'{path}' does not exist; give a folder, a zip or a tar of faces, a .rec, .parquet, LMDB or .bin"
        )
    with readable(path):
        if path.is_dir():
            return FolderSource(path)
        return ZipSource(path) if _is_zip(path) else TarSource(path)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one sentence why a folder or archive can't be opened, as `FacesError`."""
    try:
        yield
    except DAMAGED as error:
        raise FacesError(_not_readable(path)) from error
    except OSError as error:
        raise FacesError(f"'{path}' cannot be read ({error}); check the disk and your permissions") from error


def member_name(raw: str, path: Path) -> str | None:
    """Normalise a member's name; None for hidden files and the macOS resource folder.

    Raises
    ------
    FacesError
        If the name points outside the set.
    """
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or ".." in parts:
        raise FacesError(f"'{path}' holds the member {raw!r}, which points outside it; pack the set again")
    if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return "/".join(parts)


def _index_tar(tar: PlainTar, path: Path) -> dict[str, tuple[int, int] | None]:
    """Offset and size of every file of a tar; None for a link that leads nowhere."""
    members = list(tar.walk())
    files = {os.path.normpath(m.name): (m.offset_data, m.size) for m in members if m.isreg()}
    places = {}
    for member in members:
        name = member_name(member.name, path)
        if name is None or member.isdir():
            continue
        target = member.name if member.isreg() else member.linkname
        if member.issym():
            target = os.path.join(os.path.dirname(member.name), target)
        places[name] = files.get(os.path.normpath(target))
    return places


def _not_readable(path: Path) -> str:
    """Why a file can't be opened: a damaged archive, or none at all."""
    if _is_zip(path) or _head(path, b"ustar", 257) or any(_head(path, magic) for magic in _UNPACKERS):
        return f"'{path}' is a damaged or incomplete archive; copy or download it again"
    return (
        f"'{path}' is not an archive; give a folder, a zip or a tar (plain or compressed) of faces, a parquet, an "
        "LMDB, a RecordIO .rec or a verification .bin"
    )


def _is_zip(path: Path) -> bool:
    return _head(path, b"PK\x03\x04") or _head(path, b"PK\x05\x06")


def _head(path: Path, magic: bytes, offset: int = 0) -> bool:
    with open(path, "rb") as stream:
        stream.seek(offset)
        return stream.read(len(magic)) == magic


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(name).unlink(missing_ok=True)


def _raise(error: OSError) -> None:
    raise error
