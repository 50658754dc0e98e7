"""Run one notebook with papermill, in a kernel of this very interpreter, and say in words what went wrong."""

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from sface_lib import errors
from sface_lib.errors import SfaceError
from sface_lib.files import atomic_path, full_disk_sentence
from sface_lib.report.progress import Progress
from sface_lib.run.kernel import BATCH

KILLED = (
    "the kernel was killed (often the machine ran out of memory); "
    "training resumes from its last checkpoint when you run the same command again"
)
FULL_DISK = "No space left on device"
KERNEL = {"kernel_name": "python3", "language": "python"}
KERNEL_LOG = Path("work/kernel.log")  # Kernels start in the run folder.
PAPERMILL_TAG = "papermill-error-cell-tag"


class StageFailed(SfaceError):
    """A notebook did not finish.

    Attributes
    ----------
    cell
        Index of the failed cell in the executed notebook; None where no cell is to blame.
    """

    def __init__(self, message: str, cell: int | None):
        super().__init__(message)
        self.cell = cell


class SameInterpreter(AsyncKernelManager):
    """Starts kernels with this interpreter and this `sface_lib`, whatever kernels the user has registered."""

    started: ClassVar[list[Any]] = []  # Popen objects, newest last
    transport_encryption = "auto"
    shutdown_wait_time = 2.0

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command and environment of a kernel."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        path = os.pathsep.join(filter(None, search)).replace("$", "$$")
        metadata = {"supported_encryption": ["curve"]}  # As in the kernel spec of ipykernel.
        return KernelSpec(argv=argv, language="python", env={BATCH: "1", "PYTHONPATH": path}, metadata=metadata)

    async def start_kernel(self, **options: Any) -> None:
        """Start the kernel, with its stdout and stderr going to a log in the run folder, and remember its process."""
        KERNEL_LOG.parent.mkdir(exist_ok=True)
        with open(KERNEL_LOG, "ab") as log:
            await super().start_kernel(stdout=log, stderr=log, **options)
        self.started.append(self.provisioner.process)


def execute(source: Path, target: Path, parameters: Mapping[str, Any], folder: Path, progress: Progress) -> None:
    """Execute a notebook into `target`, with the run folder as working directory.

    Raises
    ------
    StageFailed
        A cell failed, the kernel died, or it did not start.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # It may be a link to another run's.
    for logger_name in ("papermill", "asyncio"):
        logging.getLogger(logger_name).setLevel(logging.CRITICAL)  # What went wrong is said once, by us.
    notebook = papermill.execute_notebook(
        nbformat.read(source, as_version=4), None, dict(parameters), prepare_only=True, **KERNEL
    )
    progress.start(target.stem, notebook.cells)
    try:
        papermill.execute_notebook(
            notebook,
            str(target).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            **KERNEL,
            cwd=str(folder),
            progress_bar=False,
            stderr_file=progress,
            kernel_manager_class=SameInterpreter,
            on_cell_start=progress.cell,
        )
    except PapermillExecutionError as error:
        raise StageFailed(describe_error(error.ename, error.evalue, folder), error.cell_index) from None
    except DeadKernelError:
        raise StageFailed(_describe_death(SameInterpreter.started[-1].poll()), progress.cell_index) from None
    except RuntimeError as error:
        raise StageFailed(f"the kernel did not start ({error}); install the package again", None) from None
    finally:
        progress.close()
        _leave_no_kernel()
        with contextlib.suppress(OSError, ValueError):  # On a full disk the notebook stays as it is.
            notebook = settled(nbformat.read(target, as_version=4))
            with atomic_path(target) as temporary:
                nbformat.write(notebook, temporary)


def settled(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook, changed in place: of each progress bar on stderr only the last state is kept."""
    for cell in notebook.cells:
        outputs: list[Any] = []
        for output in cell.get("outputs", ()):
            if outputs and output.get("name") == outputs[-1].get("name") == "stderr":
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        bars = [output for output in outputs if output.get("name") == "stderr"]
        for output in bars:
            lines = ((line, line.strip("\r").split("\r")[-1].rstrip()) for line in output.text.split("\n"))
            output.text = "\n".join(last if "\r" in line else line for line, last in lines if last or "\r" not in line)
        if bars:
            cell.outputs = [output for output in outputs if output.get("name") != "stderr" or output.text.strip()]
    return notebook


def describe_error(name: str, value: str, folder: Path) -> str:
    """A cell's exception as a sentence."""
    if FULL_DISK.lower() in value.lower():
        return full_disk_sentence(folder)
    if name == "SystemExit":
        return f"a cell called sys.exit({value})"
    if hasattr(errors, name):
        return value  # Our own errors are sentences.
    return re.sub(r"\s+", " ", f"{name}: {value}").strip().removesuffix(":")


def explain_unfinished(target: Path, stage: str) -> StageFailed:
    """Why a notebook ended without an error and without a record."""
    cells = read_executed(target).cells if target.exists() else []
    for index, cell in enumerate(cells):
        outputs = cell.get("outputs", ()) if cell.cell_type == "code" else ()
        if any(output.output_type == "error" and output.ename == "SystemExit" for output in outputs):
            return StageFailed(f"{stage} ended before its last cell: a cell called sys.exit", index)
    return StageFailed(f"{stage} ran to its end, but no cell called stage.finish, so it has no results", None)


def read_executed(path: Path) -> nbformat.NotebookNode:
    """An executed notebook without the cells that papermill adds to a failed one."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if PAPERMILL_TAG not in cell.metadata.get("tags", [])]
    return notebook


def _describe_death(exit_code: int | None) -> str:
    """How a kernel died, by the exit code of its process (None where it is not known)."""
    if exit_code in (None, -signal.SIGKILL):
        return KILLED
    how = f"crashed with {signal.Signals(-exit_code).name}" if exit_code < 0 else f"ended with exit code {exit_code}"
    return (
        f"the kernel {how}; what it said last is in {KERNEL_LOG}; training resumes when you run the same command again"
    )


def _leave_no_kernel() -> None:
    """Kill the kernels that are still running, and their children: each kernel leads a process group of its own."""
    while SameInterpreter.started:
        try:
            os.killpg(SameInterpreter.started.pop().pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
