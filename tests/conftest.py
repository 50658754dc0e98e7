"""Fixtures of the whole test suite."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sface_lib.data import write_faces
from sface_lib.errors import InputError, SfaceError
from sface_lib.population import first_images, shipped_faces

# Fixture -> marker of the tests that ask for it. A workshop runs notebooks, each in a kernel.
MARKERS = {"real_data": "real", "browser": "browser", "workshop": "processes"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they ask for; those that may take longest come first, so that no worker is left alone."""
    for item in items:
        for name in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[name])
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real faces, from SFACE_REAL_DATA: unset skips, set to a missing folder fails."""
    folder = os.environ.get("SFACE_REAL_DATA")
    if not folder:
        pytest.skip("SFACE_REAL_DATA is not set")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"SFACE_REAL_DATA is {folder}, which is not a folder")
    return path


@pytest.fixture
def inputs_opened_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given to a report is opened in this process, which spares the start of another one and its imports."""
    from sface_lib.chapters.inputs import open_inputs
    from sface_lib.chapters.registry import ReportParameters
    from sface_lib.run.parameters import input_paths

    def opened(parameters: ReportParameters) -> None:
        try:
            if input_paths(parameters):
                open_inputs(parameters)
        except SfaceError as error:
            raise InputError(str(error).strip().splitlines()[-1]) from error

    monkeypatch.setattr("sface_lib.report.plan._check_files", opened)


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Callable[[str], ModuleType]]:
    """Gives a module of `tests/benchmarks` by its name, which may import its neighbours."""
    folder = str(Path(__file__).parent / "benchmarks")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)


@pytest.fixture(scope="session")
def rendered_zip() -> Callable[..., Path]:
    """Write shipped faces as a small labelled set: path, identities, images of each, px, first identity."""

    def write(path: Path, identities: int, images: int, size_px: int, first: int = 0) -> Path:
        whole = shipped_faces("balanced")
        positions = first_images(whole, first + identities, images)[first * images :]
        return write_faces(path, whole.load(positions, size_px=size_px), np.repeat(np.arange(identities), images))

    return write
