"""Seconds of a whole report, notebook by notebook, and what they go into.

Start-up is the kernel's start and the cells that import; drawing is the cells that make figures, pictures or tables;
the rest computes, decoding included. What is asked is for two cores with AVX2.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rows import Rows, asked

from sface_lib.files import read_json

MOST_SECONDS = {"smoke": 150, "quick": 600}
DRAWN = ("stage.figure(", "stage.picture(", "stage.table(")


def measure(rows: Rows) -> None:
    """Rows of each profile: the whole, then each notebook."""
    for profile, most in MOST_SECONDS.items():
        with TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            rows.row(f"{profile}, all notebooks", lambda r=run, p=profile, m=most: report(r, p, m))
            for path in sorted((run / "notebooks").glob("0*.ipynb")):
                rows.row(f"{profile}, {path.stem}", lambda path=path: notebook(path))


def report(run: Path, profile: str, most: float) -> dict:
    """Make the report of a profile; the seconds of all its notebooks."""
    command = [sys.executable, "-m", "sface_lib.cli", "report", "--profile", profile, "--out", str(run)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    stages = read_json(run / "status.json")["stages"].values()
    return asked({"s": float(sum(stage["seconds"] for stage in stages))}, "s", at_most=most)


def notebook(path: Path) -> dict[str, float]:
    """Seconds of one that ran, and of its parts."""
    found = json.loads(path.read_text(encoding="utf-8"))
    total, drawing, importing, cells = found["metadata"]["papermill"]["duration"], 0.0, 0.0, 0.0
    for source, seconds in _cells(found):
        cells += seconds
        if any(call in source for call in DRAWN):
            drawing += seconds
        elif source.lstrip().startswith(("from ", "import ")):
            importing += seconds
    return {
        "s": total,
        "computing": cells - drawing - importing,
        "drawing": drawing,
        "start-up": total - cells + importing,
    }


def _cells(notebook: dict) -> Iterator[tuple[str, float]]:
    for cell in notebook["cells"]:
        if seconds := cell["metadata"].get("papermill", {}).get("duration"):
            yield "".join(cell["source"]), seconds
