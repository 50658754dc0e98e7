"""A part of the library uses only the parts above it, and no two modules need each other."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sface_lib"
# From the ground up; CONTRIBUTING.md tells the same order.
PARTS = (
    "errors", "files", "registry", "unpickle", "otherfiles", "processes", "engine", "biometrics", "data", "matching",
    "recognition", "population", "generators", "privacy", "attributes", "run", "chapters", "report", "cli",
)  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], anywhere: bool) -> Iterator[str]:
    """Modules of the library that a file imports: at its top, or anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == "sface_lib":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "sface_lib")


def part(module: str) -> str:
    return (module.split(".") + [""])[1]


@pytest.mark.slow
def test_no_part_imports_one_below_it():
    known = modules()
    assert {part(name) for name in known} - {""} == set(PARTS)
    wrong = [
        f"{name} imports {other}"
        for name, path in known.items()
        for other in imports(path, known, anywhere=True)
        if part(name) and part(other) and PARTS.index(part(other)) > PARTS.index(part(name))
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    """Packages are left out: what they gather is below them."""
    known = modules()
    graph = {name: set(imports(path, known, anywhere=False)) for name, path in known.items() if path.stem != "__init__"}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_the_command_line_starts_without_the_libraries_that_take_seconds():
    """`sface report` stays in memory beside its kernels, and `sface --help` should answer at once."""
    slow = ["torch", "pandas", "sklearn", "scipy.stats", "matplotlib"]
    code = f"import sys, sface_lib.cli; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_module_that_imports_one_below_it_is_found(tmp_path):
    (tmp_path / "x.py").write_text(
        "import numpy\nfrom sface_lib import report\ndef f():\n    from sface_lib.cli import main\n"
    )
    assert list(imports(tmp_path / "x.py", modules(), anywhere=True)) == ["sface_lib.report", "sface_lib.cli"]
    assert list(imports(tmp_path / "x.py", modules(), anywhere=False)) == ["sface_lib.report"]


def test_contributing_tells_the_same_order():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = ", ".join(f"`{name}`" for name in PARTS)
    assert told in " ".join(text.split())


@pytest.mark.slow
def test_notebooks_start_without_what_few_of_them_need():
    """Each is a process of its own, and torchvision imports the compiler of torch: seconds, six times a report."""
    heavy = ["torchvision", "torch._dynamo"]
    code = "import sys; from sface_lib.chapters.registry import CHAPTERS; import importlib\n"
    code += "for each in CHAPTERS: importlib.import_module(f'{each.package}.compute')\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "[]\n", answer.stdout + answer.stderr
