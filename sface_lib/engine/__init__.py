"""The ground under every loop: device and precision through Accelerate, processes, checkpoints, logs, weights."""

from sface_lib.engine.checkpointing import (
    checkpoints,
    flatten,
    load_checkpoint,
    load_optimiser,
    save_checkpoint,
    unflatten,
)
from sface_lib.engine.device import bf16_is_fast, keep_freed_memory, leave_process_group, make_accelerator
from sface_lib.engine.logs import JsonLines, read_log, require_finite
from sface_lib.engine.measuring import StepCost, measure_step, time_calls
from sface_lib.engine.processes import from_first, launch
from sface_lib.engine.randomness import seed_everything, seed_step
from sface_lib.engine.weights import load_strictly, read_description, require_safetensors, save_weights

__all__ = [
    "JsonLines",
    "StepCost",
    "bf16_is_fast",
    "checkpoints",
    "flatten",
    "from_first",
    "keep_freed_memory",
    "launch",
    "leave_process_group",
    "load_checkpoint",
    "load_optimiser",
    "load_strictly",
    "make_accelerator",
    "measure_step",
    "read_description",
    "read_log",
    "require_finite",
    "require_safetensors",
    "save_checkpoint",
    "save_weights",
    "seed_everything",
    "seed_step",
    "time_calls",
    "unflatten",
]
