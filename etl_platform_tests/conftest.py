"""For every test: the handling of SIGINT, reasons for slow tests, and a DAGSTER_HOME of its own."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_configure() -> None:
    # A shell starts background work with SIGINT ignored. After its first run Dagster then ignores SIGTERM as well, and
    # so do the processes that show a run's log: a later run in a thread waits half a minute for them and fails.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("slow"):
            if not marker.kwargs.get("reason"):
                raise pytest.UsageError(f"{item.nodeid}: write pytest.mark.slow(reason=...), why can it not be quick?")


@pytest.fixture(scope="session")
def dagster_home_with_tables() -> Iterator[Path]:
    """An empty history in SQLite. Dagster needs a second to create its tables, a copy takes none."""
    import dagster as dg

    # In memory where possible: SQLite's flushes to disk cost more than the work of a run.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="etl-platform-", dir=memory if memory.is_dir() else None) as folder:
        home = Path(folder) / "empty"
        home.mkdir()
        (home / "dagster.yaml").touch()
        with dg.DagsterInstance.from_config(str(home)) as instance:
            instance.get_run_records(limit=1)
            instance.get_dynamic_partitions("agencies")
        yield home


@pytest.fixture
def dagster_home(dagster_home_with_tables: Path) -> Iterator[Path]:
    """A DAGSTER_HOME of the test's own, with an empty history and an empty dagster.yaml."""
    home = Path(tempfile.mkdtemp(dir=dagster_home_with_tables.parent))
    shutil.copytree(dagster_home_with_tables, home, dirs_exist_ok=True)
    yield home
    shutil.rmtree(home)
