"""Progress of a run: one line rewritten in place on a terminal, and a line in Dagster's log every ten seconds."""

import time

import dagster as dg

from etl_platform.progress import ProgressLine

_LOG_EVERY_S = 10.0


class RunProgress:
    """Progress of one stage, as a context manager that clears the terminal's line at its end."""

    def __init__(self, context: dg.AssetExecutionContext, stage: str) -> None:
        self._context, self._stage, self._line = context, stage, ProgressLine("running")
        self._logged_at = time.monotonic()

    def __call__(self, done: int, text: str) -> None:
        """Show ``done`` on the terminal, and ``text`` in Dagster's log if its last line is ten seconds old."""
        self._line(self._stage, done)
        if time.monotonic() - self._logged_at > _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            self._context.log.info(text)

    def __enter__(self) -> "RunProgress":
        self._line.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.__exit__(None, None, None)
