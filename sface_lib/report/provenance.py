"""The manifest of a run: with what it was made, from what, and what came out."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import sface_lib
from sface_lib.errors import InputError
from sface_lib.files import write_json
from sface_lib.registry import added_packages
from sface_lib.report.plan import ReportPlan
from sface_lib.run.code import package_versions
from sface_lib.run.contents import describe_path
from sface_lib.run.folder import RunFolder

SCHEMA_VERSION = 1
PACKAGES = (
    "torch", "torchvision", "accelerate", "safetensors", "numpy", "pandas", "scikit-learn", "matplotlib", "papermill",
    "nbconvert",
)  # fmt: skip


def describe_inputs(plan: ReportPlan) -> dict[str, dict[str, Any]]:
    """Path, hash, size and count of every file or folder outside the run folder, by parameter name.

    Raises
    ------
    InputError
        One of them does not exist.
    """
    paths = {name: path for named in plan.inputs.values() for name, path in named.items()}
    try:
        return {name: {"path": str(path), **describe_path(path)} for name, path in paths.items()}
    except FileNotFoundError as error:
        raise InputError(f"no file or folder at {error}; give an existing path") from None


def write_manifest(plan: ReportPlan, folder: RunFolder, inputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Write `manifest.json`; give its content. `inputs` is what `describe_inputs` gave."""
    added = {name: package["version"] for name, package in added_packages().items()}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "profile": plan.profile,
        "versions": {"sface": sface_lib.__version__} | package_versions(PACKAGES) | added,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "git_commit": _git_commit(),
        "parameters": {row["name"]: row["value"] for row in plan.parameter_rows},
        "inputs": inputs,
        "stages": {spec.name: _stage(folder, spec.name) for spec in plan.stages},
    }
    write_json(folder.manifest, manifest)
    return manifest


def _stage(folder: RunFolder, name: str) -> dict[str, Any]:
    """State, cost and outputs of a stage; outputs only where it is done."""
    status, record = folder.stages[name], folder.read_record(name)
    finished = status.state in ("done", "reused") and record
    return {
        "state": status.state,
        "reason": status.reason,
        "reused_from": status.reused_from,
        "seconds": status.seconds if finished else None,
        "machine": record["machine"] if finished else None,
        "parameters": record["parameters"] if finished else None,
        "outputs": record["outputs"] if finished else {},
    }


def _processor() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """The commit of the checkout that the library lies in, None outside one."""
    command = ["git", "-C", str(Path(sface_lib.__file__).parent), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
