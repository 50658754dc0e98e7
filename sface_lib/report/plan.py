"""The plan of a report: parameters, stages and folder, fixed and checked before anything runs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sface_lib.chapters.profiles import build_parameters, profile_names
from sface_lib.chapters.registry import ReportParameters, chapters_of
from sface_lib.errors import InputError, RunError
from sface_lib.files import sha256_of_json
from sface_lib.run import Chapter
from sface_lib.run.parameters import describe, input_paths


@dataclass(frozen=True)
class ReportPlan:
    """One report to be made.

    Attributes
    ----------
    folder
        The run folder.
    stages
        The stages that run, in order.
    notebooks
        The folder with a notebook `<name>.ipynb` for each.
    parameters, inputs
        For each stage its parameters, and those of them that are files or folders outside the run folder.
    parameter_rows
        For the report's table: dicts of name, value, default, description.
    unchanged
        Whether all parameters are those of a shipped profile, without overrides.
    show_authentic_images
        Whether names and pictures of authentic identities may stand in the report.
    start_from
        The first stage to compute even where it could be reused.
    keep_embeddings
        Whether embeddings of faces, which are biometric data, stay in `work/embeddings` after the run.
    set_names
        Names of the synthetic sets, in the order given.
    """

    folder: Path
    stages: tuple[Chapter, ...]
    notebooks: Path
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    parameter_rows: tuple[Mapping[str, Any], ...] = ()
    profile: str = "own"
    unchanged: bool = False
    show_authentic_images: bool = False
    start_from: str | None = None
    keep_embeddings: bool = False
    set_names: tuple[str, ...] = ()

    @property
    def left_out(self) -> set[str]:
        """Names of stages that the planned ones would read, but that these parameters leave out of the run."""
        return {need for stage in self.stages for need in stage.needs} - {stage.name for stage in self.stages}


def plan_report(
    profile: str,
    overrides: Mapping[str, str],
    out: str | None = None,
    start_from: str | None = None,
    keep_embeddings: bool = False,
) -> ReportPlan:
    """Check the parameters and fix the run folder and the stages.

    Parameters
    ----------
    profile
        Name of a profile, or path of a study file.
    overrides
        Values, as text, of parameters that differ from the profile.
    out
        The run folder; by default `runs/<profile>-<hash of the parameters>`.
    start_from
        Number or name of the first stage to compute in any case.
    keep_embeddings
        See `ReportPlan`.

    Raises
    ------
    ParameterError, InputError
        A parameter or stage does not exist, or a value is not allowed; or a given model, set of attributes or table of
        groups cannot be read, which is checked here so that it does not fail after the generator's training.
    """
    parameters = build_parameters(profile, overrides)
    _check_files(parameters)
    values, paths = parameters.model_dump(mode="json"), input_paths(parameters)
    rows = ({**row, "value": values[row["name"]]} for row in describe(ReportParameters))
    stages = chapters_of(parameters)
    names_read = {chapter.name: chapter.parameters.model_fields for chapter in stages}
    return ReportPlan(
        folder=Path(out or f"runs/{Path(profile).stem}-{sha256_of_json(values)[:8]}").expanduser().resolve(),
        stages=stages,
        notebooks=notebooks_folder(),
        parameters={stage: {name: values[name] for name in names} for stage, names in names_read.items()},
        inputs={
            stage: {name: path for name, path in paths.items() if name.split(" ")[0] in names}
            for stage, names in names_read.items()
        },
        parameter_rows=tuple(rows),
        profile=profile,
        unchanged=profile in profile_names() and not overrides,
        show_authentic_images=parameters.show_authentic_images,
        start_from=find_stage(start_from, stages) if start_from else None,
        keep_embeddings=keep_embeddings,
        set_names=tuple(spec.name for spec in parameters.synthetic),
    )


def find_stage(text: str, stages: Sequence[Chapter]) -> str:
    """The name of the stage that `text` stands for: its name ("03_privacy") or its number ("03", "3").

    Raises
    ------
    InputError
        No stage is called so.
    """
    for stage in stages:
        number = stage.name.split("_")[0]
        if text in (stage.name, number, number.lstrip("0")):
            return stage.name
    raise InputError(f"stage {text!r} does not exist; choose one of {', '.join(stage.name for stage in stages)}")


def notebooks_folder() -> Path:
    """Where the notebooks are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise RunError(f"the notebooks are neither in {package} nor beside it; install the package again")


def _check_files(parameters: ReportParameters) -> None:
    """Open what late notebooks read, in a subprocess: torch would hold its memory in this one to the end of the run."""
    if not input_paths(parameters):
        return
    search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search))}
    command = [sys.executable, "-m", "sface_lib.chapters.inputs"]
    request = json.dumps(parameters.model_dump(mode="json"))
    completed = subprocess.run(command, env=environment, input=request, capture_output=True, text=True)
    if completed.returncode:
        raise InputError(completed.stderr.strip().splitlines()[-1])
