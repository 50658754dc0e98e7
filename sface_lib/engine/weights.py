"""Weights of one network as safetensors, with a description in the file's header."""

import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sface_lib.errors import InputError, WeightsError
from sface_lib.files import atomic_path


def write_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """`save_file`, whose error for a full disk is the operating system's."""
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) if code else error from None


def save_weights(path: str | Path, module: torch.nn.Module, description: dict[str, Any], half: bool = False) -> Path:
    """Write a module's state as safetensors, its description as JSON in the file's header under `sface`.

    `half` writes matrices and kernels in float16; they are read back as the network's own type.
    """
    with atomic_path(path) as temporary:
        state = {name: tensor.detach().contiguous().cpu() for name, tensor in module.state_dict().items()}
        if half:
            state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
        write_tensors(state, temporary, metadata={"sface": json.dumps(description, sort_keys=True)})
    return Path(path)


def require_safetensors(path: str | Path) -> Path:
    """The path of weights to be written, its folder made: what cannot be is told before a training, not after it.

    Raises
    ------
    InputError
        It ends otherwise.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(
            f"'{path}' does not end in .safetensors; give a file such as {path.stem or 'model'}.safetensors"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def read_description(path: str | Path) -> dict[str, Any]:
    """What `save_weights` noted in a file's header; empty where it noted nothing. Raises what safetensors raises."""
    with safe_open(path, "pt") as stored:
        return json.loads((stored.metadata() or {}).get("sface", "{}"))


def load_strictly(module: torch.nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Load a state dict; missing or extra keys and wrong shapes are refused with `WeightsError` that names them."""
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{what} does not fit the network: {' '.join(str(error).split())}") from None
