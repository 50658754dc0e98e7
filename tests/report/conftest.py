"""Fixtures of the report's tests."""

from pathlib import Path

import pytest
from report_workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """An empty workshop in a folder with a blank, a brace and a non-ASCII letter in its name."""
    return Workshop(tmp_path / "wörk {shop}")
