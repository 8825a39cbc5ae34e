"""A bucket of the test's own."""

from pathlib import Path

import pytest

from etl_platform_tests.unit.tables.bucket import Bucket


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path)
