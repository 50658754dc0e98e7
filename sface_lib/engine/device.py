"""Device and precision of this process, through Accelerate."""

import atexit
import contextlib
import ctypes
import datetime
import os

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from sface_lib.errors import InputError

# How long a process waits for the others: their shares of the work differ, and one of them writes the result.
PROCESS_GROUP_TIMEOUT = datetime.timedelta(days=7)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # Of glibc's malloc.h.


def make_accelerator(precision: str = "auto") -> Accelerator:
    """An `Accelerator` for this process: any device, any number of processes.

    `precision` is "float32", "bf16", or "auto": bf16 autocast where the processor computes in it, float32 elsewhere.
    Accelerate keeps one precision for a process: of several accelerators the newest alone may be used.

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
    patience = InitProcessGroupKwargs(timeout=PROCESS_GROUP_TIMEOUT)
    accelerator = Accelerator(mixed_precision=mixed, cpu=on_cpu, kwargs_handlers=[patience])
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise InputError(
            f"{launched} processes were launched, which cannot work together on {accelerator.device}; use one"
        )
    atexit.unregister(leave_process_group)
    atexit.register(leave_process_group)
    return accelerator


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


def leave_process_group() -> None:
    """Leave the other processes in order; one that ends inside the group is aborted now and then, its work done."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
