"""A folder to work in by hand: copies of the notebooks with one set of parameters, and how far each of them has come.

The copies are executed and saved, the notebooks of the program never are.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from sface_lib.errors import RunError
from sface_lib.files import atomic_path
from sface_lib.report.execution import StageFailed
from sface_lib.report.html import write_report
from sface_lib.report.plan import ReportPlan, notebooks_folder, plan_report
from sface_lib.report.progress import Progress
from sface_lib.report.provenance import describe_inputs, write_manifest
from sface_lib.report.runner import execute_stage
from sface_lib.run import Chapter
from sface_lib.run.current import changed_parameters, sources_made_anew
from sface_lib.run.folder import EMBEDDINGS, RunFolder
from sface_lib.run.kernel import sentences_only
from sface_lib.run.parameters import cell_source
from sface_lib.run.stage import unfinish

START = "00_start"
FOLDER = Path("runs/interactive")
DONE, STALE, MISSING = "done", "stale", "missing"


class Lab:
    """The notebooks of one run, worked on by hand.

    Parameters
    ----------
    plan
        Folder, notebooks and parameters of the run.
    """

    def __init__(self, plan: ReportPlan):
        self.plan, self._folder = plan, RunFolder(plan.folder)

    @classmethod
    def here(cls, profile: str, changes: Mapping[str, Any] | None = None) -> "Lab":
        """The lab of the run folder in whose `notebooks` a copy of `00_start` is open; else that in `runs/interactive`.

        Parameters
        ----------
        profile
            Name of a profile, or path of a study file.
        changes
            Parameters that differ from it, by name.

        Raises
        ------
        ParameterError, InputError
            See `plan_report`.
        """
        sentences_only()
        beside = Path.cwd()
        inside = beside.name == "notebooks" and (beside.parent / "status.json").is_file()
        return cls(plan_report(profile, changes or {}, out=str(beside.parent if inside else FOLDER)))

    @property
    def parameters(self) -> pd.DataFrame:
        """Every parameter: its value, what it is without this profile, its meaning, and the notebooks that read it."""
        readers = {row["name"]: [] for row in self.plan.parameter_rows}
        for stage, values in self.plan.parameters.items():
            for name in values:
                readers[name].append(stage[:2])
        return pd.DataFrame(
            {
                "value": row["value"],
                "default": row["default"],
                "meaning": row["description"],
                "allowed": f"{row['type']}; {row['range']}".strip("; "),
                "notebooks": ", ".join(readers[row["name"]]),
            }
            for row in self.plan.parameter_rows
        ).set_axis([row["name"] for row in self.plan.parameter_rows])

    def write(self) -> list[Path]:
        """Write the parameters into the copy of every notebook, which is made where there is none; give the copies.

        All other cells of a copy stay as they are; a copy that has these parameters is not written again.

        Raises
        ------
        RunError
            A copy has no cell tagged `parameters`, or another run holds the folder.
        """
        with self._folder.locked():
            return [self._write(spec) for spec in self.plan.stages]

    def _write(self, spec: Chapter) -> Path:
        path = self._folder.notebook(spec.name)
        source = cell_source(spec.parameters, self.plan.parameters.get(spec.name, {}), str(self.plan.folder))
        _write_copy(path, self.plan.notebooks / path.name, source)
        return path

    @property
    def stages(self) -> pd.DataFrame:
        """State of each notebook: done, stale or missing, and why it is stale."""
        rows = [{"notebook": name, "state": state, "why": why} for name, (state, why) in self._states().items()]
        return pd.DataFrame(rows)

    def _states(self) -> dict[str, tuple[str, str]]:
        states: dict[str, tuple[str, str]] = {}
        for spec in self.plan.stages:
            record = self._folder.read_record(spec.name)
            if record is None:
                states[spec.name] = MISSING, ""
                continue
            changed = changed_parameters(record, self.plan.parameters.get(spec.name, {}))
            other = [f"{name} was {before!r}, and is {now!r}" for name, (before, now) in changed.items()]
            waits = [f"{need} is {states[need][0]}" for need in spec.needs if states.get(need, (DONE,))[0] != DONE]
            anew = [] if waits else sources_made_anew(self.plan.folder, record)
            again = [f"{need} has run again since" for need in anew]
            why = "; ".join(other or waits or again)
            states[spec.name] = (STALE if why else DONE), why
        return states

    def run_next(self) -> str | None:
        """Execute the copy of the first notebook that is not done; give its name, None where all are done.

        Embeddings of faces, which notebooks share, go when all are done.

        Raises
        ------
        StageFailed
            A cell failed; the copy holds what it said.
        """
        self.write()
        with self._folder.locked():
            for left_out in self.plan.left_out:
                unfinish(self.plan.folder, left_out)
            states = self._states()
            todo = [spec for spec in self.plan.stages if states[spec.name][0] != DONE]
            if todo:
                self._run(todo[0])
            if len(todo) < 2 and not self.plan.keep_embeddings:
                shutil.rmtree(self.plan.folder / EMBEDDINGS, ignore_errors=True)
        if not todo:
            print(f"All notebooks are done; page() builds {self._folder.report}.")
        return todo[0].name if todo else None

    def _run(self, spec: Chapter) -> None:
        copy = self._folder.notebook(spec.name)
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(shutil.copy(copy, scratch))
            try:
                seconds = execute_stage(self.plan, self._folder, spec, source, Progress())
            except StageFailed:
                self._folder.record(spec.name).unlink(missing_ok=True)
                raise
            finally:
                if not copy.is_file():
                    shutil.copy(source, copy)
                with contextlib.suppress(OSError, ValueError):
                    self._write(spec)  # Without the cell that papermill adds.
        print(f"{spec.name} done in {seconds:.1f} s: see {copy}")

    def page(self) -> Path:
        """Build `report.html` from the copies as they were saved, and say which were saved without outputs.

        Raises
        ------
        RunError
            No notebook is done.
        """
        states, folder = self._states(), self._folder
        if all(state == MISSING for state, _ in states.values()):
            raise RunError(f"no notebook is done in {self.plan.folder}; run one first")
        with folder.locked():
            inputs = describe_inputs(self.plan)
            folder.begin(states)
            for name, (state, why) in states.items():
                if state == MISSING:
                    continue
                record, status = folder.record_hash(name), folder.stages[name]
                key = status.key if status.record == record else None  # What was run by hand is not reused.
                folder.mark(name, "done", key=key, record=record, reason=f"stale: {why}" if why else None)
            page = write_report(self.plan, folder, write_manifest(self.plan, folder, inputs))
        empty = [name for name, (state, _) in states.items() if state != MISSING and not _has_outputs(folder, name)]
        if empty:
            print(f"Saved without outputs: {', '.join(empty)}; save them in JupyterLab, and build the page again.")
        print(f"Report: {page}")
        return page


def prepare(plan: ReportPlan, profile: str, changes: Mapping[str, str]) -> Path:
    """Make the copies in a run folder, `00_start` among them with profile and changes in it; give that one's path."""
    first, *_ = Lab(plan).write()
    folder = RunFolder(plan.folder)
    if not folder.status_file.is_file():
        folder.begin(spec.name for spec in plan.stages)
    named = str(Path(profile).resolve()) if profile.endswith(".toml") else profile
    settled = {row["name"]: row["value"] for row in plan.parameter_rows}  # With paths made absolute.
    path = first.with_name(f"{START}.ipynb")
    source = f"profile = {named!r}\nchanges = { ({name: settled[name] for name in changes})!r}"
    _write_copy(path, notebooks_folder() / path.name, source)
    return path


def _write_copy(path: Path, original: Path, source: str) -> None:
    """Write the parameters cell into a copy, which is made from the original where there is none.

    Raises
    ------
    RunError
        The copy has no such cell.
    """
    notebook = nbformat.read(path if path.is_file() else original, as_version=4)
    cell = next((cell for cell in notebook.cells if "parameters" in _tags(cell)), None)
    if cell is None:
        raise RunError(f"{path} has no cell tagged `parameters`; remove this copy, and it is made anew")
    kept = [each for each in notebook.cells if "injected-parameters" not in _tags(each)]
    single = path.is_file() and path.stat().st_nlink == 1  # Else the file is that of another run, too.
    if single and cell.source == source and len(kept) == len(notebook.cells):
        return
    cell.source, notebook.cells = source, kept
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)


def open_lab(start: Path) -> None:
    """Become JupyterLab, with this notebook open; does not return."""
    command = [sys.executable, "-m", "jupyterlab", str(start)]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _has_outputs(folder: RunFolder, name: str) -> bool:
    cells = nbformat.read(folder.notebook(name), as_version=4).cells if folder.notebook(name).is_file() else []
    return any(cell.get("outputs") for cell in cells)
