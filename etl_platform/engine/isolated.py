"""Calls in a process of their own, one after another: a call that aborts its process does not end this one."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class ProcessEndedError(Exception):
    """The process ended during a call: it crashed, or the system stopped it because memory ran out."""


class Isolated:
    """Runs calls in one other process, which starts with the first call and again after it has ended.

    Args:
        prepare: called first in each process, with ``arguments``; all three must be picklable.
    """

    def __init__(self, prepare: Callable[..., None], *arguments: Any) -> None:
        self._prepare, self._arguments = prepare, arguments
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of the function; its arguments and result must be picklable.

        Raises:
            ProcessEndedError: the process ended before the function returned.
        """
        if self._pool is None:
            # Not a fork: the threads of Polars would not be in it.
            spawn = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, spawn, initializer=self._prepare, initargs=self._arguments)
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            self._close()
            raise ProcessEndedError from None

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
