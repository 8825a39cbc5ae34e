"""How far a run has come: rewritten in place on a terminal, and a line in Dagster's log every ten seconds."""

import time

import dagster as dg

from etl_platform.progress import ProgressLine

_TELL_EVERY_S = 10.0


class RunProgress:
    """For one stage of ``ProgressLine``; a context, at whose end the terminal's line is gone."""

    def __init__(self, context: dg.AssetExecutionContext, stage: str) -> None:
        self._context, self._stage, self._line = context, stage, ProgressLine()
        self._told_at = time.monotonic()

    def __call__(self, done: int, text: str) -> None:
        """``text`` is for the log."""
        self._line(self._stage, done)
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            self._context.log.info(text)

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.clear()
