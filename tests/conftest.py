"""Fixtures of the whole test suite."""

import os
from pathlib import Path

import pytest


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
