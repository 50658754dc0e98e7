"""How often the report's tests are wrong, and how often they see what is there: `make simulate [ONLY=name]`.

Persons are drawn from the pool of `simulated_pool.py`, and sets are put together so that the truth is known. Each
simulation is a module of its own, `simulate_<name>.py`, whose docstring heads its table; tables go to
`docs/simulations/<name>.md`.
"""

import importlib
import sys
from pathlib import Path

from counting import Averaged, Counted, as_table
from simulated_pool import PERSONS, judges, make_pool, open_annotated, open_pool

TABLES = Path(__file__).resolve().parents[2] / "docs" / "simulations"
NAMES = (
    "membership", "demographics", "persons", "exposure", "copies", "equivalence", "intervals", "rates", "accuracy",
    "attributes", "drift", "auditor", "family",
)  # fmt: skip


def run(name: str) -> list[Counted | Averaged]:
    """Run a simulation by all judges, or by the attribute classifier, and write its table."""
    module = importlib.import_module(f"simulate_{name}")
    if name in ("attributes", "drift"):
        rows = getattr(module, name)(*(open_annotated(split) for split in PERSONS))
    elif name == "family":
        rows = module.family({judge: open_pool("balanced", judge) for judge in judges()})
    elif name == "auditor":
        pools = [(judge, *(open_pool(split, judge) for split in PERSONS)) for judge in judges()]
        rows = [row for judge, own, other in pools for row in module.auditor(own, judge, other=other)]
    else:
        rows = [row for judge in judges() for row in getattr(module, name)(open_pool("balanced", judge), judge)]
    text = as_table(name, module.__doc__ or "", rows)
    (TABLES / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, flush=True)
    return rows


def main(names: list[str]) -> int:
    """Run all simulations, or those named; 1 where a bar is not met."""
    make_pool()
    TABLES.mkdir(parents=True, exist_ok=True)
    found = [row for name in names or NAMES for row in run(name)]
    return int(not all(row.met for row in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
