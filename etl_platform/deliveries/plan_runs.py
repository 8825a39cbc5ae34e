"""How routed files of queue messages are grouped into runs, and how the groups fit into the free slots. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from etl_platform.deliveries.delivery import ObjectVersion


@dataclass(frozen=True)
class QueuedFile:
    """A file that a queue message announces, and where it belongs.

    ``receive_count`` is the message's ApproximateReceiveCount in SQS. Without a receipt handle the message stays in
    the queue after the run, because a part of it is not handled yet.
    """

    version: ObjectVersion
    agency: str
    dataset: str
    message_id: str
    receipt_handle: str | None
    receive_count: int

    @property
    def size_bytes(self) -> int:
        return self.version.size_bytes or 0


MessageFiles: TypeAlias = Sequence[QueuedFile]
"""The files of one message; they stay in one run, because the message is deleted when all of them are done."""
PlannedRun: TypeAlias = list[MessageFiles]


@dataclass(frozen=True)
class Suspects:
    """Messages whose run died while it held several of them, and how many of them a run may take."""

    message_ids: Set[str] = frozenset()
    per_run: int = 1

    @classmethod
    def spread(cls, message_ids: Set[str], slots: int) -> "Suspects":
        """Suspects that are spread over all slots, so that the one that kills its run takes few others with it."""
        return cls(message_ids, max(1, -(-len(message_ids) // max(1, slots))))


def plan_runs(
    messages: Iterable[MessageFiles],
    suspects: Suspects = Suspects(),
    *,
    max_files: int = 200,
    max_bytes: int = 256 << 20,
) -> list[PlannedRun]:
    """Group messages into runs.

    A run takes up to ``max_files`` files and ``max_bytes`` bytes, so a big file gets its own run and many small ones
    are spread over several. Messages are grouped by their receive count, in batches that are ten times smaller with
    each receive: a file that kills its run is soon alone in it. Messages of a run that died are apart from the others.
    """
    groups: dict[tuple[int, bool], list[MessageFiles]] = defaultdict(list)
    for files in messages:
        is_suspect = files[0].message_id in suspects.message_ids
        groups[max(file.receive_count for file in files), is_suspect].append(files)
    runs: list[PlannedRun] = []
    for (receives, is_suspect), group in sorted(groups.items()):
        limit = max(1, max_files // 10 ** (receives - 1)) if receives > 0 else max_files
        if is_suspect:
            limit = min(limit, suspects.per_run)
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


def fit_runs(runs: Sequence[PlannedRun], free_slots: int) -> list[PlannedRun]:
    """The runs to start: runs of new files are merged, the smallest first, until all runs fit into ``free_slots``.

    Runs of retried files are never merged: one file may have killed its run. None is left out, because its files would
    be one receive nearer to the dead-letter queue without a try. So there may be more runs than slots.
    """
    new = sorted((run for run in runs if _receives(run) <= 1), key=len)
    retried = sorted((run for run in runs if _receives(run) > 1), key=_receives, reverse=True)
    while len(new) > max(1, free_slots - len(retried)):
        new = sorted([new[0] + new[1], *new[2:]], key=len)
    return retried + new


def _receives(run: PlannedRun) -> int:
    return max(file.receive_count for files in run for file in files)
