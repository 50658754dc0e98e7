"""A real JupyterLab in a real browser, on the notebooks of one folder."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat

RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
KERNEL_IS_IDLE = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SECONDS_TO_START = 90


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A server on the notebooks of a folder; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.open_browser": False,
        "IdentityProvider.token": "",
        "ServerApp.root_dir": folder,
    }
    command = [sys.executable, "-m", "jupyterlab", "--expose-app-in-browser", "--allow-root", "--LabApp.news_url=None"]
    command += [f"--{name}={value}" for name, value in options.items()]
    address, log = f"http://127.0.0.1:{port}", folder / "server.log"
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    with open(log, "wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=folder)
        try:
            _wait(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(SECONDS_TO_START):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).read()
            return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


def run_all(browser, address: str, notebook: Path, seconds: int, act=None) -> list[nbformat.NotebookNode]:
    """Open a notebook, run all its cells, do what `act` does with the page, and save; give its cells as saved."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(1000 * seconds)
    page.goto(f"{address}/lab/tree/{notebook.name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(KERNEL_IS_IDLE)
    page.evaluate(RUN_ALL)
    if act:
        act(page)
    page.evaluate(SAVE)
    page.close()
    return nbformat.read(notebook, as_version=4).cells


def errors_in(cells: list[nbformat.NotebookNode]) -> list[str]:
    """What the cells failed with."""
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
