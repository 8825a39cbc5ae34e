"""Fixtures of the tests of workbooks."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet, under the name that openpyxl asks for."""
    return tmp_path / "delivery.xlsx"
