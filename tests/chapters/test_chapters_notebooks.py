"""The notebooks keep the house rules, and set the parameters that their stage reads."""

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from papermill.inspection import inspect_notebook

from sface_lib.chapters.notebooks import write_parameter_cells
from sface_lib.chapters.registry import CHAPTERS
from sface_lib.report.lab import START
from sface_lib.run.parameters import describe

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = [chapter.name for chapter in CHAPTERS]


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_there_is_one_notebook_for_each_stage_and_one_to_start_from():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == [START, *NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_code_cell_sets_exactly_the_stages_parameters_to_their_defaults(name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert [i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])] == [0]
    tree = ast.parse(code[0].source)
    found = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}
    assert found.pop("run_dir") == "runs/interactive"
    fields = next(chapter for chapter in CHAPTERS if chapter.name == name).parameters.model_fields
    assert found == {name: field.default for name, field in fields.items()}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_papermill_tells_each_parameters_meaning_and_range(chapter, tmp_path):
    """As `papermill --help-notebook` shows them; the cell is the one that `make notebooks` writes."""
    told = inspect_notebook(str(FOLDER / f"{chapter.name}.ipynb"))
    assert list(told) == ["run_dir", *chapter.parameters.model_fields]
    for row in describe(chapter.parameters):
        limits = row["range"].replace(">=", "≥").replace("<=", "≤")
        assert told[row["name"]]["help"].startswith(row["description"]) and limits in told[row["name"]]["help"]
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    write_parameter_cells(tmp_path / "notebooks")
    cell = next(
        c for c in nbformat.read(tmp_path / "notebooks" / f"{chapter.name}.ipynb", 4).cells if c.metadata.get("tags")
    )
    assert cell.source == next(c for c in read(chapter.name).cells if c.metadata.get("tags")).source


@pytest.mark.parametrize("name", [START, *NAMES])
def test_nothing_of_an_execution_is_kept(name):
    notebook = read(name)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_its_question_and_ends_by_recording_its_results(name):
    cells = read(name).cells
    assert re.match(r"# \d \w+( \w+)?\n\n\*\*[^*]+\?\*\*", cells[0].source)
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert "stage.finish(" in code[-1].source
    assert all(len(cell.source.splitlines()) <= 20 for cell in code[1:])


@pytest.mark.parametrize("name", [START, *NAMES])
def test_a_name_means_one_thing(name):
    """No cell sets or imports a name that another one has set, but for the `each` of a loop."""
    where: dict[str, set[int]] = {}
    for i, cell in enumerate(read(name).cells):
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            named = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
            named = [found for found in named if found != "each"]
            named += [node.asname or node.name] if isinstance(node, ast.alias) else []
            for found in named:
                where.setdefault(found, set()).add(i)
    assert {found for found, cells in where.items() if len(cells) > 1} == set()


@pytest.mark.parametrize("name", [START, *NAMES])
def test_no_result_is_typed_into_prose(name):
    """Prose may name definitions such as 50 % or rank 1, never a measured share with decimals."""
    prose = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    assert re.findall(r"\d+\.\d+ ?%|\b0\.\d{2,}", prose) == []
