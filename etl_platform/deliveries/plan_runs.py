"""How routed files of queue messages are grouped into runs, and which runs may start now. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from etl_platform.deliveries.delivery import ObjectVersion


@dataclass(frozen=True)
class QueuedFile:
    """A file that a queue message announces, and where it belongs.

    ``receive_count`` is the message's ApproximateReceiveCount in SQS.
    """

    version: ObjectVersion
    agency: str
    dataset: str
    message_id: str
    receipt_handle: str
    receive_count: int

    @property
    def size_bytes(self) -> int:
        return self.version.size_bytes or 0


MessageFiles: TypeAlias = Sequence[QueuedFile]
"""The files of one message; they stay in one run, because the message is deleted when all of them are done."""
PlannedRun: TypeAlias = list[MessageFiles]


def plan_runs(
    messages: Iterable[MessageFiles], *, max_files: int = 200, max_bytes: int = 256 << 20
) -> list[PlannedRun]:
    """Group messages into runs.

    A run takes up to ``max_files`` files and ``max_bytes`` bytes, so a big file gets its own run and many small ones
    are spread over several. Messages are grouped by their receive count, in batches that are ten times smaller with
    each receive: a file that kills its run is soon alone in it.
    """
    by_receives: dict[int, list[MessageFiles]] = defaultdict(list)
    for files in messages:
        by_receives[max(file.receive_count for file in files)].append(files)
    runs: list[PlannedRun] = []
    for receives, group in sorted(by_receives.items()):
        limit = max(1, max_files // 10 ** (receives - 1)) if receives > 0 else max_files
        batch: PlannedRun = []
        count = size = 0
        for files in group:
            files_bytes = sum(file.size_bytes for file in files)
            if batch and (count + len(files) > limit or size + files_bytes > max_bytes):
                runs.append(batch)
                batch, count, size = [], 0, 0
            batch.append(files)
            count += len(files)
            size += files_bytes
        if batch:
            runs.append(batch)
    return runs


def fit_runs(runs: Sequence[PlannedRun], free_slots: int) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """The runs that start now, at most ``free_slots``, and the runs that must wait.

    Retried files start first, those with the most receives before the others, because they are closest to the
    dead-letter queue. Their runs are never merged: one file may have killed its run. Runs of new files are merged, the
    smallest first, until they fit into the remaining slots. Of two or more slots, one is always left for new files.
    """
    new = sorted((run for run in runs if _receives(run) <= 1), key=len)
    retried = sorted((run for run in runs if _receives(run) > 1), key=_receives, reverse=True)
    started = retried[: free_slots - 1 if new and free_slots > 1 else free_slots]
    left_for_new = free_slots - len(started)
    while len(new) > max(1, left_for_new):
        new = sorted([new[0] + new[1], *new[2:]], key=len)
    return started + new[:left_for_new], retried[len(started) :] + new[left_for_new:]


def _receives(run: PlannedRun) -> int:
    return max(file.receive_count for files in run for file in files)
