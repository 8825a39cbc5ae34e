"""Intake runs that died with messages in hand: their messages return to the queue at once. No decisions."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_platform.defs.dagster_internals import HIDDEN_TAG_PREFIX
from etl_platform.defs.intake.intake_config import deliveries_of
from etl_platform.defs.intake.intake_runs import JOB_NAME, is_requested_by_sensor
from etl_platform.defs.runs.run_counts import has_counts
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MessageQueue, retry_delay_s

_RELEASED_TAG = f"{HIDDEN_TAG_PREFIX}etl_platform_released"
_FAILED_AT_ITS_START = "STEP_FAILURE"
"""Dagster's reason for the failure of a run whose process lived to report it. Without counts, it did not begin."""
_MOST_RUNS = 50
log = logging.getLogger(__name__)


def release_messages_of_dead_runs(
    instance: dg.DagsterInstance, queue: MessageQueue, visibility_timeout_s: int, now: float
) -> frozenset[str]:
    """Make the messages of runs that died visible; without that they stay hidden until their timeouts end.

    They return after a delay, as after any other failure, if their run failed at its start, or if a message was alone
    in its run: it may have killed the run.

    Returns:
        The ids of messages that shared a run with another one and died within the last timeout: one of them may have
        killed it.
    """
    suspects: set[str] = set()
    for run in _dead_runs(instance, now - visibility_timeout_s):
        receives = {item["receipt_handle"]: item["receive_count"] for item in deliveries_of(run) if _is_held(item)}
        is_shared = len(receives) > 1 and run.tags.get("dagster/failure_reason") != _FAILED_AT_ITS_START
        if is_shared:
            suspects |= {item["message_id"] for item in deliveries_of(run) if _is_held(item)}
        if _RELEASED_TAG not in run.tags:
            # Before the release: a tick that is killed in between must not release them again, when others hold them.
            instance.add_run_tags(run.run_id, {_RELEASED_TAG: "true"})
            _release(queue, receives, run.run_id, at_once=is_shared)
    return frozenset(suspects)


def _dead_runs(instance: dg.DagsterInstance, since: float) -> Iterator[dg.DagsterRun]:
    """Runs that failed since then and did not reach the end of their batch."""
    filters = dg.RunsFilter(
        job_name=JOB_NAME,
        statuses=[dg.DagsterRunStatus.FAILURE],
        updated_after=datetime.fromtimestamp(since, UTC),
        exclude_subruns=True,
    )
    for record in instance.get_run_records(filters, limit=_MOST_RUNS, order_by="update_timestamp"):
        run = record.dagster_run
        # A tag that is added to a run counts as an update of it.
        if (record.end_time or 0.0) >= since and is_requested_by_sensor(run) and not has_counts(run):
            yield run


def _is_held(delivery: Mapping[str, Any]) -> bool:
    return bool(delivery.get("receipt_handle"))


def _release(queue: MessageQueue, receives: Mapping[str, int], run_id: str, *, at_once: bool) -> None:
    delays: dict[int, list[str]] = defaultdict(list)
    for handle, receive_count in receives.items():
        delays[0 if at_once else retry_delay_s(receive_count)].append(handle)
    for delay_s, handles in delays.items():
        try:
            lost = queue.change_visibility(handles, delay_s)
        except TransientError as error:
            about = {"run_id": run_id, "error": str(error)}
            log.warning("messages of a dead run return to the queue when their timeouts end", extra=about)
        else:
            returned = {"run_id": run_id, "messages": len(handles) - len(lost), "delay_s": delay_s}
            log.warning("a run ended early; its messages return to the queue", extra=returned)
