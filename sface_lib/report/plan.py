"""What is to be run, settled and checked before anything starts."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sface_lib import parameters as model
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_json
from sface_lib.run.stages import STAGES, StageSpec, find_stage, notebooks_folder

OPENED = (
    "verifier", "second_verifier", "teacher", "identity_model", "generator_weights", "attribute_classifier",
    "attribute_sets", "groups",
)  # fmt: skip
OPEN = """
import sys
from sface_lib.errors import SfaceError
from pathlib import Path
from sface_lib.attributes import open_classifier
from sface_lib.data import open_faces
from sface_lib.generator.launch import open_pair
from sface_lib.parameters import parse_paths
from sface_lib.recognition import open_model
from sface_lib.chapters.handover import read_groups
train = sys.argv[1] == "train"
openers = {
    "generator_weights": lambda path: open_pair(Path(path), train),
    "attribute_classifier": open_classifier,
    "attribute_sets": lambda paths: [open_faces(path) for path in parse_paths(paths)],
    "groups": read_groups,
}
try:
    for given in sys.argv[2:]:
        name, path = given.split("=", 1)
        openers.get(name, open_model)(path)
except SfaceError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True)
class ReportPlan:
    """One report to be made.

    Attributes
    ----------
    folder
        The run folder.
    stages
        The stages, in order; each has its notebook `<name>.ipynb` in `notebooks`.
    parameters, inputs
        For each stage its parameters, and those of them that are files or folders outside the run folder.
    parameter_rows
        For the report's table: dicts of name, value, default, description.
    show_authentic_images
        Whether names and pictures of authentic identities may stand in the report.
    start_from
        The first stage to compute even where it could be reused.
    """

    folder: Path
    stages: tuple[StageSpec, ...]
    notebooks: Path
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    parameter_rows: tuple[Mapping[str, Any], ...] = ()
    profile: str = "own"
    show_authentic_images: bool = False
    start_from: str | None = None


def plan_report(
    profile: str, overrides: Mapping[str, str], out: str | None = None, start_from: str | None = None
) -> ReportPlan:
    """Check the parameters and settle folder and stages.

    Parameters
    ----------
    profile
        Name of a profile.
    overrides
        Values, as text, of parameters that differ from the profile.
    out
        The run folder; by default `runs/<profile>-<hash of the parameters>`.
    start_from
        Number or name of the first stage to compute in any case.

    Raises
    ------
    ParameterError, InputError
        A parameter or stage does not exist, or a value is not allowed; or a model, set of attributes or table of groups
        that is given cannot be read: known now, not after the generator's training.
    """
    parameters = model.build_parameters(profile, dict(overrides))
    _check_files(parameters)
    values = parameters.model_dump(mode="json")
    digest = sha256_of_json(values)
    rows = ({**row, "value": values[row["name"]]} for row in model.describe_parameters())
    return ReportPlan(
        folder=Path(out or f"runs/{profile}-{digest[:8]}").expanduser().resolve(),
        stages=STAGES,
        notebooks=notebooks_folder(),
        parameters={spec.name: model.stage_parameters(parameters, spec.name) for spec in STAGES},
        inputs={spec.name: model.input_paths(parameters, spec.name) for spec in STAGES},
        parameter_rows=tuple(rows),
        profile=profile,
        show_authentic_images=bool(values.get("show_authentic_images")),
        start_from=find_stage(start_from) if start_from else None,
    )


def _check_files(parameters: model.ReportParameters) -> None:
    """Open what late notebooks read, in a process of its own: torch would fill this one to the end of the run."""
    given = {name: getattr(parameters, name) for name in OPENED}
    paths = [f"{name}={path}" for name, path in given.items() if path not in model.PATH_PARAMETERS.get(name, ("",))]
    if paths:
        search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search))}
        command = [sys.executable, "-c", OPEN, "train" if parameters.total_kimg else "sample", *paths]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True)
        if answer.returncode:
            raise InputError(answer.stderr.strip().splitlines()[-1])
