"""A folder as chapters hand over through it, without a run."""

from pathlib import Path
from typing import Any

from sface_lib.chapters.study import Study, open_study


class StageFolder:
    """As much of a stage as files handed over, and a study, need."""

    def __init__(self, folder: Path, **parameters: Any):
        self.folder, self.parameters = folder, type("Parameters", (), parameters)

    def output(self, name: str) -> Path:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    input = output

    def inputs(self, start: str) -> list[str]:
        return sorted(f"data/{path.name}" for path in self.folder.glob(f"{start}*"))

    def study(self) -> Study:
        return open_study(self.parameters, self.input)
