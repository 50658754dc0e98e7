"""How fast this machine is at what the program does: `make bench [ONLY="name name"]`.

Run it on a quiet machine. Each benchmark is a module of its own, whose `measure` adds rows, told as they are measured.
Its numbers go to `docs/speed/<name>.json`, and all of those to the tables of `docs/speed.md`. The exit code is
1 where a row fails, or misses what is asked of it.
"""

import importlib
import json
import sys
from pathlib import Path

from rows import ASKED, FAILED, MACHINE, MET, Rows, failures, machine

NAMES = ("reports", "moments", "privacy", "attributes", "recognition", "generator", "formats")
DOCS = Path(__file__).resolve().parents[2] / "docs"
MADE_BELOW = "<!-- What follows is written by `make bench`. -->\n"


def run(name: str, folder: Path) -> dict:
    """All rows of a benchmark, measured anew."""
    path = folder / f"{name}.json"
    path.unlink(missing_ok=True)
    rows = Rows(path)
    rows.row(MACHINE, machine)
    importlib.import_module(name).measure(rows)
    return rows.rows


def tables(folder: Path) -> str:
    """The tables of all benchmarks that were run, as Markdown."""
    paths = [folder / f"{name}.json" for name in NAMES]
    return "\n".join(table(path.stem, json.loads(path.read_text())) for path in paths if path.exists())


def table(name: str, rows: dict) -> str:
    """A heading, what measured, and a line for each row."""
    told = dict(rows)
    about = {key: value for key, value in told.pop(MACHINE).items() if key != "row_seconds"}
    head = f"## {name.capitalize()}\n\n{', '.join(_cell(key, value) for key, value in about.items())}.\n"
    lines = ["| what | measured | asked |", "|---|---|---|"]
    for what, row in told.items():
        values = {key: value for key, value in row.items() if key not in ("row_seconds", ASKED, MET, FAILED)}
        measured = "**failed**" if FAILED in row else "; ".join(_cell(key, value) for key, value in values.items())
        bar = row.get(ASKED, "") + ("" if row.get(MET, True) else ": **not met**")
        lines.append(f"| {what} | {measured} | {bar} |")
    return "\n".join([head, *lines]) + "\n"


def _cell(key: str, value: object) -> str:
    if not isinstance(value, float):
        return f"{key}: {value}"
    return f"{key}: {value:,.0f}" if abs(value) >= 1000 else f"{key}: {value:.3g}"


def publish(docs: Path = DOCS) -> None:
    """Write the tables below the mark of `speed.md`."""
    path = docs / "speed.md"
    own = path.read_text(encoding="utf-8").partition(MADE_BELOW)[0]
    path.write_text(own + MADE_BELOW + "\n" + tables(docs / "speed"), encoding="utf-8")


def main(names: list[str]) -> int:
    """Run all benchmarks, or those named."""
    if unknown := set(names) - set(NAMES):
        print(f"there is no benchmark {sorted(unknown)[0]!r}; choose of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    missed = []
    for name in names or NAMES:
        missed += failures(run(name, DOCS / "speed"))
    publish()
    print("\n".join(missed or ["every row is measured, and none misses what is asked of it"]))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
