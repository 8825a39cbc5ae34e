"""Questions to outside systems with a time limit each, so that one that hangs holds up nothing else."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

Answer = TypeVar("Answer")


async def call_within(question: Callable[[], Answer], within_s: float, threads: anyio.CapacityLimiter) -> Answer:
    """Call ``question`` in a thread; TimeoutError after ``within_s``, whatever it raises before.

    A thread that is given up on keeps its place in ``threads`` until the call's own timeout ends it.
    """
    with anyio.fail_after(within_s):
        return await anyio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=threads)


class CachedCall(Generic[Answer]):
    """A question that keeps its latest answer, for those who cannot wait for the next one.

    It is asked by one thread at a time, which goes on when its asker has given up.
    """

    def __init__(self, question: Callable[[], Answer], fresh_s: float = 0.0) -> None:
        """An answer that is younger than ``fresh_s`` is given again."""
        self._question, self._fresh_s = question, fresh_s
        self._asking = threading.Lock()
        self.latest: Answer | None = None
        self._at = 0.0

    @property
    def age_s(self) -> float | None:
        """Of the latest answer; None if there is none yet."""
        return None if self.latest is None else time.monotonic() - self._at

    def __call__(self) -> Answer:
        """The latest answer; TimeoutError while another thread waits for it."""
        if not self._asking.acquire(blocking=False):
            raise TimeoutError("it was asked before and has not answered yet")
        try:
            if self.latest is None or time.monotonic() - self._at >= self._fresh_s:
                answer = self._question()
                self.latest, self._at = answer, time.monotonic()
            return self.latest
        finally:
            self._asking.release()
