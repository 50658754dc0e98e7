"""The seven stages, in order, and which earlier ones each of them reads."""

from dataclasses import dataclass
from pathlib import Path

from sface_lib.errors import InputError, RunError


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
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()


STAGES = (
    StageSpec("01_data", "Data"),
    StageSpec("02_generation", "Generation", ("01_data",)),
    StageSpec("03_privacy", "Privacy", ("01_data", "02_generation")),
    StageSpec("04_training", "Training", ("01_data", "02_generation", "03_privacy")),
    StageSpec("05_evaluation", "Evaluation", ("01_data", "02_generation", "03_privacy", "04_training")),
    StageSpec("06_attributes", "Attributes", ("01_data", "02_generation", "05_evaluation")),
    StageSpec(
        "07_summary",
        "Summary",
        ("01_data", "02_generation", "03_privacy", "04_training", "05_evaluation", "06_attributes"),
    ),
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
