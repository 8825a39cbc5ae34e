"""Calls to external systems with a time limit each, so that a hanging call does not delay the others."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


async def call_within(call: Callable[[], T], timeout_s: float, threads: anyio.CapacityLimiter) -> T:
    """Run ``call`` in a thread; raises TimeoutError after ``timeout_s``, or what ``call`` raises.

    An abandoned thread keeps its place in ``threads`` until the call's own timeout ends it.
    """
    with anyio.fail_after(timeout_s):
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=threads)


class BusyError(Exception):
    """All threads are in use by calls that hang."""


class SheddingThreads:
    """Threads for short calls. When calls hang, further ones are refused instead of queued behind them."""

    def __init__(self, number: int, patience_s: float) -> None:
        """A call hangs when it runs for longer than ``patience_s``; one waits as long for a thread."""
        self._free, self._patience_s = anyio.Semaphore(number), patience_s
        self._threads = anyio.CapacityLimiter(number)
        self._started: dict[object, float] = {}

    async def run(self, call: Callable[[], T]) -> T:
        """Run ``call`` in a thread; raises BusyError, or what ``call`` raises."""
        oldest = min(self._started.values(), default=None)
        if oldest is not None and time.monotonic() - oldest > self._patience_s:
            raise BusyError
        try:
            with anyio.fail_after(self._patience_s):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError from None
        this = object()
        self._started[this] = time.monotonic()
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._threads)
        finally:
            del self._started[this]
            self._free.release()


class CachedCall(Generic[T]):
    """A call whose latest result stays available while the next call runs.

    One thread at a time makes the call, and completes it even if its caller has given up.
    """

    def __init__(self, call: Callable[[], T], fresh_s: float = 0.0) -> None:
        """A result younger than ``fresh_s`` seconds is returned again without a call."""
        self._call, self._fresh_s = call, fresh_s
        self._running = threading.Lock()
        self.latest: T | None = None
        self._at = 0.0

    @property
    def age_s(self) -> float | None:
        """Age of the latest result; None before the first one."""
        return None if self.latest is None else time.monotonic() - self._at

    def __call__(self) -> T:
        """The latest result; raises TimeoutError while another thread makes the call."""
        if not self._running.acquire(blocking=False):
            raise TimeoutError("an earlier call has not returned yet")
        try:
            if self.latest is None or time.monotonic() - self._at >= self._fresh_s:
                result = self._call()
                self.latest, self._at = result, time.monotonic()
            return self.latest
        finally:
            self._running.release()
