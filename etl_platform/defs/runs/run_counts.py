"""The counts of a run besides its deliveries, which it writes as a hidden tag at its end. No decisions."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.dagster_internals import HIDDEN_TAG_PREFIX
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.queue_work.lease import MessageQueue

_TAG = f"{HIDDEN_TAG_PREFIX}etl_platform_counts"
_TAG_OF_0_2 = "etl_platform/counts"
"""Releases up to 0.2 wrote the counts as a visible tag. Metrics of the day of an upgrade read both."""


def note_counts(instance: dg.DagsterInstance, run: dg.DagsterRun, counts: RunCounts) -> None:
    instance.add_run_tags(run.run_id, {_TAG: json.dumps({"run_id": run.run_id, **vars(counts)})})


def has_counts(run: dg.DagsterRun) -> bool:
    """Whether the run reached the end of its work."""
    # A run that is re-executed in the UI inherits the tags of the original run.
    return bool(_read(run).get("run_id") == run.run_id)


def counts_of(run: dg.DagsterRun) -> RunCounts:
    """The counts of a run; all zero if the run is unfinished or has no queue."""
    if not has_counts(run):
        return RunCounts()
    found = {name: value for name, value in _read(run).items() if name != "run_id"}
    return RunCounts(**{**found, "s3_errors": Counter(found["s3_errors"])})


def _read(run: dg.DagsterRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.tags.get(_TAG) or run.tags.get(_TAG_OF_0_2, "{}"))
    return found


class CountedQueue:
    """A queue that counts the messages deleted from it."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue, self.deleted = queue, 0

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        return self._queue.change_visibility(receipt_handles, timeout_s)

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        refused = self._queue.delete(receipt_handles)
        self.deleted += len(receipt_handles) - len(refused)
        return refused
