"""The progress of a check as one line on stderr."""

import sys
import time
from collections.abc import Mapping
from typing import ClassVar


class CheckProgress:
    """Shows the rows done so far: one line, rewritten in place, and only on a terminal.

    Args:
        before: text in front of each line, such as the number of the file.
    """

    STAGES: ClassVar[Mapping[str, str]] = {
        "keys": "looking for repeated keys: {:,} rows",
        "rows": "checking: {:,} rows",
    }

    def __init__(self, before: str = "") -> None:
        self._before = before
        self._shown_at = time.monotonic()
        self._shown = False

    def __call__(self, stage: str, done: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown_at > 0.2:
            self._shown_at, self._shown = now, True
            sys.stderr.write(f"\r\x1b[K{self._before}{self.STAGES[stage].format(done)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
