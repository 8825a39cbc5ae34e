"""Hides the messages of runs that wait in Dagster's queue. A run that has begun hides its messages itself."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MAX_HIDDEN_S, MessageQueue

_QUEUED = {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED}
"""Without STARTING: the process of such a run may have died, which Dagster notices only after minutes."""
log = logging.getLogger(__name__)


def keep_hidden(
    runs: Iterable[dg.DagsterRun], queue: MessageQueue, timeout_s: int, *, last_tick_at: float, now: float
) -> None:
    """Extend the visibility timeout of the messages of queued runs; otherwise each would be a receive.

    It is extended in thirds of the timeout, counted from the receipt, so one tick may fail. Times are epoch seconds.

    Args:
        last_tick_at: the end of the tick before this one; 0 if there was none.
    """
    waiting = [run for run in runs if run.status in _QUEUED]
    handles = [handle for run in waiting for handle in _due(run, timeout_s, last_tick_at, now)]
    try:
        queue.change_visibility(handles, timeout_s)
    except TransientError as error:
        log.warning("messages of queued runs may be received again", extra={"error": str(error)})


def _due(run: dg.DagsterRun, timeout_s: int, last_tick_at: float, now: float) -> Iterator[str]:
    ops: Any = run.run_config.get("ops", {})
    third = timeout_s / 3
    for delivery in ops.get("ingest", {}).get("config", {}).get("deliveries", ()):
        handle, received_at = delivery.get("receipt_handle"), delivery.get("received_at")
        if handle is None or received_at is None or now + timeout_s > received_at + MAX_HIDDEN_S:
            continue
        if (now - received_at) // third > max(last_tick_at - received_at, 0.0) // third:
            yield handle
