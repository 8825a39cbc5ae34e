"""The memory that the concurrent work of a run shares. No Dagster, no formats."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of cgroup v2 and v1."""
_MACHINE = Path("/proc/meminfo")
_PROCESS_BYTES = 384 << 20
"""What a run has in memory beside its deliveries: Python, Dagster, Polars, the AWS client."""
_SHARE = 0.85
"""Of the rest: allocators keep some memory that was freed."""


class MemoryBudget:
    """Memory that callers reserve before they use it.

    Args:
        size_bytes: all of it; None for no limit.
    """

    def __init__(self, size_bytes: int | None = None) -> None:
        self._size_bytes = size_bytes
        self._reserved_bytes = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size_bytes: int) -> Iterator[None]:
        """Wait until so much is free. Who needs more than all of it waits until nobody else has any."""
        with self._changed:
            self._changed.wait_for(lambda: self._fits(size_bytes))
            self._reserved_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._reserved_bytes -= size_bytes
                self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        if self._size_bytes is None or not self._reserved_bytes:
            return True
        return self._reserved_bytes + size_bytes <= self._size_bytes


def budget_of_run(memory_bytes: int | None = None) -> MemoryBudget:
    """The memory that the deliveries of a run share.

    Args:
        memory_bytes: of the whole run. By default the limit of the container, or else the memory of the machine.
    """
    memory_bytes = memory_bytes or _machine_bytes()
    return MemoryBudget(None if memory_bytes is None else max(0, int((memory_bytes - _PROCESS_BYTES) * _SHARE)))


def _machine_bytes() -> int | None:
    """The least of the limits of the container and the memory of the machine; None where the system names none."""
    texts = [path.read_text("ascii").strip() for path in _CONTAINER_LIMITS if path.exists()]
    found = [int(text) for text in texts if text.isdigit()]
    if _MACHINE.exists():
        # The first line is ``MemTotal:  24684000 kB``.
        found.append(int(_MACHINE.read_text("ascii").split()[1]) << 10)
    return min(found, default=None)
