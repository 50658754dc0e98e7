"""When a stage need not be computed again, decided by contents alone."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from sface_lib.errors import RunError
from sface_lib.files import inside
from sface_lib.run.current import is_intact
from sface_lib.run.folder import RunFolder, read_record


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
