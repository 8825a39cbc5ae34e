"""A machine that fails once: at the n-th call about one file, or when the n-th thread is started. No tests."""

import builtins
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch


class FailingMachine:
    """Counts opens, reads, seeks and tells of a file, and starts of threads; the call numbered ``at`` raises ``error``.

    Attributes:
        calls: so far.
    """

    def __init__(self, path: Path, at: int | None = None, error: BaseException | None = None) -> None:
        self._path, self._at, self._error = path, at, error
        self.calls = 0

    def count(self) -> None:
        self.calls += 1
        if self.calls - 1 == self._at and self._error is not None:
            raise self._error

    @contextmanager
    def running(self) -> Iterator[None]:
        really_open, really_start = io.open, threading.Thread.start

        def open_(file: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
            if isinstance(file, int) or mode != "rb" or Path(file) != self._path:
                return really_open(file, mode, *arguments, **more)
            self.count()
            return _CountedFile(io.FileIO(str(file)), self)

        def start(thread: threading.Thread) -> None:
            self.count()
            really_start(thread)

        with (
            patch.object(io, "open", open_),
            patch.object(builtins, "open", open_),
            patch.object(threading.Thread, "start", start),
        ):
            yield


class _CountedFile(io.BufferedReader):
    def __init__(self, raw: io.FileIO, machine: FailingMachine) -> None:
        super().__init__(raw)
        self._machine = machine

    def read(self, size: int | None = -1, /) -> bytes:
        self._machine.count()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self._machine.count()
        return super().readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._machine.count()
        return super().seek(offset, whence)

    def tell(self) -> int:
        self._machine.count()
        return super().tell()
