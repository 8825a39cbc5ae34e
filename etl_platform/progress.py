"""How far long work has come, as one line on stderr."""

import sys
import time
from typing import ClassVar


class ProgressLine:
    """How much is done, on stderr: rewritten in place on a terminal, silent elsewhere."""

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

    def __init__(self) -> None:
        self._shown_at = time.monotonic()
        self._shown = False

    def __call__(self, stage: str, done: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown_at > 0.2:
            self._shown_at, self._shown = now, True
            sys.stderr.write(f"\r\x1b[K{self._STAGES[stage].format(done)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
