"""What is in a file or folder, as a hash that does not depend on where it lies."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sface_lib.files import files_read_with, sha256_of_file

DEEPEST = 6


def describe_path(path: Path) -> dict[str, Any]:
    """SHA-256, size in bytes and number of files of a file or a whole folder.

    A folder's hash is over the sorted relative names and hashes of its files. So is that of a file which is read with
    others beside it: an ONNX graph with its tensors, a RecordIO with its index.

    Raises
    ------
    FileNotFoundError
        There is nothing at `path`.
    """
    if path.is_file() and (beside := files_read_with(path)):
        return _describe_files(path.parent, [path, *beside])
    if path.is_file():
        return {"sha256": sha256_of_file(path), "bytes": path.stat().st_size, "files": 1}
    if not path.is_dir():
        raise FileNotFoundError(path)
    return _describe_files(path, sorted(_files_below(path)))


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
