"""The ground under every loop: device and precision through Accelerate, checkpoints, and the log.

A checkpoint is a folder `checkpoint-<step>/` with `tensors.safetensors` (networks, moving average, optimisers) and
`state.json` (counters, configuration, fingerprint of the data, and the hashes of the tensors and of all this). It is
written beside its final name and renamed, the newest two are kept, and it is read strictly: a missing or extra field is
an error, and where a hash differs it is damaged.
"""

import atexit
import contextlib
import ctypes
import datetime
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list, gather_object
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from sface_lib.errors import CheckpointError, InputError, TrainingError, WeightsError
from sface_lib.files import atomic_folder, atomic_path, read_json, sha256_of_file, sha256_of_json, write_json

CHECKPOINTS_KEPT = 2
TENSORS_FILE, STATE_FILE = "tensors.safetensors", "state.json"
PATIENCE = datetime.timedelta(days=7)  # Of processes for each other: shares of work differ, one of them packs.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # Of glibc's malloc.h.

T = TypeVar("T")


def make_accelerator(precision: str = "auto") -> Accelerator:
    """An `Accelerator` for this process: any device, any number of processes.

    `precision` is "float32", "bf16", or "auto": bf16 autocast where the processor computes in it, float32 elsewhere.

    Raises
    ------
    InputError
        More processes were launched than this machine has devices for, or than can work together on them.
    """
    mixed = "bf16" if precision == "bf16" or (precision == "auto" and bf16_is_fast()) else "no"
    on_cpu = not torch.accelerator.is_available()
    if on_cpu:
        keep_freed_memory()
    elif int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > torch.accelerator.device_count():
        raise InputError(
            f"{os.environ['LOCAL_WORLD_SIZE']} processes were launched on a machine of "
            f"{torch.accelerator.device_count()} devices; launch one a device"
        )
    # Accelerate keeps one precision for a process; a notebook whose parameters were changed may ask for another.
    AcceleratorState._reset_state()
    # Accelerate joins launched processes on CPUs only when it is told that it runs on them.
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    accelerator = Accelerator(mixed_precision=mixed, cpu=on_cpu, kwargs_handlers=[patience])
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise InputError(
            f"{launched} processes were launched, which cannot work together on {accelerator.device}; use one"
        )
    atexit.unregister(leave_process_group)
    atexit.register(leave_process_group)
    return accelerator


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives in the first of the processes that were launched together, in all of them; it runs there alone.

    Where it raises, the first process must end, which ends the others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return make()
    return broadcast_object_list([make() if make_accelerator().is_main_process else None])[0]


def leave_process_group() -> None:
    """Leave the other processes in order; one that ends inside the group is aborted now and then, its work done."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def launch(processes: int, command: Sequence[str], log: Path) -> None:
    """Run a `sface` command in several processes of this machine.

    What they say goes to a file; their progress bars stand on stderr as well.

    Raises
    ------
    TrainingError
        It failed; the message is what the command gave as its reason.
    """
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "wb") as stream,
        subprocess.Popen(
            [*start, "-m", "sface_lib.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as launched,
    ):
        try:
            while said := launched.stdout.read1():
                stream.write(said)
                if b"\r" in said:  # Only bars are drawn over themselves.
                    sys.stderr.write(said.decode(errors="replace"))
                    sys.stderr.flush()
        except BaseException:
            launched.terminate()  # It ends the processes that it started.
            raise
    if launched.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        reasons = [line.partition("sface: ")[2] for line in lines if "sface: " in line]  # Behind a bar, it may be.
        raise TrainingError(
            reasons[-1]
            if reasons
            else f"{processes} processes ended with code {launched.returncode}; {log} holds what they said"
        )


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next tensor instead of giving it back to the system, where glibc is.

    A network's activations are freed and taken again at every step; the pages' return and renewal was a fifth of it.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def bf16_is_fast() -> bool:
    """Whether this machine computes in bf16 by hardware (a recent GPU; AMX or AVX512-bf16 on a CPU)."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch; every loop calls it before it makes its networks."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that draw from numpy's global state
    torch.manual_seed(seed)


def require_finite(values: dict[str, float], step: int) -> None:
    """Stop with `TrainingError` naming the step and the value when one is NaN or infinite."""
    for name, value in values.items():
        if not np.isfinite(value):
            raise TrainingError(
                f"{name} became {value} at step {step}; the last checkpoint, if there is one, stands: run again with "
                "precision=float32, or anew, in another folder, with a lower learning rate"
            )


