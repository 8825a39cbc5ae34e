"""Questions to outside systems with a time limit each, so that one that hangs holds up nothing else."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

Answer = TypeVar("Answer")


async def ask(question: Callable[[], Answer], within_s: float, threads: anyio.CapacityLimiter) -> Answer:
    """Call ``question`` in a thread; TimeoutError after ``within_s``, whatever it raises before.

    A thread that is given up on keeps its place in ``threads`` until the call's own timeout ends it.
    """
    with anyio.fail_after(within_s):
        return await anyio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=threads)
