"""Fixtures of the tests of deliveries."""

from pathlib import Path

import pytest

from etl_platform_tests.unit.intake_place import Place, things


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty bucket with an intake of the dataset ``things``."""
    return Place(tmp_path, things())
