"""What a step costs: seconds, and the memory that its backward pass needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

CALLS = 2  # Measured, after one that is not.


@dataclass(frozen=True)
class StepCost:
    """Of one training step.

    Attributes
    ----------
    seconds
        Mean of some steps.
    saved_bytes
        Of the tensors that the forward pass keeps for the backward pass.
    """

    seconds: float
    saved_bytes: int


def measure_step(step: Callable[[], Any]) -> StepCost:
    """Run some training steps and measure them; the first one warms up and counts the saved tensors."""
    with (saved := _SavedBytes()):
        step()
    return StepCost(time_calls(step, warm_up=False), saved.bytes)


def time_calls(call: Callable[[], Any], *, warm_up: bool = True, calls: int = CALLS) -> float:
    """Mean seconds of some calls, the device's work included."""
    if warm_up:
        call()
    _wait()
    started = time.perf_counter()
    for _ in range(calls):
        call()
    _wait()
    return (time.perf_counter() - started) / calls


def _wait() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


class _SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Bytes of the tensors that a forward pass keeps for the backward one, each once."""

    def __init__(self):
        super().__init__(self._pack, lambda tensor: tensor)
        self._seen: dict[int, int] = {}

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        self._seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    @property
    def bytes(self) -> int:
        return sum(self._seen.values())
