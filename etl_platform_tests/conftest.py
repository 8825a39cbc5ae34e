"""What holds for every test: how the process of the tests takes signals."""

import signal


def pytest_configure() -> None:
    # A shell starts background work with SIGINT ignored. After its first run Dagster then ignores SIGTERM as well, and
    # so do the processes that show a run's log: a later run in a thread waits half a minute for them and fails.
    signal.signal(signal.SIGINT, signal.default_int_handler)
