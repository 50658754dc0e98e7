"""What is in a file or folder, as a hash that does not depend on where it lies."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sface_lib.files import expand_pattern, files_read_with, sha256_of_file

DEEPEST = 6


def describe_path(path: Path) -> dict[str, Any]:
    """SHA-256, size in bytes and number of files of a file, a whole folder, or the shards that a pattern names.

    A folder's hash is over the sorted relative names and hashes of its files. So is that of a file which is read with
    others beside it: an ONNX graph with its tensors, a RecordIO with its index; and that of shards, in their order.

    Raises
    ------
    FileNotFoundError
        There is nothing at `path`.
    FacesError
        One of the shards is not there.
    """
    folder, files = files_of(path)
    if files == [path]:
        return {"sha256": sha256_of_file(path), "bytes": path.stat().st_size, "files": 1}
    return _describe_files(folder, files)


def files_of(path: Path) -> tuple[Path, list[Path]]:
    """The files that are read of a path, and the folder that they lie below; raises as `describe_path`."""
    if path.is_file():
        return path.parent, [path, *files_read_with(path)]
    if path.is_dir():
        return path, sorted(_files_below(path))
    if (shards := expand_pattern(path)) is None:
        raise FileNotFoundError(path)
    return Path(os.path.commonpath([shard.parent for shard in shards])), shards


def _files_below(path: Path) -> Iterator[Path]:
    """All files of a folder; links are followed as deep as a set of faces may go, which ends a loop of links."""
    for folder, subfolders, files in os.walk(path, followlinks=True):
        if len(Path(folder).relative_to(path).parts) >= DEEPEST:
            subfolders.clear()
        yield from (file for name in files if (file := Path(folder) / name).is_file())


def _describe_files(folder: Path, files: list[Path]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder).as_posix()
        digest.update(f"{len(name.encode(errors='surrogateescape'))}:".encode())
        digest.update(name.encode(errors="surrogateescape") + sha256_of_file(file).encode())
    total = sum(file.stat().st_size for file in files)
    return {"sha256": digest.hexdigest(), "bytes": total, "files": len(files)}
