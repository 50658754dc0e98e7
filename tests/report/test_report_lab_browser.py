"""The notebooks in a real JupyterLab: every cell runs, errors are sentences, and widgets move."""

import functools

import pytest
from browser import chromium
from real_lab import errors_in, jupyterlab, run_all

from sface_lib.report.lab import prepare
from sface_lib.report.plan import plan_report

pytestmark = [pytest.mark.slow, pytest.mark.processes]

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


SEE_ALL = """async () => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    for (let cell = 0; cell < notebook.widgets.length; cell++) {
        await notebook.scrollToItem(cell);
        await new Promise((done) => setTimeout(done, 150));
    }
}"""  # Cells out of sight are not drawn.
WIDGETS = {
    "02_generation": ("slider",),
    "03_privacy": ("slider", "button.sface-face-3"),
    "06_attributes": ("select",),
}


def move_all(widgets: tuple[str, ...], page) -> None:
    """Draw the whole notebook, and move these widgets of it."""
    page.evaluate(SEE_ALL)
    for widget in widgets:
        move(page, widget)


def move(page, widget: str) -> None:
    """Move one of the widgets of a notebook, and see that what it shows changes."""
    control = page.locator(".jp-OutputArea " + {"slider": ".noUi-handle"}.get(widget, widget)).first
    box = control.locator("xpath=ancestor::div[contains(@class, 'jp-OutputArea-output')][1]")
    before = box.inner_html()
    if widget == "slider":
        control.press("ArrowRight")
    elif widget == "select":
        control.select_option(index=1)
    else:
        control.click()
    for _ in range(50):
        if box.inner_html() != before:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{widget} changed nothing")


@pytest.mark.nightly
@pytest.mark.timeout(60 * MINUTES)
def test_every_notebook_runs_in_jupyterlab_and_its_widgets_move(browser, start):
    with jupyterlab(start.parent) as address:
        for notebook in sorted(start.parent.glob("0[1-7]*.ipynb")):
            act = functools.partial(move_all, WIDGETS.get(notebook.stem, ()))
            assert errors_in(run_all(browser, address, notebook, 60 * MINUTES, act)) == [], notebook.name
