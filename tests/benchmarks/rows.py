"""Rows of measurements: each is told as soon as it is known, and kept as JSON; and what all benchmarks measure with."""

import datetime
import gc
import json
import platform
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from sface_lib.engine import bf16_is_fast, make_accelerator
from sface_lib.files import read_json, write_json

MACHINE, FAILED, ASKED, MET = "machine", "failed", "asked", "met"
RATE = "TFLOP/s {}"  # Of the matrix product in an arithmetic.
MATRIX_SIDE = 2048
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


class Rows:
    """The rows of a file: name -> numbers by what they are, such as "images/s".

    A row that is there is not computed again, a failed one is. None begins after `seconds`.
    """

    def __init__(self, path: Path, seconds: float = float("inf")):
        self.path, self.end = path, time.perf_counter() + seconds
        self.rows = read_json(path) if path.exists() else {}

    def row(self, name: str, work: Callable[[], dict]) -> None:
        """Compute a row unless it is there, or the time is up; what fails is a row with its traceback."""
        if name in self.rows and FAILED not in self.rows[name]:
            return
        if time.perf_counter() > self.end:
            print(f"{name}: left for the next call", flush=True)
            return
        started = time.perf_counter()
        try:
            measured = work()
            json.dumps(measured, allow_nan=False)
        except Exception:
            measured = {FAILED: traceback.format_exc()}
        self.rows[name] = measured | {"row_seconds": round(time.perf_counter() - started, 2)}
        write_json(self.path, self.rows)
        print(f"{name}: {json.dumps(self.rows[name])}", flush=True)
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()


def failures(rows: dict) -> Iterator[str]:
    """Rows that failed, do not agree, or miss what is asked of them."""
    for name, row in rows.items():
        if FAILED in row:
            yield f"{name} failed: {row[FAILED].strip().splitlines()[-1]}"
        elif row.get("within") is False:
            yield f"{name} does not agree: {row['apart']}"
        elif row.get(MET) is False:
            yield f"{name} misses what is asked: {row[ASKED]}"


def asked(measured: dict, what: str, at_most: float | None = None, at_least: float | None = None) -> dict:
    """A row with what is asked of one of its numbers, and whether it is met."""
    bound, words = (at_least, "at least") if at_most is None else (at_most, "at most")
    met = measured[what] >= bound if at_most is None else measured[what] <= bound
    return measured | {ASKED: f"{what} {words} {bound:g}", MET: bool(met)}


def precisions() -> tuple[str, ...]:
    """The arithmetic that this machine has: bf16 only where it is no emulation, which takes minutes for a row."""
    return tuple(DTYPES) if bf16_is_fast() else ("float32",)


def machine() -> dict:
    """What measured, when, and how fast its matrix product is."""
    device = make_accelerator().device
    rates = {RATE.format(name): matrix_rate(DTYPES[name], device) / 1e12 for name in precisions()}
    return {
        "processor": torch.cuda.get_device_name() if device.type == "cuda" else processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    } | rates


def processor() -> str:
    """The processor's name."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def matrix_rate(dtype: torch.dtype, device: torch.device, side: int = MATRIX_SIDE) -> float:
    """Operations a second of a matrix product."""
    a = torch.randn(side, side, device=device).to(dtype)
    return 2 * side**3 / median_seconds(lambda: a @ a, 5)


def median_seconds(work: Callable[[], object], times: int, warm_up: int = 2) -> float:
    """Median seconds of a call, the device's work included, after some that warm up."""
    return float(np.median([_seconds(work) for _ in range(times + warm_up)][warm_up:]))


def in_turn(ways: dict[str, Callable[[], object]], seconds: float, least: int = 3) -> dict[str, float]:
    """Median seconds of each way, after one call to warm up: taken in turn, so that other load hits all."""
    taken, end = {name: [] for name in ways}, time.perf_counter() + seconds
    for way in ways.values():
        _seconds(way)
    while time.perf_counter() < end or min(map(len, taken.values())) < least:
        for name, way in ways.items():
            taken[name].append(_seconds(way))
    return {name: float(np.median(values)) for name, values in taken.items()}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def wait() -> None:
    """Until the device has done what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def memory_mib(kind: str) -> float:
    """Memory of this process: "VmRSS" now, "VmHWM" at most (getrusage's peak is inherited from who started it)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024
