"""The log of a training, and the check that its values are finite."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from sface_lib.errors import TrainingError
from sface_lib.files import atomic_path


class JsonLines:
    """A log of one JSON object a line; `resume_at` drops what was logged after the step training resumes from."""

    def __init__(self, path: Path, resume_at: int = 0):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read_log(path) if row["step"] <= resume_at]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def write(self, **row: Any) -> None:
        """Append one row; it must hold `step`."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log; a last line cut short by a killed process is left out, a missing file is an empty log."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def require_finite(values: dict[str, float], step: int) -> None:
    """Stop with `TrainingError` naming the step and the value when one is NaN or infinite."""
    for name, value in values.items():
        if not np.isfinite(value):
            raise TrainingError(
                f"{name} became {value} at step {step}; the last checkpoint, if there is one, stands: run again with "
                "precision=float32, or anew, in another folder, with a lower learning rate"
            )
