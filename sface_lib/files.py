"""Files that are either whole or absent: written to a temporary name in the same folder, then renamed."""

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

from sface_lib.errors import FacesError, InputError

ASSETS = Path(__file__).resolve().parent / "assets"
CHUNK_BYTES = 1 << 20
EARLIEST = (1980, 1, 1, 0, 0, 0)  # The first date that a zip can hold.
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACES = re.compile(r"\{(\d+\.\.\d+|[^{}]*,[^{}]*)\}")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the suffix of `path`, because writers such as matplotlib choose a format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a hidden folder beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    `path` must not hold files by then.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text atomically; return the path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Write strict JSON atomically (NaN and infinity are refused with `ValueError`); return the path."""
    return write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a UTF-8 JSON file; what is none, or is nested without end, raises `ValueError`."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None


def sha256_of_json(value: Any) -> str:
    """SHA-256, in hexadecimal, of a plain value; the order of its names does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def inside(folder: str | Path, name: Any) -> Path:
    """The path of a file or folder that is named relative to a folder, absolute, links followed.

    Raises
    ------
    InputError
        The name is no text, is absolute, or leads out of the folder or to the folder itself.
    """
    root = Path(folder).resolve()
    try:
        path = (root / name).resolve()
        within = path != root and path.is_relative_to(root) and not Path(name).is_absolute()
    except (TypeError, ValueError, OSError, RuntimeError):
        within = False
    if not within:
        raise InputError(
            f"{name!r} is not a path inside the folder {root}; give a relative one such as 'data/faces.zip'"
        )
    return path


def claim_folder(folder: Path, name: str, recipe: dict[str, Any]) -> None:
    """Note in `folder/name` what is made there; a folder of another recipe, or of other files, is not mixed with it.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    noted = folder / name
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file; give a new or empty folder")
    if noted.exists():
        given = read_json(noted)
        if given != recipe:
            raise InputError(f"'{folder}' holds a set made with {given}, now {recipe}; give another folder")
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"'{folder}' holds other files; give a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(noted, recipe)


@contextlib.contextmanager
def new_zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """A zip to be filled by `add_to_zip`, uncompressed; it appears at `path` when it is whole."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        yield archive


def add_to_zip(archive: zipfile.ZipFile, name: str, data: bytes | str) -> None:
    """Write a member with the earliest time there is: the same input gives the same bytes."""
    archive.writestr(zipfile.ZipInfo(name, EARLIEST), data)


def files_read_with(path: Path) -> list[Path]:
    """Files that belong to a file, sorted: the tensors of an ONNX graph, the index of a RecordIO.

    Exporters keep large tensors in `<name>.onnx.data` or `<name>.onnx_data`.
    """
    patterns = {".onnx": f"{escape(path.name)}?*", ".rec": f"{escape(path.stem)}.idx"}
    return sorted(path.parent.glob(patterns[path.suffix])) if path.suffix in patterns else []


def expand_pattern(path: Path) -> list[Path] | None:
    """The files that a path with braces names, in its order; None where it has none or exists as it stands.

    `{000..099}` counts, with as many digits as the first number; `{a,b}` lists; other braces are part of a name.

    Raises
    ------
    FacesError
        If one of the files does not exist, or none is named.
    """
    if not _BRACES.search(str(path)) or path.exists():
        return None
    pieces = _BRACES.split(str(path))
    choices = [_choices(piece) if place % 2 else [piece] for place, piece in enumerate(pieces)]
    files = [Path("".join(chosen)) for chosen in itertools.product(*choices)]
    if not files:
        raise FacesError(f"'{path}' names no shard; count from the lower number to the higher, as in {{000..099}}")
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise FacesError(
            f"'{path}' names {len(files)} shards, of which '{missing[0]}' does not exist ({len(missing)} in all); get "
            "it, or give a pattern of those that you have"
        )
    return files


def sha256_of_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def check_shipped(path: str | Path) -> Path:
    """The path; of a file that ships with the program only where its bytes are those that `assets/SHA256SUMS` lists.

    Raises
    ------
    InputError
        They are not.
    """
    path = Path(path)
    if path.resolve().is_relative_to(ASSETS) and path.is_file():
        facts = path.stat()
        _check_bytes(path.resolve(), facts.st_mtime_ns, facts.st_size)
    return path


@functools.cache
def _check_bytes(path: Path, modified_ns: int, size: int) -> None:
    """Read a file once for each time that it was written."""
    listed = dict(line.split(maxsplit=1)[::-1] for line in (ASSETS / "SHA256SUMS").read_text().splitlines())
    wanted, digest = listed.get(str(path.relative_to(ASSETS))), sha256_of_file(path)
    if digest != wanted:
        raise InputError(
            f"{path} ships with the program and is damaged: its SHA-256 begins with {digest[:12]}, not with "
            f"{(wanted or 'any that is listed')[:18]}; install the package again, or restore the file by git"
        )


def is_full_disk(error: BaseException) -> bool:
    """Whether an error of the operating system means that no space is left."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk_sentence(folder: str | Path) -> str:
    """What to do about a full disk."""
    return (
        f"the disk that holds {folder} is full: free some space and run the same command again; "
        "finished stages are kept, and training resumes from its last checkpoint"
    )


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _choices(text: str) -> list[str]:
    counted = _RANGE.fullmatch(text)
    if counted is None:
        return text.split(",")
    first, last = counted.groups()
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
