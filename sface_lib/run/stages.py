"""The seven stages, in order, and which earlier ones each of them reads."""

from dataclasses import dataclass
from pathlib import Path

from sface_lib.errors import InputError, RunError

HANDED_OVER = ("data/", "weights/")  # Folders of what a stage writes for others.


@dataclass(frozen=True)
class StageSpec:
    """One notebook of the report.

    Attributes
    ----------
    name
        The notebook's name without suffix, e.g. "02_generation".
    title
        Its heading in tables and where the notebook could not be read.
    needs
        Names of the earlier stages whose results or files it reads; a change in one of them makes it run again.
    files_only
        Those of them whose files it reads and no results: what they measured and how fast may change.
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()
    files_only: tuple[str, ...] = ()


_DATA, _GENERATION, _PRIVACY, _TRAINING, _EVALUATION, _ATTRIBUTES = (
    "01_data", "02_generation", "03_privacy", "04_training", "05_evaluation", "06_attributes"
)  # fmt: skip
_BOTH_SETS = (_DATA, _GENERATION)
STAGES = (
    StageSpec(_DATA, "Data"),
    StageSpec(_GENERATION, "Generation", (_DATA,), (_DATA,)),
    StageSpec(_PRIVACY, "Privacy", _BOTH_SETS, _BOTH_SETS),
    StageSpec(_TRAINING, "Training", (*_BOTH_SETS, _PRIVACY), (*_BOTH_SETS, _PRIVACY)),
    StageSpec(_EVALUATION, "Evaluation", (*_BOTH_SETS, _PRIVACY, _TRAINING), _BOTH_SETS),
    StageSpec(_ATTRIBUTES, "Attributes", (*_BOTH_SETS, _EVALUATION), (*_BOTH_SETS, _EVALUATION)),
    StageSpec("07_summary", "Summary", (*_BOTH_SETS, _PRIVACY, _TRAINING, _EVALUATION, _ATTRIBUTES)),
)


def find_stage(text: str, stages: tuple[StageSpec, ...] = STAGES) -> str:
    """The name of the stage that `text` stands for: its name ("03_privacy") or its number ("03", "3").

    Raises
    ------
    InputError
        No stage is called so.
    """
    for spec in stages:
        number = spec.name.split("_")[0]
        if text in (spec.name, number, number.lstrip("0")):
            return spec.name
    raise InputError(f"stage {text!r} does not exist; choose one of {', '.join(s.name for s in stages)}")


def notebooks_folder() -> Path:
    """Where the notebooks are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise RunError(f"the notebooks are neither in {package} nor beside it; install the package again")
