"""A workshop over an instance in memory: it passes with the test."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from etl_platform_tests.dagster.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Workshop(tmp_path / "objects", instance)
