"""When a stage need not be computed again, decided by contents alone."""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from sface_lib.errors import RunError
from sface_lib.files import inside, sha256_of_json
from sface_lib.run.contents import describe_path
from sface_lib.run.folder import RunFolder, read_record


def stage_key(
    parameters: Mapping[str, Any],
    cells: Sequence[tuple[str, str]],
    code: str,
    inputs: Mapping[str, str],
    needs: Mapping[str, Mapping[str, Any]],
) -> str:
    """What a stage's outcome depends on, as one hash.

    Parameters
    ----------
    parameters
        The stage's parameters; one that is a path counts by the contents (see `inputs`), not by the path.
    cells
        Kind and source of the notebook's cells: see `read_cells`.
    code
        Hash of the library's files that it executes: see `Chapter.code_hash`.
    inputs
        SHA-256 of the files and folders outside the run folder, by parameter name.
    needs
        What it reads of earlier stages, by name: see `what_is_read`.
    """
    parts = {
        "parameters": {name: value for name, value in parameters.items() if name not in inputs},
        "notebook": [list(cell) for cell in cells],
        "code": code,
        "inputs": dict(inputs),
        "needs": dict(needs),
    }
    return sha256_of_json(parts)


def read_cells(path: Path) -> list[tuple[str, str]]:
    """Kind and source of each cell of a notebook; metadata and outputs are left aside.

    Raises
    ------
    RunError
        There is no such file, or it is not a notebook.
    """
    try:
        return [(cell.cell_type, cell.source) for cell in nbformat.read(path, as_version=4).cells]
    except FileNotFoundError:
        raise RunError(f"the notebook {path} does not exist; install the package again") from None
    except ValueError as error:
        raise RunError(f"the notebook {path} cannot be read ({error}); restore it") from None


def reuse(folder: RunFolder, others: list[RunFolder], stage: str, key: str, warn: Callable[[str], None]) -> bool:
    """Reuse a stage where this run folder or another one holds the intact files of an execution with the same key.

    Files of another folder are linked into this one. Returns whether the stage was reused. Another folder whose record
    is damaged is removed from `others`, with one warning.
    """
    with contextlib.suppress(RunError):  # A damaged record of this folder's own is written anew.
        if is_intact(folder, stage, key):
            folder.mark(stage, "reused")
            return True
    for other in list(others):
        try:
            intact = is_intact(other, stage, key)
        except RunError as error:
            others.remove(other)
            warn(_left_out(other, str(error)))
            continue
        if not intact:
            continue
        take_over(folder, other, stage)
        status = other.stages[stage]
        facts = {"key": key, "record": status.record, "seconds": status.seconds, "reused_from": other.path.name}
        folder.mark(stage, "reused", **facts)
        return True
    return False


def neighbours(folder: RunFolder, warn: Callable[[str], None]) -> list[RunFolder]:
    """The other run folders in this one's parent, sorted by name; an unreadable one is left out, with a warning."""
    beside = sorted(status.parent for status in folder.path.parent.glob("*/status.json"))
    others = [RunFolder(path) for path in beside if path != folder.path]
    for other in others:
        if other.damage:
            warn(_left_out(other, other.damage))
    return [other for other in others if not other.damage]


def _left_out(other: RunFolder, why: str) -> str:
    return f"Warning: nothing is reused from {other.path}, {why}."


def is_intact(folder: RunFolder, stage: str, key: str) -> bool:
    """Whether a folder holds a finished execution with this key, every output unchanged since it was recorded.

    Raises
    ------
    RunError
        The folder claims to have it, and the record is damaged.
    """
    status = folder.stages.get(stage)
    if status is None or status.key != key or status.record is None or status.record != folder.record_hash(stage):
        return False
    outputs = read_record(folder.path, stage)["outputs"]
    has_notebook = folder.notebook(stage).is_file()
    return has_notebook and all(_same(inside(folder.path, name), contents) for name, contents in outputs.items())


def _same(path: Path, contents: Mapping[str, Any]) -> bool:
    try:
        return describe_path(path) == contents
    except OSError:
        return False


def take_over(folder: RunFolder, other: RunFolder, stage: str) -> None:
    """Take a stage's files over from another run folder, as hard links where the file system allows it."""
    names = [*read_record(other.path, stage)["outputs"], f"notebooks/{stage}.ipynb"]
    for name in [*names, f"results/{stage}.json"]:  # The record last: with it the stage counts as finished.
        _link(inside(other.path, name), inside(folder.path, name))


def _link(source: Path, target: Path) -> None:
    """Hard links to a file or to all files of a folder, or copies; what was at `target` is replaced."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file)
    else:
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
