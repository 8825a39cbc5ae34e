"""The memory of simulated runs: what the checks of a run reserve, and what they really need. No tests."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from etl_platform.queue_work.memory import MemoryBudget, budget_of_run
from etl_platform_tests.simulation.timeline import Process, Timeline, Violation

POD_BYTES = 2 << 30
_OTHERS_BYTES = 384 << 20
_POLL_S = 0.5


def needed_bytes(body: bytes) -> int:
    """What the check of a file needs: a third of a pod, more or less; of some files more than all of it."""
    return Random(body).choice((300, 500, 700, 900, 1_200, 1_800)) << 20


class _Budget(MemoryBudget):
    """Decides as the product's; who waits does so in virtual time."""

    def __init__(self, timeline: Timeline, size_bytes: int | None) -> None:
        super().__init__(size_bytes)
        self._timeline = timeline

    @contextmanager
    def reserve(self, size_bytes: int) -> Iterator[None]:
        while not self._fits(size_bytes):
            self._timeline.sleep(_POLL_S)
        self._reserved_bytes += size_bytes
        try:
            yield
        finally:
            self._reserved_bytes -= size_bytes


class RunMemory(MemoryBudget):
    """The memory of each process. A run whose checks together need more than its pod has would be killed."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline
        size_bytes = budget_of_run(POD_BYTES)._size_bytes
        self._budgets: defaultdict[Process | None, _Budget] = defaultdict(lambda: _Budget(timeline, size_bytes))
        self._used: defaultdict[Process | None, list[int]] = defaultdict(list)

    @contextmanager
    def reserve(self, size_bytes: int) -> Iterator[None]:
        with self._budgets[self._timeline.process].reserve(size_bytes):
            yield

    @contextmanager
    def use(self, size_bytes: int) -> Iterator[None]:
        """The time of a check, in which it needs so much."""
        used = self._used[self._timeline.process]
        used.append(size_bytes)
        if len(used) > 1 and sum(used) + _OTHERS_BYTES > POD_BYTES:
            raise Violation(f"a run is out of memory: its checks need {[size >> 20 for size in used]} MiB at once")
        try:
            self._timeline.sleep(self._timeline.random.uniform(1, 10))
            yield
        finally:
            used.remove(size_bytes)
