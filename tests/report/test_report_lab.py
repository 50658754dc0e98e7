"""The lab: one set of parameters for all notebooks, which are done and which stale, and the page of them."""

import os
from pathlib import Path

import nbformat
import pytest
from report_workshop import FIRST, Workshop

from sface_lib.errors import RunError
from sface_lib.report.execution import StageFailed
from sface_lib.report.lab import START, Lab, prepare
from sface_lib.report.plan import notebooks_folder, plan_report
from sface_lib.run import Chapter
from sface_lib.run.parameters import Parameters, setting
from sface_lib.run.stage import unfinish

pytestmark = pytest.mark.processes


class Word(Parameters):
    word: str = setting("default", "A word.")


STAGES = (first := Chapter("91_first", "First", Word), Chapter("92_second", "Second", Word, reads=(first,)))
DECLARED = """
from sface_lib.run import Chapter, Stage
from sface_lib.run.parameters import Parameters, setting
from sface_lib.run.stage import unfinish
class Word(Parameters):
    word: str = setting("default", "A word.")
first = Chapter("91_first", "First", Word)
stage = Stage.open({}, globals())
"""
OPENED = {"91_first": "first", "92_second": 'Chapter("92_second", "Second", Word, reads=(first,))'}
ROWS = ({"name": "word", "value": "hello", "default": "default", "description": "A word."},)


@pytest.fixture
def lab(tmp_path):
    workshop = Workshop(tmp_path).usual_notebooks()

    for name, chapter in OPENED.items():
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        opening = next(cell for cell in notebook.cells if "Stage.open" in cell.source)
        opening.source = DECLARED.format(chapter)
        nbformat.write(notebook, path)

    def make(word="hello"):
        parameters = dict.fromkeys(OPENED, {"word": word})
        plan = workshop.plan(stages=STAGES, parameters=parameters, parameter_rows=ROWS)
        return Lab(plan)

    return make


def states(lab):
    return dict(zip(lab.stages["notebook"], lab.stages["state"], strict=True))


def parameters_of(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))


def test_notebooks_are_missing_then_done_and_the_page_shows_them(lab, capsys):
    made = lab()
    assert states(made) == {"91_first": "missing", "92_second": "missing"}
    with pytest.raises(RunError, match="no notebook is done"):
        made.page()
    assert [made.run_next(), made.run_next()] == ["91_first", "92_second"]
    assert states(made) == {"91_first": "done", "92_second": "done"}
    assert made.run_next() is None and "All notebooks are done" in capsys.readouterr().out
    page = made.page().read_text()
    assert (
        "The 91_first notebook" in page and "hello" in page and "Saved without outputs" not in capsys.readouterr().out
    )


def test_another_parameter_makes_a_notebook_stale_and_those_that_read_it(lab):
    for _ in range(2):
        lab().run_next()
    other = lab("goodbye")
    assert states(other) == {"91_first": "stale", "92_second": "stale"}
    assert other.stages["why"].tolist() == ["word was 'hello', and is 'goodbye'"] * 2
    assert other.run_next() == "91_first"
    assert states(other) == {"91_first": "done", "92_second": "stale"}
    assert other.run_next() == "92_second" and set(states(other).values()) == {"done"}
    assert "goodbye" in other.page().read_text()


def test_writing_parameters_keeps_the_other_cells(lab):
    made = lab()
    path = made.write()[0]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source += "\n# mine"
    nbformat.write(notebook, path)
    assert 'word = "hello"' in parameters_of(path) and f'run_dir = "{made.plan.folder}"' in parameters_of(path)
    assert 'word = "goodbye"' in parameters_of(lab("goodbye").write()[0])
    assert "# mine" in nbformat.read(path, as_version=4).cells[-1].source
    assert "default" in (made.plan.notebooks / path.name).read_text()  # The notebooks of the program stay as they are.


def test_a_notebook_that_fails_says_so_and_stays_missing(lab):
    made = lab()
    path = made.write()[0]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-2].source = "raise ValueError('no word')"
    nbformat.write(notebook, path)
    with pytest.raises(StageFailed, match="ValueError: no word"):
        made.run_next()
    assert states(made)["91_first"] == "missing" and path.is_file()
    notebook.cells[-2].source = "stage.output('data/first.txt').write_text(word)"
    nbformat.write(notebook, path)
    assert made.run_next() == "91_first"


def test_a_copy_without_outputs_is_told_of(lab, capsys):
    made = lab()
    made.run_next()
    path = made.plan.folder / "notebooks" / f"{FIRST.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(notebook, path)
    made.page()
    assert "Saved without outputs: 91_first" in capsys.readouterr().out


def test_a_lab_is_prepared_with_its_profile_in_the_first_notebook(tmp_path, monkeypatch):
    changes = {"seed": "3"}
    start = prepare(plan_report("smoke", changes, str(tmp_path / "run")), "smoke", changes)
    copies = sorted(path.stem for path in start.parent.glob("*.ipynb"))
    assert copies == sorted(path.stem for path in notebooks_folder().glob("*.ipynb")) and copies[0] == START
    assert parameters_of(start) == "profile = 'smoke'\nchanges = {'seed': 3}"
    assert "seed = 3 " in parameters_of(start.parent / "04_training.ipynb")
    monkeypatch.chdir(start.parent)
    there = Lab.here("smoke", {"seed": 3})
    assert there.plan.folder == tmp_path / "run" and os.listdir(tmp_path) == ["run"]
    table = there.parameters
    assert table.loc["seed", ["value", "default", "notebooks"]].tolist() == [3, 0, "01, 02, 03, 04, 05, 06"]
    assert table.loc["images_per_class", "allowed"] == "integer; >= 2" and (table["notebooks"] != "").all()


def test_what_was_made_from_an_earlier_version_is_stale(lab):
    made = lab()
    while made.run_next():
        pass
    path = made.plan.folder / "notebooks" / "91_first.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("write_text(word)", "write_text(word + '!')")
    nbformat.write(notebook, path)
    unfinish(made.plan.folder, "91_first")
    assert made.stages["why"].tolist() == ["", "91_first is missing"]
    assert made.run_next() == "91_first"
    assert made.stages["why"].tolist() == ["", "91_first has run again since"]
    assert made.run_next() == "92_second" and set(states(made).values()) == {"done"}


def test_a_copy_that_another_run_holds_too_is_not_written_through(lab):
    """As stages that a report takes over from another run are."""
    made = lab()
    path = made.write()[0]
    elsewhere = made.plan.folder.parent / "other.ipynb"
    os.link(path, elsewhere)
    before = elsewhere.read_text()
    lab("goodbye").write()
    assert elsewhere.read_text() == before and "goodbye" in parameters_of(path)


def test_embeddings_go_when_all_is_done_and_a_copy_without_its_cell_is_named(lab):
    made = lab()
    (folder := made.plan.folder / "work" / "embeddings").mkdir(parents=True)
    made.run_next()
    assert folder.is_dir()
    made.run_next()
    assert not folder.is_dir()
    path = made.plan.folder / "notebooks" / "92_second.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert not [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("tags")]
    nbformat.write(notebook, path)
    with pytest.raises(RunError, match="92_second.ipynb has no cell tagged `parameters`; remove this copy"):
        made.write()
