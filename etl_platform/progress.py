"""Progress of long work, as one line on stderr."""

import sys
import time
from typing import ClassVar


class ProgressLine:
    """One line on stderr that is rewritten in place on a terminal; prints nothing elsewhere."""

    _STAGES: ClassVar = {
        "keys": "looking for repeated keys: {:,} rows",
        "rows": "checking: {:,} rows",
        "agencies": "reconciling: {:,} agencies",
        "records": "reading an API: {:,} records",
        "messages": "reading dead letters: {:,} messages",
        "exported": "exporting: {:,} rows",
        "copies": "copying: {:,} attachments",
        "emails": "archiving: {:,} emails",
    }
    _INTERVAL_S: ClassVar = 0.2

    def __init__(self) -> None:
        self._shown_at = time.monotonic()
        self._shown = False

    def __call__(self, stage: str, done: int) -> None:
        """Show how much of a stage is done, at most five times a second."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown_at > self._INTERVAL_S:
            self._shown_at, self._shown = now, True
            sys.stderr.write(f"\r\x1b[K{self._STAGES[stage].format(done)}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, so that other output starts on an empty one."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
