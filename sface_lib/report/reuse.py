"""When a stage need not be computed again, decided by contents alone."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat

from sface_lib.errors import RunError
from sface_lib.report.contents import describe_path
from sface_lib.report.runfolder import RunFolder
from sface_lib.report.stages import HANDED_OVER


def stage_key(
    parameters: Mapping[str, Any],
    notebook: Path,
    library: str,
    inputs: Mapping[str, str],
    needs: Mapping[str, Mapping[str, Any]],
) -> str:
    """What a stage's outcome depends on, as one hash.

    Parameters
    ----------
    parameters
        The stage's parameters; those that are one path each count by its contents, not by the path.
    notebook
        The notebook; the sources of its cells count, metadata and outputs do not.
    library
        Hash of the files of `sface_lib`.
    inputs
        SHA-256 of the files and folders outside the run folder, by parameter name.
    needs
        What it reads of earlier stages, by name: see `what_is_read`.
    """
    parts = {
        "parameters": {name: value for name, value in parameters.items() if name not in inputs},
        "notebook": _notebook_sources(notebook),
        "library": library,
        "inputs": dict(inputs),
        "needs": dict(needs),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def what_is_read(record: Mapping[str, Any], files_only: bool) -> dict[str, Any]:
    """The part of a stage's record that another one reads: data and weights, and its results where it reads those."""
    files = {name: facts for name, facts in record["outputs"].items() if name.startswith(HANDED_OVER)}
    return {"files": files} if files_only else {"files": files, "results": record["results"]}


def _notebook_sources(path: Path) -> list[list[str]]:
    try:
        return [[cell.cell_type, cell.source] for cell in nbformat.read(path, as_version=4).cells]
    except FileNotFoundError:
        raise RunError(f"the notebook {path} does not exist; install the package again") from None
    except ValueError as error:
        raise RunError(f"the notebook {path} cannot be read ({error}); restore it") from None


def reuse(folder: RunFolder, stage: str, key: str) -> bool:
    """Mark a stage as reused where this folder, or one beside it, holds the files of the same execution, intact."""
    if is_intact(folder, stage, key):
        folder.mark(stage, "reused")
        return True
    for other in _siblings(folder):
        if is_intact(other, stage, key):
            take_over(folder, other, stage)
            status = other.stages[stage]
            facts = {
                "key": key,
                "record": status.record,
                "seconds": status.seconds,
                "reused_from": other.path.name,
            }
            folder.mark(stage, "reused", **facts)
            return True
    return False


def is_intact(folder: RunFolder, stage: str, key: str) -> bool:
    """Whether a finished execution with this key lies in a folder with every output as it was recorded."""
    status = folder.stages.get(stage)
    if status is None or status.key != key or status.record != folder.record_hash(stage):
        return False
    record = folder.read_record(stage)
    outputs = record["outputs"].items() if record else ()
    whole = record is not None and folder.notebook(stage).is_file()
    return whole and all(_same(folder.path / name, contents) for name, contents in outputs)


def _same(path: Path, contents: Mapping[str, Any]) -> bool:
    try:
        return describe_path(path) == contents
    except OSError:
        return False


def _siblings(folder: RunFolder) -> Iterable[RunFolder]:
    """Other run folders beside this one, by name."""
    for status in sorted(folder.path.parent.glob("*/status.json")):
        if status.parent != folder.path:
            yield RunFolder(status.parent)


def take_over(folder: RunFolder, other: RunFolder, stage: str) -> None:
    """Bring a stage's files from another run folder, as links where the file system can."""
    record = other.read_record(stage) or {"outputs": {}}
    names = [*record["outputs"], f"notebooks/{stage}.ipynb"]
    for name in [*names, f"results/{stage}.json"]:  # The record last: with it the stage counts as finished.
        _link(other.path / name, folder.path / name)


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
