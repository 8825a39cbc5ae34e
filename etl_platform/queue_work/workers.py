"""Bounded parallel work with a graceful stop. No queue, no Dagster."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

_POLL_S = 0.2
T = TypeVar("T")


class Workers(Protocol):
    """Runs calls in parallel. In a run these are threads; in a simulation, steps that can be repeated exactly."""

    def work(self, calls: Sequence[Callable[[], T]]) -> Generator[tuple[int, Future[T]]]:
        """Start the calls; yields index and result of each call that is done, but not of calls that were stopped."""
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

    def work(self, calls: Sequence[Callable[[], T]]) -> Generator[tuple[int, Future[T]]]:
        pool = ThreadPoolExecutor(self._count)
        done: SimpleQueue[Future[T]] = SimpleQueue()
        numbers = {pool.submit(self._unless_stopped, call): number for number, call in enumerate(calls)}
        for future in numbers:
            future.add_done_callback(done.put)
        left, deadline = len(numbers), None
        try:
            while left and (deadline is None or time.monotonic() < deadline):
                if deadline is None and self._stop.is_set():
                    deadline = time.monotonic() + self._grace_s
                try:
                    future = done.get(timeout=_POLL_S)
                except Empty:
                    continue
                left -= 1
                if not isinstance(future.exception(), CancelledError):
                    yield numbers[future], future
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
