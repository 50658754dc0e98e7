"""Whether the numbers of `smoke` are still those of an earlier commit, after a change of structure: run by hand.

    python tests/golden/compare.py [COMMIT]

runs the profile (float32, two threads) from the reference commit, once, and from COMMIT (by default HEAD; `.` is the
working tree as it lies), each in a worktree below `runs/golden/`, and compares every value in the results of both,
timings aside.
"""

import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REFERENCE = "f8fd01a"
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "runs" / "golden"
TIMINGS = ("seconds", "images_per_second", "images/s")
# Values that moved: a pattern of their path -> where they stand now (None: gone, with the reason beside).
RENAMED: dict[str, str | None] = {
    r"^(01_data.json/)embedded$": r"\1rendered",
    r"^(03_privacy.json/)verifier_embedded$": r"\1verifier_shipped",
    r"^(03_privacy.json/remedy/\d+/)control images above$": r"\1fmr",
    r"^(03_privacy.json/remedy/\d+/)on the other half$": r"\1tested_fmr",
    r"^(03_privacy.json/remedy/\d+/)link AUC$": r"\1link_auc",
    r"^(03_privacy.json/remedy/\d+/)link EER$": r"\1link_eer",
    r"^(03_privacy.json/remedy/\d+/)rank 1$": r"\1rank1",
    r"^(03_privacy.json/claims/\d+/)90 % (low|high)$": r"\1\2",
    r"^(03_privacy.json/claims/\d+/)p, corrected$": r"\1p_corrected",
    r"^06_attributes.json/ran$": None,  # `found` is null where it did not.
    r"^06_attributes.json/": "06_attributes.json/found/",
    r"^(06_attributes.json/found/directed/\d+/)KL\(p \|\| q\)$": r"\1sum_over_variables",
    r"^(06_attributes.json/found/directed/\d+/)p-value$": r"\1p_value",
    r"^(06_attributes.json/found/directed/\d+/)joint KL\(p \|\| q\)$": r"\1joint",
    r"^(06_attributes.json/found/directed/\d+/)95 % (low|high)$": r"\1\2",
    r"^(06_attributes.json/found/directed/\d+/)AUC$": r"\1auc",
    r"^(06_attributes.json/found/directed/\d+/)calibration error$": r"\1calibration_error",
}


def run(commit: str) -> Path:
    """Run the profile from a commit; give the folder of its results. The reference's run is kept."""
    home = FOLDER / (commit if commit == REFERENCE else "changed")
    results, code = home / "run" / "results", ROOT if commit == "." else home / "code"
    if commit == REFERENCE and (results / "07_summary.json").exists():
        return results
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if commit != ".":
        subprocess.run(["git", "-C", ROOT, "worktree", "prune"], check=True)
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", code, commit], check=True)
    environment = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "sface_lib.cli", "report", "--profile", "smoke", "--set", "precision=float32"]
    subprocess.run([*command, "--out", str(home / "run")], cwd=home, env=environment, check=True)
    return results


def values_in(folder: Path) -> dict[str, Any]:
    """Every value of the results: path, such as "03_privacy.json/shuffle/raw pixels/p" or "x.csv/3/EER", -> value."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        found |= dict(_leaves(path.name, json.loads(path.read_text())["results"]))
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as stream:
            found |= dict(_leaves(path.name, dict(enumerate(csv.DictReader(stream)))))
    return found


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{path}/{key}", item)
    elif not path.endswith(TIMINGS):
        yield path, value


def renamed(path: str) -> str | None:
    """Where a value of the reference stands now."""
    for old, new in RENAMED.items():
        if re.search(old, path):
            if new is None:
                return None
            path = re.sub(old, new, path)
    return path


def same(one: Any, other: Any) -> bool:
    """Equal; numbers as numbers, so that 1 and "1.0" are."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-12, abs_tol=0) or one == other
    except (TypeError, ValueError):
        return one == other


def main() -> int:
    """Compare, and say what differs."""
    before, after = values_in(run(REFERENCE)), values_in(run(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
    moved = {path: renamed(path) for path in before}
    gone = [path for path, now in moved.items() if now is None]
    missing = [path for path, now in moved.items() if now is not None and now not in after]
    differing = [path for path, now in moved.items() if now in after and not same(before[path], after[now])]
    new = sorted(set(after) - set(moved.values()))
    for path in missing:
        print(f"missing  {path}")
    for path in differing:
        print(f"differs  {path}: {before[path]!r} is now {after[moved[path]]!r}")
    if new:
        print(f"new      {len(new)} values", *new[:20], sep="\n         ")
    print(
        f"{len(before) - len(gone) - len(missing) - len(differing):,} of {len(before):,} values are the same, "
        f"{len(differing)} differ, {len(missing)} are missing, {len(gone)} are gone on purpose"
    )
    return int(bool(missing or differing))


if __name__ == "__main__":
    sys.exit(main())