class JsonLines:
    """A log of one JSON object a line; `resume_at` drops what was logged after the step training resumes from."""

    def __init__(self, path: Path, resume_at: int = 0):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read_log(path) if row["step"] <= resume_at]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def write(self, **row: Any) -> None:
        """Append one row; it must hold `step`."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log; a last line cut short by a killed process is left out, a missing file is an empty log."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def save_checkpoint(folder: Path, step: int, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> Path:
    """Write `checkpoint-<step>` atomically and remove all but the newest two."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"checkpoint-{step:09d}"
    with atomic_folder(target) as temporary:
        kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        _write_tensors(kept, temporary / TENSORS_FILE)
        noted = state | {"step": step, "tensors": sha256_of_file(temporary / TENSORS_FILE)}
        write_json(temporary / STATE_FILE, noted | {"sha256": sha256_of_json(noted)})
        shutil.rmtree(target, ignore_errors=True)
    for old in checkpoints(folder)[CHECKPOINTS_KEPT:]:
        shutil.rmtree(old)
    return target


def _write_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """`save_file`, whose error for a full disk is the operating system's."""
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) if code else error from None


def _read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and state; raises `ValueError` where either is not what was written."""
    state = read_json(path / STATE_FILE)
    if not isinstance(state, dict):
        raise ValueError(f"{STATE_FILE} holds no state")
    if state.pop("sha256", None) != sha256_of_json(state):
        raise ValueError(f"{STATE_FILE} is not what was written: its hash differs")
    if state["tensors"] != sha256_of_file(path / TENSORS_FILE):
        raise ValueError(f"{TENSORS_FILE} is not what was written: its hash differs")
    return load_file(path / TENSORS_FILE), state


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in a folder, newest first."""
    return sorted(folder.glob("checkpoint-*"), reverse=True)


def load_checkpoint(folder: Path, expected: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The newest readable checkpoint, or None where there is none; every process must ask.

    A damaged checkpoint is passed over with a warning for the one before it.

    Raises
    ------
    CheckpointError
        A field of `expected` (configuration, fingerprint) differs from the checkpoint's, all are damaged, or not all
        processes find the same one.
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
    found = checkpoints(folder)
    for path in found:
        try:
            tensors, state = _read_checkpoint(path)
        except (OSError, ValueError, SafetensorError) as error:
            print(f"Warning: {path} is damaged ({error}); the checkpoint before it is used, if there is one.")
            continue
        _check_expected(path, state, expected)
        return tensors, state
    if found:
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
    """A module's or optimiser's tensors under a prefix; optimiser entries become `<prefix>.<index>.<name>`."""
    if "param_groups" not in state:
        return {f"{prefix}.{name}": tensor for name, tensor in state.items()}
    return {
        f"{prefix}.{i}.{name}": torch.as_tensor(v) for i, entry in state["state"].items() for name, v in entry.items()
    }


def unflatten(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors under a prefix, with it taken off."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def load_optimiser(optimiser: torch.optim.Optimizer, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    """Put back an optimiser's state written by `flatten`; the groups' settings stay those of `optimiser`."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in unflatten(prefix, tensors).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def seed_step(seed: int, step: int, rank: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Seed torch's global RNG for one step of one process, and give a generator on a device for explicit draws.

    Randomness is a function of (seed, step, rank): a resumed run draws what the uninterrupted one would have drawn,
    without stored RNG states, and on any device.
    """
    words = np.random.SeedSequence([seed, step, rank]).generate_state(2, np.uint64)
    torch.manual_seed(int(words[0]))
    return torch.Generator(device).manual_seed(int(words[1]))


def save_weights(path: str | Path, module: torch.nn.Module, description: dict[str, Any], half: bool = False) -> Path:
    """Write a module's state as safetensors, its description as JSON in the file's header under `sface`.

    `half` writes matrices and kernels in float16; they are read back as the network's own type.
    """
    with atomic_path(path) as temporary:
        state = {name: tensor.detach().contiguous().cpu() for name, tensor in module.state_dict().items()}
        if half:
            state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
        _write_tensors(state, temporary, metadata={"sface": json.dumps(description, sort_keys=True)})
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
