"""A stage's key holds the code that it executes, and no other."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from sface_lib.chapters.registry import CHAPTERS
from sface_lib.run import code
from sface_lib.run.code import CHILD, LIBRARY, code_hash, executed_modules, modules_in

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TRAINING = next(chapter for chapter in CHAPTERS if chapter.name == "04_training")
# A process for each chapter, begun with packages that load nothing of the library.
IMPORTED = """
import ast, importlib, json, os, sys
import accelerate, matplotlib.pyplot, pandas, pyarrow.parquet, scipy.stats, sklearn.metrics, torch, IPython
def loaded(modules, sources):
    for module in modules:
        importlib.import_module(module)
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(compile(ast.Module([node], []), "cell", "exec"), {})
    return [name for name in sys.modules if name.split(".")[0] == "sface_lib"]
assert loaded([], []) == []
for name, given in json.loads(sys.stdin.read()).items():
    if os.fork() == 0:
        print(json.dumps([name, loaded(*given)]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


def cells(chapter):
    notebook = nbformat.read(NOTEBOOKS / f"{chapter.name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def imported(chapter):
    return ["sface_lib.run", *modules_in(chapter.package)]


@pytest.fixture(scope="module")
def by_python() -> dict[str, set[str]]:
    """What Python itself loads of the library, by chapter."""
    asked = json.dumps({each.name: [imported(each), cells(each)] for each in CHAPTERS})
    command = [sys.executable, "-c", IMPORTED]
    told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    return {name: set(modules) for name, modules in map(json.loads, told.splitlines())}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A copy of the library, to be edited."""
    folder = tmp_path_factory.mktemp("copy") / "sface_lib"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("__pycache__", "*.zip", "notebooks"))
    return folder


def edited(path: Path) -> str:
    """Add a comment to a file; give its text before."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\n/* edited */\n" if path.suffix == ".css" else text + "\n# edited\n", encoding="utf-8")
    return text


@pytest.mark.slow
@pytest.mark.processes
def test_the_modules_found_are_those_that_python_loads(by_python):
    for chapter in CHAPTERS:
        assert executed_modules(imported(chapter), cells(chapter)) == by_python[chapter.name], chapter.name


@pytest.mark.slow
@pytest.mark.processes
def test_editing_a_module_changes_the_keys_of_the_stages_that_execute_it_and_of_no_other(by_python, library):
    def hashes():
        return {each.name: code_hash(imported(each), cells(each), library) for each in CHAPTERS}

    before = hashes()
    for path in random.Random(19).sample(sorted(library.rglob("*.py")), 30):
        parts = path.relative_to(library.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = edited(path)
        changed = {stage for stage, found in hashes().items() if found != before[stage]}
        path.write_text(text, encoding="utf-8")
        assert changed == {stage for stage, found in by_python.items() if name in found}, name
    assert hashes() == before


@pytest.mark.parametrize("name", ["report/report.css", "attributes/tally.py", "chapters/attributes/show.py"])
def test_neither_the_page_nor_attribute_code_changes_what_training_depends_on(library, name):
    before = code_hash(imported(TRAINING), cells(TRAINING), library)
    text = edited(library / name)
    assert code_hash(imported(TRAINING), cells(TRAINING), library) == before
    (library / name).write_text(text)


def test_a_shipped_file_counts_where_it_is_named(library):
    def hashed():
        return code_hash([], ['from sface_lib.files import ASSETS\npath = ASSETS / "extra/table.csv"'], library)

    (library / "assets" / "extra").mkdir(parents=True)
    (library / "assets" / "extra" / "table.csv").write_text("1")
    before = hashed()
    (library / "assets" / "extra" / "other.csv").write_text("2")
    assert hashed() == before
    (library / "assets" / "extra" / "table.csv").write_text("3")
    assert hashed() != before


def test_processes_that_a_stage_starts_count_with_what_they_execute():
    assert TRAINING.code_hash({"processes": 1}) == TRAINING.code_hash({}) != TRAINING.code_hash({"processes": 2})
    child = executed_modules([*imported(TRAINING), *modules_in(CHILD)])
    assert {"sface_lib.chapters.training.launch", "sface_lib.engine", f"{CHILD}.__main__"} <= child
    assert "sface_lib.attributes.tally" not in child  # The command line imports what a command needs.


def test_other_versions_of_what_computes_change_the_key(monkeypatch):
    before = code_hash(["sface_lib.run"])
    monkeypatch.setattr(code, "package_versions", lambda _: {"torch": "2.11"})
    assert code_hash(["sface_lib.run"]) != before


def test_a_cell_of_ipython_names_nothing():
    assert executed_modules([], ["%time from sface_lib import data"]) == frozenset()
