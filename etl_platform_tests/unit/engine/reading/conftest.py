"""Fixtures of the tests that read a file."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet. Its name says nothing, because the reader recognises formats by content."""
    return tmp_path / "delivery"
