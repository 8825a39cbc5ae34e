"""The progress of long work as one line on stderr."""

import shutil
import sys
import time
from collections.abc import Mapping
from threading import Event, Thread
from types import TracebackType
from typing import ClassVar, Self

_EVERY_S = 0.5


class CheckProgress:
    """Shows what is done and for how long, in one line that is rewritten in place; only on a terminal.

    Args:
        what: shown until a stage is reported.
        before: text in front of each line, such as the number of the file.
        after_s: work that ends sooner shows nothing.
    """

    STAGES: ClassVar[Mapping[str, str]] = {
        "keys": "looking for repeated keys: {:,} rows",
        "rows": "checking: {:,} rows",
    }

    def __init__(self, what: str = "checking", before: str = "", after_s: float = 2.0) -> None:
        self._what, self._before, self._after_s = what, before, after_s
        self._began = 0.0
        self._ended = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._thread = Thread(target=self._show, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def __call__(self, stage: str, done: int) -> None:
        self._what = self.STAGES[stage].format(done)

    def _show(self) -> None:
        wait_s, is_shown = self._after_s, False
        while not self._ended.wait(wait_s):
            wait_s, is_shown = _EVERY_S, True
            line = f"{self._before}{self._what}, {time.monotonic() - self._began:,.0f} s"
            # The cursor goes back to the start, so that a log line replaces this one.
            _write(f"{line[: shutil.get_terminal_size().columns - 1]}\r")
        if is_shown:
            _write("")


def _write(line: str) -> None:
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()
