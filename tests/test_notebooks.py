"""The notebooks keep the house rules, and set the parameters that their stage reads."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from sface_lib.parameters import ReportParameters, stage_parameters
from sface_lib.run.stages import STAGES

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = [spec.name for spec in STAGES]


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_there_is_one_notebook_for_each_stage():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_first_code_cell_sets_exactly_the_stages_parameters_to_their_defaults(name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert [i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])] == [0]
    tree = ast.parse(code[0].source)
    found = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}
    assert found.pop("run_dir") == "runs/interactive"
    defaults = stage_parameters(ReportParameters(), name)
    if "show_authentic_images" in defaults:
        defaults["show_authentic_images"] = None  # Unset: the stage settles it by the set that is opened.
    assert found == defaults


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_an_execution_is_kept(name):
    notebook = read(name)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_its_question_and_ends_by_recording_its_results(name):
    cells = read(name).cells
    assert re.match(r"# \d \w+\n\n\*\*[^*]+\?\*\*", cells[0].source)
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert "stage.finish(" in code[-1].source
    assert all(len(cell.source.splitlines()) <= 30 for cell in code[1:])


@pytest.mark.parametrize("name", NAMES)
def test_no_result_is_typed_into_prose(name):
    """Prose may name definitions such as 50 % or rank 1, never a measured share with decimals."""
    prose = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    assert re.findall(r"\d+\.\d+ ?%|\b0\.\d{2,}", prose) == []
