"""The run: every stage in order, reused or computed, then the manifest and the page.

Whether a stage is done is decided by the record that its last cell writes, never by the notebook's metadata.
"""

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sface_lib.errors import RunError
from sface_lib.files import full_disk_sentence, is_full_disk
from sface_lib.report.execution import (
    StageFailed,
    execute,
    explain_unfinished,
)
from sface_lib.report.html import write_report
from sface_lib.report.plan import ReportPlan
from sface_lib.report.progress import Progress
from sface_lib.report.provenance import describe_inputs, write_manifest
from sface_lib.report.reuse import neighbours, read_cells, reuse
from sface_lib.report.timeleft import TimeLeft
from sface_lib.run import Chapter
from sface_lib.run.current import stage_key
from sface_lib.run.folder import EMBEDDINGS, RunFolder, what_is_read
from sface_lib.run.stage import unfinish

DONE, FAILED, INTERRUPTED = 0, 1, 130


def run_report(plan: ReportPlan, progress: Progress | None = None) -> int:
    """Make a report; return the exit code: 0 done, 1 a stage failed or the disk is full, 130 stopped by the user.

    Raises
    ------
    RunError
        The run cannot start: the folder is in use or cannot be written, or stages before `start_from` are missing.
    """
    progress = progress or Progress()
    folder = RunFolder(plan.folder)
    try:
        with folder.locked(), _terminate_like_ctrl_c():
            inputs = describe_inputs(plan)
            code = _run_stages(plan, folder, inputs, progress)
            manifest = write_manifest(plan, folder, inputs)
            write_report(plan, folder, manifest)
    except OSError as error:
        if not is_full_disk(error):
            raise
        progress.say(f"Stopped: {full_disk_sentence(folder.path)}.")
        return FAILED
    progress.say(f"Report: {folder.report}")
    return code


def _run_stages(plan: ReportPlan, folder: RunFolder, inputs: Mapping[str, Any], progress: Progress) -> int:
    """Run the stages in order up to the first that fails or is stopped; return the exit code."""
    folder.begin(spec.name for spec in plan.stages)
    hashes = {name: facts["sha256"] for name, facts in inputs.items()}
    names = [spec.name for spec in plan.stages]
    first_forced = names.index(plan.start_from) if plan.start_from else len(names)
    others = neighbours(folder, progress.say)
    time_left = TimeLeft(plan, [*others, folder])
    for left_out in plan.left_out:
        unfinish(folder.path, left_out)  # Left by a run with other parameters; later stages would read it.
    for position, spec in enumerate(plan.stages):
        progress.place, progress.left = f"{position + 1} of {len(plan.stages)}", time_left.after(position)
        try:
            _run_stage(plan, folder, others, spec, hashes, position >= first_forced, progress)
        except StageFailed as failure:
            return _stop(plan, folder, progress, position, "failed", str(failure), failure.cell)
        except KeyboardInterrupt:
            reason = "it was stopped from the keyboard; run the same command again to go on"
            return _stop(plan, folder, progress, position, "interrupted", reason, progress.cell_index)
        if (status := folder.stages[spec.name]).state == "done":
            time_left.took(spec.name, status.seconds)
    if not plan.keep_embeddings:
        shutil.rmtree(folder.path / EMBEDDINGS, ignore_errors=True)
    return DONE


def _run_stage(
    plan: ReportPlan,
    folder: RunFolder,
    others: list[RunFolder],
    spec: Chapter,
    hashes: Mapping[str, str],
    forced: bool,
    progress: Progress,
) -> None:
    """Reuse a stage, or compute it."""
    name = spec.name
    planned = {stage.name for stage in plan.stages}
    needs = {n: what_is_read(folder.read_record(n), n in spec.files_only) for n in spec.needs if n in planned}
    source, parameters = plan.notebooks / f"{name}.ipynb", plan.parameters.get(name, {})
    input_hashes = {parameter: hashes[parameter] for parameter in plan.inputs.get(name, {})}
    cells = read_cells(source)
    code = spec.code_hash(parameters, [text for kind, text in cells if kind == "code"])
    key = stage_key(parameters, cells, code, input_hashes, needs)
    if not forced and reuse(folder, others, name, key, progress.say):
        origin = folder.stages[name].reused_from
        progress.say(f"{name} reused{f' from {origin}' if origin else ''}")
        return
    if plan.start_from and not forced:
        raise RunError(f"--from {plan.start_from} needs {name}, which is not complete or has changed; leave out --from")
    seconds = _compute(plan, folder, spec, key, progress)
    progress.say(f"{name} done in {seconds:.1f} s")


def _compute(plan: ReportPlan, folder: RunFolder, spec: Chapter, key: str, progress: Progress) -> float:
    """Execute a stage's notebook and mark it as done; return the seconds that it took."""
    folder.mark(spec.name, "running", key=None, record=None, seconds=None)
    seconds = execute_stage(plan, folder, spec, plan.notebooks / f"{spec.name}.ipynb", progress)
    folder.mark(spec.name, "done", key=key, record=folder.record_hash(spec.name), seconds=seconds)
    return seconds


def execute_stage(plan: ReportPlan, folder: RunFolder, spec: Chapter, source: Path, progress: Progress) -> float:
    """Execute the notebook `source` as a stage, into the run folder; return the seconds that it took.

    Raises
    ------
    StageFailed
        A cell failed, the kernel died, the disk is full, or no record was left.
    """
    name, started = spec.name, time.monotonic()
    unfinish(folder.path, name)
    values = {**plan.parameters.get(name, {}), "run_dir": str(folder.path)}
    try:
        execute(source, folder.notebook(name), values, folder.path, progress)
    except OSError as error:
        raise StageFailed(full_disk_sentence(folder.path), None) if is_full_disk(error) else error from None
    if folder.read_record(name) is None:
        raise explain_unfinished(folder.notebook(name), name)
    return round(time.monotonic() - started, 1)


def _stop(
    plan: ReportPlan,
    folder: RunFolder,
    progress: Progress,
    position: int,
    state: str,
    reason: str,
    cell: int | None,
) -> int:
    """Mark the stage that ended the run and those after it."""
    name = plan.stages[position].name
    folder.record(name).unlink(missing_ok=True)
    folder.mark(name, state, reason=reason, cell=cell)
    for later in plan.stages[position + 1 :]:
        folder.mark(later.name, "not run", reason=f"{name} was {state}" if state != "failed" else f"{name} failed")
    progress.say(f"{name} {state}: {reason}")
    return INTERRUPTED if state == "interrupted" else FAILED


@contextlib.contextmanager
def _terminate_like_ctrl_c() -> Iterator[None]:
    """SIGTERM stops the run as Ctrl-C does, so that no kernel outlives it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
