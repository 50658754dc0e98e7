"""Whether what a stage left in a run folder still holds: its key, its files, and what it was made from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sface_lib.files import inside, sha256_of_json
from sface_lib.run.contents import describe_path
from sface_lib.run.folder import RunFolder, hash_of_what_is_read, read_record


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
        Kind and source of the notebook's cells: see `sface_lib.report.reuse.read_cells`.
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


def changed_parameters(record: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> what a recorded stage was made with, and what is asked for now; of the parameters that both have."""
    made_with = record["parameters"]
    return {name: (made_with[name], now) for name, now in values.items() if made_with.get(name, now) != now}


def sources_made_anew(run_dir: Path, record: Mapping[str, Any]) -> list[str]:
    """Stages whose data, weights or results are not those that a recorded stage was made from."""
    made_from = record["made_from"]
    return [
        name
        for name, noted in made_from.items()
        if hash_of_what_is_read(run_dir, name, noted["files_only"]) != noted["sha256"]
    ]


def _same(path: Path, contents: Mapping[str, Any]) -> bool:
    try:
        return describe_path(path) == contents
    except OSError:
        return False
