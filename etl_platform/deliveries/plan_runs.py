"""How routed files of queue messages are grouped into runs, and how the groups fit into the free slots. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from etl_platform.deliveries.delivery import ObjectVersion


@dataclass(frozen=True)
class QueuedFile:
    """A file that a queue message announces, and where it belongs.

    Attributes:
        agency: None if the key is in no agency's folder.
        dataset: None if no contract knows the file; it is then only recorded as ignored.
        receipt_handle: without it the message stays in the queue after the run: a part of it is not handled.
        receive_count: the message's ApproximateReceiveCount in SQS.
        redriven_by: who sent the message back from the dead-letter queue.
    """

    version: ObjectVersion
    agency: str | None
    dataset: str | None
    message_id: str
    receipt_handle: str | None
    receive_count: int
    redriven_by: str | None = None

    @property
    def size_bytes(self) -> int:
        return self.version.size_bytes or 0

    @property
    def is_ignored(self) -> bool:
        return self.agency is None or self.dataset is None


MessageFiles: TypeAlias = Sequence[QueuedFile]
"""The files of one message; they stay in one run, because the message is deleted when all of them are done."""
PlannedRun: TypeAlias = list[MessageFiles]
MAX_FILES, MAX_IGNORED = 500, 1_000
"""Files of a run, whose start costs 5 CPU seconds. An ignored file is only recorded, so a run can have more of them."""


@dataclass(frozen=True)
class Suspects:
    """Messages whose run died while it held several of them, and how many of them a run may take."""

    message_ids: Set[str] = frozenset()
    per_run: int = 1

    @classmethod
    def spread(cls, message_ids: Set[str], slots: int) -> "Suspects":
        """Suspects that are spread over all slots, so that the one that kills its run takes few others with it."""
        return cls(message_ids, max(1, -(-len(message_ids) // max(1, slots))))


class RunPlan:
    """Groups messages into runs, one message after another.

    A run takes up to ``max_files`` files and ``max_bytes`` bytes, so a big file gets its own run and many small ones
    are spread over several. Messages are grouped by their receive count, in batches that are ten times smaller with
    each receive: a file that kills its run is soon alone in it. Messages of a run that died are apart from the others.
    """

    def __init__(
        self,
        suspects: Suspects = Suspects(),
        *,
        max_files: int = MAX_FILES,
        max_bytes: int = 256 << 20,
    ) -> None:
        self._suspects, self._max_files, self._max_bytes = suspects, max_files, max_bytes
        self._runs: dict[tuple[int, bool], list[PlannedRun]] = defaultdict(list)
        self._last: dict[tuple[int, bool], tuple[int, int]] = {}
        self.count = self.messages = 0

    @property
    def has_retried(self) -> bool:
        return any(receives > 1 for receives, _ in self._runs)

    @property
    def runs(self) -> list[PlannedRun]:
        """The runs, those with the fewest receives first."""
        return [run for _, runs in sorted(self._runs.items()) for run in runs]

    def by_partition(self) -> "RunPlan":
        """The same messages, planned partition by partition: two runs share one only where it does not fit into one.

        Messages of partitions of which few came are first, so that none waits for a flood of others.
        """
        messages = [files for run in self.runs for files in run]
        count = Counter(_partition_of(files) for files in messages)
        plan = RunPlan(self._suspects, max_files=self._max_files, max_bytes=self._max_bytes)
        for files in sorted(messages, key=lambda files: (count[_partition_of(files)], _partition_of(files))):
            plan.add(files)
        return plan

    def add(self, files: MessageFiles) -> None:
        group = max(file.receive_count for file in files), files[0].message_id in self._suspects.message_ids
        limit = self._limit(*group)
        count, size = len(files), sum(file.size_bytes for file in files)
        last_count, last_size = self._last.get(group, (limit, 0))
        if last_count + count > limit or last_size + size > self._max_bytes:
            self._runs[group].append([])
            self.count += 1
            last_count = last_size = 0
        self._runs[group][-1].append(files)
        self._last[group] = last_count + count, last_size + size
        self.messages += 1

    def _limit(self, receives: int, is_suspect: bool) -> int:
        limit = max(1, self._max_files // 10 ** (receives - 1)) if receives > 0 else self._max_files
        return min(limit, self._suspects.per_run) if is_suspect else limit


def plan_runs(
    messages: Iterable[MessageFiles],
    suspects: Suspects = Suspects(),
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = 256 << 20,
) -> list[PlannedRun]:
    """The runs of a ``RunPlan`` for these messages."""
    plan = RunPlan(suspects, max_files=max_files, max_bytes=max_bytes)
    for files in messages:
        plan.add(files)
    return plan.runs


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


def _partition_of(files: MessageFiles) -> tuple[str, str]:
    """The partition of a message, which is nearly always about one file."""
    return files[0].dataset or "", files[0].agency or ""


def _receives(run: PlannedRun) -> int:
    return max(file.receive_count for files in run for file in files)
