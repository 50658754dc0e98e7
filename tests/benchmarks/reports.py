"""Seconds of a whole report and of each of its notebooks; what is asked is for two cores with AVX2."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rows import Rows, asked

from sface_lib.files import read_json

MOST_SECONDS = {"smoke": 150, "quick": 600}


def measure(rows: Rows) -> None:
    """A row for each profile."""
    for profile, most in MOST_SECONDS.items():
        rows.row(profile, lambda p=profile, m=most: asked(report(p), "s", at_most=m))


def report(profile: str) -> dict[str, float]:
    """Make the report of a profile: seconds of all notebooks together, and of each."""
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "sface_lib.cli", "report", "--profile", profile, "--out", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        stages = {name: float(each["seconds"]) for name, each in read_json(run / "status.json")["stages"].items()}
    return {"s": sum(stages.values())} | stages
