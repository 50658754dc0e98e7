"""What the user sees when a run goes wrong: message, status, page, exit code."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from report_workshop import STAGES

from sface_lib import files
from sface_lib.errors import RunError
from sface_lib.run import Chapter
from sface_lib.run.folder import EMBEDDINGS, RunFolder

REPOSITORY = Path(__file__).parents[2]
THREE = (*STAGES, Chapter("93_third", "Third", reads=STAGES[1:]))


def fail_first(workshop, cell):
    """Run a report whose first notebook has `cell`."""
    workshop.usual_notebooks().notebook("91_first", cell, "stage.finish()")
    return workshop.run()


def test_the_first_failure_stops_the_chain_and_the_page_shows_the_failing_cell_on_top(workshop):
    workshop.usual_notebooks().notebook("92_second", "raise ValueError('no <b>luck</b>')", "stage.finish()")
    workshop.notebook("93_third", "stage.finish()")
    code, printed = workshop.run(stages=THREE)
    assert (code, workshop.states()) == (1, ["done", "failed", "not run"])
    assert "92_second failed: ValueError: no <b>luck</b>" in printed
    assert workshop.status()["93_third"]["reason"] == "92_second failed"
    page = workshop.page()
    top = page[: page.index('<section class="stage"')]
    assert "The run stopped in 92_second" in top and "Traceback" in top
    assert "no &lt;b&gt;luck&lt;/b&gt;" in top and "<b>luck</b>" not in page
    assert "Cell 5 of the notebook" in top and "ValueError</span>" in top  # The highlighted source.

    workshop.notebook("92_second", "stage.finish()")
    assert workshop.run(stages=THREE)[0] == 0
    assert workshop.states() == ["reused", "done", "done"]  # Nothing computed was lost.


def test_sys_exit_in_a_cell_is_a_failure(workshop):
    code, printed = fail_first(workshop, "import sys; sys.exit(0)")
    assert (code, workshop.states()) == (1, ["failed", "not run"])
    assert "91_first ended before its last cell: a cell called sys.exit" in printed
    assert "a cell called sys.exit" in workshop.page()


def test_sys_exit_with_a_code_is_a_failure_too(workshop):
    code, printed = fail_first(workshop, "import sys; sys.exit(3)")
    assert code == 1 and "a cell called sys.exit(3)" in printed


def test_a_notebook_that_never_finishes_its_stage_has_failed(workshop):
    workshop.notebook("91_first", "1")
    code, printed = workshop.run(stages=STAGES[:1])
    assert code == 1 and "no cell called stage.finish" in printed


def test_an_old_record_does_not_pass_for_a_new_one(workshop):
    workshop.usual_notebooks().run(stages=STAGES[:1])
    workshop.notebook("91_first", "1")
    assert workshop.run(stages=STAGES[:1])[0] == 1
    assert not (workshop.folder / "runs/a/results/91_first.json").exists()


def test_a_killed_kernel_is_told_with_the_remedy(workshop):
    code, printed = fail_first(workshop, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (code, workshop.states()) == (1, ["failed", "not run"])
    assert "the kernel was killed (often the machine ran out of memory); training resumes" in printed
    assert "the kernel was killed" in workshop.page() and "SIGKILL" in workshop.page()


def test_a_crashed_kernel_is_not_called_killed(workshop):
    code, printed = fail_first(workshop, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert code == 1 and "the kernel crashed with SIGSEGV; what it said last is in work/kernel.log" in printed


def test_a_full_disk_met_by_a_cell_is_told_with_the_remedy(workshop):
    code, printed = fail_first(workshop, "with open('/dev/full', 'w') as stream:\n    stream.write('x')")
    assert (code, workshop.states()) == (1, ["failed", "not run"])
    assert "is full: free some space and run the same command again" in printed
    assert "is full: free some space" in workshop.page()


def test_a_full_disk_met_by_the_runner_is_told_and_nothing_computed_is_lost(workshop, monkeypatch):
    workshop.usual_notebooks()
    real = files.write_text

    def write_text(path, text):
        if '"92_second": {\n      "state": "running"' in text:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_text", write_text)
        code, printed = workshop.run()
    assert code == 1 and "is full: free some space and run the same command again" in printed
    assert workshop.run()[0] == 0
    assert workshop.states() == ["reused", "done"]


RUN = """
import sys
from pathlib import Path
from sface_lib.report.plan import ReportPlan
from sface_lib.report.runner import run_report
from sface_lib.run import Chapter
first = Chapter("91_first", "First")
stages = (first, Chapter("92_second", "Second", reads=(first,)))
folder = Path(sys.argv[1])
sys.exit(run_report(ReportPlan(folder / "runs" / "a", stages, folder / "notebooks")))
"""
WAIT = "import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"


def _listen_to_the_keyboard():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(workshop):
    """A run in another process, once its first cell is at work; and the kernel's process id."""
    workshop.usual_notebooks().notebook("91_first", WAIT, "stage.finish()")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", RUN, str(workshop.folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Where the tests themselves run in the background, the keyboard is ignored: the run must not inherit that.
    process = subprocess.Popen(command, env=environment, preexec_fn=_listen_to_the_keyboard, **pipes)
    file = workshop.folder / "runs/a/pid"
    deadline = time.monotonic() + 30
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, int(file.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
def test_ctrl_c_stops_the_kernel_and_still_makes_the_page(workshop, number):
    process, kernel = start(workshop)
    process.send_signal(number)
    printed, complaints = process.communicate(timeout=30)
    assert process.returncode == 130, complaints
    assert "91_first interrupted: it was stopped from the keyboard" in printed and complaints == ""
    assert workshop.states() == ["interrupted", "not run"]
    assert "The run stopped in 91_first" in workshop.page()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_a_second_run_in_the_same_folder_is_refused_with_the_holder_named(workshop):
    process, _ = start(workshop)
    try:
        with pytest.raises(RunError, match=rf"Another run \(process {process.pid}, started .*\) is using .*--out"):
            workshop.run()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_run_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="cannot write in .*choose another folder with --out"),
        RunFolder(tmp_path / "file" / "run").locked(),
    ):
        pass


def test_a_damaged_status_file_counts_as_none(tmp_path):
    (tmp_path / "status.json").write_text('{"stages": [')
    assert RunFolder(tmp_path).stages == {}


KEEP = "(stage.embeddings / 'model').mkdir(parents=True)\n(stage.embeddings / 'model/0.safetensors').write_text('rows')"
NEEDS = "assert (stage.embeddings / 'model/0.safetensors').exists()"


def test_embeddings_are_there_for_all_stages_and_go_with_the_end_of_the_run(workshop):
    workshop.usual_notebooks().notebook("91_first", KEEP, "stage.finish()")
    workshop.notebook("92_second", NEEDS, "stage.finish()")
    assert workshop.run()[0] == 0
    assert not (workshop.folder / "runs/a" / EMBEDDINGS).exists()
    assert workshop.run("b", keep_embeddings=True, start_from="91_first")[0] == 0  # As they were asked for.
    assert (workshop.folder / "runs/b" / EMBEDDINGS / "model/0.safetensors").exists()


def test_a_run_that_failed_has_its_embeddings_when_it_goes_on(workshop):
    workshop.usual_notebooks().notebook("91_first", KEEP, "stage.finish()")
    workshop.notebook("92_second", "raise ValueError", "stage.finish()")
    assert workshop.run()[0] == 1
    workshop.notebook("92_second", NEEDS, "stage.finish()")
    assert workshop.run()[0] == 0 and workshop.states() == ["reused", "done"]
    assert not (workshop.folder / "runs/a" / EMBEDDINGS).exists()
