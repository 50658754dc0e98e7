"""The notebooks in a real JupyterLab: every cell runs, errors are sentences, and widgets move."""

import pytest
from browser import chromium
from real_lab import errors_in, jupyterlab, run_all

from sface_lib.report.lab import prepare
from sface_lib.report.plan import plan_report

MINUTES = 20


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "run"
    return prepare(plan_report("smoke", {}, str(folder)), "smoke", {})


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.mark.timeout(900)
def test_the_first_notebook_runs_the_next_one_and_builds_the_page(browser, start):
    with jupyterlab(start.parent) as address:
        cells = run_all(browser, address, start, 600)
    assert errors_in(cells) == []
    said = "".join(output.get("text", "") for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    assert "01_data done in" in said and "Report: " in said
    assert "12 identities" in (start.parents[1] / "report.html").read_text()
    privacy = start.parent / "03_privacy.ipynb"
    with jupyterlab(start.parent) as address:  # Before 02 has run: one sentence, and nothing above it.
        (failed,) = [cell for cell in run_all(browser, address, privacy, 300) if cell.get("outputs")]
    (error,) = failed.outputs
    assert "run notebook 02_generation first" in error.evalue and error.traceback == [f"RunError: {error.evalue}"]


@pytest.mark.nightly
@pytest.mark.timeout(60 * MINUTES)
def test_every_notebook_runs_in_jupyterlab(browser, start):
    with jupyterlab(start.parent) as address:
        for notebook in sorted(start.parent.glob("0[1-7]*.ipynb")):
            assert errors_in(run_all(browser, address, notebook, 60 * MINUTES)) == [], notebook.name
