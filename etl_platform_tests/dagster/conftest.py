"""A workshop and run records over instances of Dagster that end with the test."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from etl_platform_tests.dagster.run_history import History
from etl_platform_tests.dagster.workshop import Workshop


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def workshop(tmp_path: Path, instance: dg.DagsterInstance) -> Workshop:
    return Workshop(tmp_path / "objects", instance)


@pytest.fixture
def history(dagster_home: Path) -> Iterator[History]:
    """In files: SQLite in memory plans its queries otherwise."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as opened:
        yield History(opened)
