"""Checkpoints: written atomically, read strictly.

A checkpoint is a folder `checkpoint-<step>/` with `tensors.safetensors` (networks, moving average, optimisers) and
`state.json` (counters, configuration, fingerprint of the data, hash of the tensors, and hash of the rest of this file).
It is written under a temporary name and renamed, the newest two are kept, and it is read strictly: a missing or extra
field is an error, and a checkpoint whose hashes differ counts as damaged.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file

from sface_lib.engine.weights import write_tensors
from sface_lib.errors import CheckpointError
from sface_lib.files import atomic_folder, read_json, sha256_of_file, sha256_of_json, write_json

CHECKPOINTS_KEPT = 2
TENSORS_FILE, STATE_FILE = "tensors.safetensors", "state.json"


def save_checkpoint(folder: Path, step: int, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> Path:
    """Write `checkpoint-<step>` atomically and remove all but the newest two; return its path.

    `tensors` may be on any device; `state` must be what JSON can hold, with no key `step`, `tensors` or
    `sha256`: these are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"checkpoint-{step:09d}"
    with atomic_folder(target) as temporary:
        on_cpu = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        write_tensors(on_cpu, temporary / TENSORS_FILE)
        contents = state | {"step": step, "tensors": sha256_of_file(temporary / TENSORS_FILE)}
        write_json(temporary / STATE_FILE, contents | {"sha256": sha256_of_json(contents)})
        shutil.rmtree(target, ignore_errors=True)
    for old in checkpoints(folder)[CHECKPOINTS_KEPT:]:
        shutil.rmtree(old)
    return target


def _read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and state; raises `ValueError` where either is not what was written."""
    state = read_json(path / STATE_FILE)
    if not isinstance(state, dict):
        raise ValueError(f"{STATE_FILE} does not hold a JSON object")
    if state.pop("sha256", None) != sha256_of_json(state):
        raise ValueError(f"{STATE_FILE} is not what was written: its hash differs")
    if state["tensors"] != sha256_of_file(path / TENSORS_FILE):
        raise ValueError(f"{TENSORS_FILE} is not what was written: its hash differs")
    return load_file(path / TENSORS_FILE), state


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in a folder, newest first."""
    return sorted(folder.glob("checkpoint-*"), reverse=True)


def load_checkpoint(folder: Path, expected: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors (on the CPU) and state of the newest intact checkpoint, or None where there is none.

    Every process must call this, as they compare their steps. A damaged checkpoint is skipped with a warning, and the
    one before it is used.

    Raises
    ------
    CheckpointError
        A field of `expected` (configuration, fingerprint) differs from the checkpoint's or is missing in it, all
        checkpoints are damaged, or not all processes find the same one.
    """
    loaded = _newest_checkpoint(folder, expected)
    steps = set(gather_object([0 if loaded is None else loaded[1]["step"]]))
    if len(steps) > 1:
        raise CheckpointError(
            f"processes find checkpoints of different steps in {folder} ({sorted(steps)}); all machines must see one "
            "folder"
        )
    return loaded


def _newest_checkpoint(folder: Path, expected: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    paths = checkpoints(folder)
    for path in paths:
        try:
            tensors, state = _read_checkpoint(path)
        except (OSError, ValueError, SafetensorError) as error:
            print(f"Warning: {path} is damaged ({error}); the checkpoint before it is used, if there is one.")
            continue
        _check_expected(path, state, expected)
        return tensors, state
    if paths:
        raise CheckpointError(f"every checkpoint in {folder} is damaged; delete the folder to train from the beginning")
    return None


def _check_expected(path: Path, state: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if name not in state:
            raise CheckpointError(f"{path} lacks the field {name!r}; delete it to train from the beginning")
        if state[name] != json.loads(json.dumps(value)):
            raise CheckpointError(
                f"{path} was made with another {name} ({state[name]!r}, now {value!r}); "
                "use the old one to go on, or delete the folder to train from the beginning"
            )


def flatten(prefix: str, state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors of a `state_dict`, named `<prefix>.<name>`, or `<prefix>.<index>.<name>` where it is an optimiser's."""
    if "param_groups" not in state:
        return {f"{prefix}.{name}": tensor for name, tensor in state.items()}
    return {
        f"{prefix}.{i}.{name}": torch.as_tensor(v) for i, entry in state["state"].items() for name, v in entry.items()
    }


def unflatten(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `<prefix>.`, by their names without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def load_optimiser(optimiser: torch.optim.Optimizer, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    """Put back an optimiser's state written by `flatten`; learning rates and the like stay those of `optimiser`."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in unflatten(prefix, tensors).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
