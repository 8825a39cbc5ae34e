"""Bounded parallel work with a graceful stop. No queue, no Dagster."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeAlias, TypeVar

_POLL_S = 0.2
PATIENCE_S = 2.0
"""So long calls that are done wait for others of their group, if no whole group is done meanwhile."""
T = TypeVar("T")
Done: TypeAlias = list[tuple[int, Future[T]]]
"""Calls that are done: the index and the result of each."""


def alone(number: int) -> int:
    """Groups of one call each."""
    return number


class DoneCalls(Generic[T]):
    """Calls that are done, until they are taken in groups.

    Args:
        count: of all calls.
    """

    def __init__(self, count: int, group_of: Callable[[int], Hashable]) -> None:
        self._group_of = group_of
        self._left = Counter(map(group_of, range(count)))
        self._groups: dict[Hashable, Done[T]] = {}

    def add(self, number: int, future: Future[T]) -> None:
        group = self._group_of(number)
        self._left[group] -= 1
        self._groups.setdefault(group, []).append((number, future))

    @property
    def has_whole_group(self) -> bool:
        return any(not self._left[group] for group in self._groups)

    def take(self) -> Done[T]:
        """Of the groups whose calls are all done, or else of all, the one of which a call waits longest.

        In the order in which its calls were done.
        """
        whole = next((group for group in self._groups if not self._left[group]), None)
        return self._groups.pop(next(iter(self._groups)) if whole is None else whole)

    def __bool__(self) -> bool:
        return bool(self._groups)


class Workers(Protocol):
    """Runs calls in parallel. In a run these are threads; in a simulation, steps that can be repeated exactly."""

    def work(self, calls: Sequence[Callable[[], T]], group_of: Callable[[int], Hashable] = alone) -> Generator[Done[T]]:
        """Start the calls; yields those that are done, but not calls that were stopped.

        Args:
            group_of: the group of the call with this index. Calls of one group that are done are yielded together. They
                wait for the others of their group, but not for long.
        """
        ...

    def repeat(self, call: Callable[[], bool], every_s: float) -> AbstractContextManager[None]:
        """Repeat a call during the work, the first time after ``every_s``, until the context ends.

        The call returns whether it succeeded; after a failure it may be repeated sooner.
        """
        ...


class Threads:
    """Workers that are threads.

    Args:
        count: threads at most.
        stop: once it is set, no further call is started, and the running ones have ``grace_s`` seconds to finish.
    """

    def __init__(self, count: int, stop: threading.Event | None = None, grace_s: float = 0) -> None:
        self._count, self._stop, self._grace_s = count, stop or threading.Event(), grace_s

    def work(self, calls: Sequence[Callable[[], T]], group_of: Callable[[int], Hashable] = alone) -> Generator[Done[T]]:
        pool = ThreadPoolExecutor(self._count)
        done: SimpleQueue[Future[T]] = SimpleQueue()
        waiting = DoneCalls[T](len(calls), group_of)
        numbers = {pool.submit(self._unless_stopped, call): number for number, call in enumerate(calls)}
        for future in numbers:
            future.add_done_callback(done.put)
        left, deadline, waiting_since = len(numbers), None, 0.0
        try:
            while (left or waiting) and (deadline is None or time.monotonic() < deadline):
                if deadline is None and self._stop.is_set():
                    deadline = time.monotonic() + self._grace_s
                for future in _all_of(done, wait_s=0 if waiting.has_whole_group or not left else _POLL_S):
                    left -= 1
                    waiting_since = waiting_since if waiting else time.monotonic()
                    if not isinstance(future.exception(), CancelledError):
                        waiting.add(numbers[future], future)
                is_late = time.monotonic() > waiting_since + PATIENCE_S
                if waiting and (waiting.has_whole_group or is_late or not left):
                    yield waiting.take()
                    waiting_since = time.monotonic()
        finally:
            # A thread cannot be stopped, so calls that exceed the grace period are not waited for.
            pool.shutdown(wait=deadline is None or not left, cancel_futures=True)

    def _unless_stopped(self, call: Callable[[], T]) -> T:
        if self._stop.is_set():
            raise CancelledError
        return call()

    @contextmanager
    def repeat(self, call: Callable[[], bool], every_s: float) -> Iterator[None]:
        stop = threading.Event()

        def repeat_until_stopped() -> None:
            pause_s = every_s
            while not stop.wait(pause_s):
                began = time.monotonic()
                # The call's own time counts too, and after a failure less time is left until the timeout ends.
                interval_s = every_s if call() else every_s / 4
                pause_s = max(0.0, interval_s - (time.monotonic() - began))

        thread = threading.Thread(target=repeat_until_stopped, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _all_of(done: SimpleQueue[T], wait_s: float) -> Iterator[T]:
    """All that is in the queue. If it is empty, wait for the first item."""
    try:
        yield done.get(timeout=wait_s) if wait_s else done.get_nowait()
        while True:
            yield done.get_nowait()
    except Empty:
        return
