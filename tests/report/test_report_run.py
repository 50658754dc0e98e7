"""What holds of the run folder and the page of any finished `smoke` report: one is made, and all of these read it.

SFACE_RUN is its folder. `.ci/run` makes one from the wheel; by hand: `sface report --profile smoke --out <folder>`.
"""

import os
import re
from pathlib import Path

import pandas as pd
import pytest
from browser import chromium, faults, opened

from sface_lib.files import read_json, sha256_of_file
from sface_lib.report.plan import plan_report
from sface_lib.report.runner import run_report
from sface_lib.run.contents import describe_path
from sface_lib.run.current import sources_made_anew
from sface_lib.run.folder import RunFolder, read_record

pytestmark = pytest.mark.processes
MOST_BYTES = 12 * 2**20  # Of a page.


@pytest.fixture(scope="module")
def run() -> Path:
    named = os.environ.get("SFACE_RUN")
    if not named:
        pytest.skip("SFACE_RUN is not set")
    if not (Path(named) / "report.html").is_file():
        pytest.fail(f"SFACE_RUN is {named}, which holds no report.html")
    return Path(named)


@pytest.fixture(scope="module")
def page(run) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stages(run) -> list[str]:
    return list(RunFolder(run).stages)


def test_all_seven_notebooks_are_done_and_were_made_from_one_another(run, stages):
    assert [name[:2] for name in stages] == ["01", "02", "03", "04", "05", "06", "07"]
    assert {each.state for each in RunFolder(run).stages.values()} <= {"done", "reused"}
    assert {name: sources_made_anew(run, read_record(run, name)) for name in stages} == dict.fromkeys(stages, [])


def test_the_manifest_names_every_output_by_its_contents(run):
    stages = read_json(run / "manifest.json")["stages"].values()
    outputs = {name: facts for stage in stages for name, facts in stage["outputs"].items()}
    assert len(outputs) > 150
    assert {name: describe_path(run / name) for name in outputs} == outputs


def test_embeddings_of_faces_are_gone(run):
    assert not (run / "work" / "embeddings").exists()


def test_every_figure_and_table_of_the_page_lies_beside_it(run, page):
    figures = {path.stem for path in (run / "figures").glob("*.png")}
    assert len(figures) > 20 and figures == set(re.findall(r'<figure[^>]* id="([^"]+)"', page))
    tables = set(re.findall(r'<table[^>]* id="([^"]+)"', page))
    assert len(tables) > 30 and [name for name in tables if not len(pd.read_csv(run / "results" / f"{name}.csv"))] == []


def test_no_cell_of_a_table_is_a_python_value_that_was_not_put_in_words(page):
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", page)
    odd = [text for text in cells if re.search(r"\b(nan|NaN|None|True|False|inf)\b|<NA>|\d{12}", text)]
    assert len(cells) > 1000 and odd == []


def test_the_page_asks_for_nothing_and_is_small_enough_to_be_mailed(run, page):
    assert not re.search(r'(?:src|href)="(?:https?:)?//(?!doi\.org|arxiv\.org|openaccess)[^"]*\.(?:js|css|png)', page)
    assert (run / "report.html").stat().st_size <= MOST_BYTES


def test_nothing_is_wrong_with_the_page_in_a_browser(run):
    with chromium() as browser:
        assert faults(browser, run / "report.html") == []
        with opened(browser, run / "report.html") as page:
            shown = set(page.evaluate("[...document.querySelectorAll('figure[id]')].map((each) => each.id)"))
    assert shown == {path.stem for path in (run / "figures").glob("*.png")}


def test_the_same_command_computes_nothing_and_changes_no_result(run, stages):
    """Run last: it writes the page anew."""
    before = {name: sha256_of_file(run / "results" / f"{name}.json") for name in stages}
    assert run_report(plan_report("smoke", {}, out=str(run))) == 0
    assert {each.state for each in RunFolder(run).stages.values()} == {"reused"}
    assert {name: sha256_of_file(run / "results" / f"{name}.json") for name in stages} == before
