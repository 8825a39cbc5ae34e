"""A batch of queue messages: leased, ingested by bounded workers, and deleted when their files are done. No Dagster."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from etl_platform.deliveries.check_errors import describe
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.routing import RoutedObject
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import Lease, MessageQueue, Receipt, retry_delay_s
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)
FinishedFile: TypeAlias = tuple["BatchMessage", DeliveryResult]
Task: TypeAlias = tuple["BatchMessage", RoutedObject]
_SMALL_BYTES = 1 << 20


@dataclass(frozen=True)
class BatchMessage:
    """A queue message and the files that it announces. Without a receipt handle nothing is leased or deleted.

    ``received_at`` is in epoch seconds; None means now.
    """

    files: tuple[RoutedObject, ...]
    message_id: str | None = None
    receipt_handle: str | None = None
    receive_count: int = 1
    received_at: float | None = None
    redriven_by: str | None = None


@dataclass(frozen=True)
class FailedDelivery:
    """A file whose processing raised an error; its message stays in the queue.

    Attributes:
        is_reported: whether its report is written, and only the logging of it failed.
    """

    file: RoutedObject
    error: BaseException
    is_reported: bool = False

    def __str__(self) -> str:
        return f"{self.file.key}: {describe(self.error)}"


def process_batch(
    messages: Sequence[BatchMessage],
    ingest: Callable[[BatchMessage, RoutedObject], DeliveryResult],
    *,
    queue: MessageQueue | None,
    workers: Workers,
    visibility_timeout_s: int,
    on_results: Callable[[Sequence[FinishedFile]], None],
    on_delay: Callable[[BatchMessage, Sequence[FailedDelivery], float], None] = lambda *_: None,
    clock: Callable[[], float],
) -> list[FailedDelivery]:
    """Ingest every file of every message; the failure of one does not stop the others.

    Messages of which a file was not processed, because the workers were stopped, return to the queue at once.

    Args:
        ingest: processes one file; called by the workers.
        queue: where messages are leased and deleted; None if they do not come from a queue.
        on_results: logs results of one dataset and agency durably; called on this thread, before the messages are
            deleted. While it logs, others finish, and their results are then logged together.
        on_delay: called on this thread for each message that stays in the queue, with its failures and with the time
            (epoch seconds) at which it comes again.
        clock: epoch seconds.

    Returns:
        The failures. Their messages return to the queue after a delay that grows with each receive.
    """
    failures: list[FailedDelivery] = []
    now = clock()
    receipts = [
        Receipt(message.receipt_handle, now if message.received_at is None else message.received_at)
        for message in messages
        if message.receipt_handle
    ]
    with Lease(queue, receipts, visibility_timeout_s, workers, clock) as lease:
        leased = [message for message in messages if message.receipt_handle not in lease.lost]
        tasks = _in_order((message, file) for message in leased for file in message.files)
        calls = [partial(ingest, message, file) for message, file in tasks]
        unfinished = _Unfinished(leased)
        with closing(workers.work(calls, lambda number: _partition_of(tasks[number]))) as working:
            for done in working:
                failed = _log_or_fail([(*tasks[number], future) for number, future in done], on_results)
                failures += [failure for failure in failed if failure]
                messages_done = unfinished.remove([(tasks[number][0], failed[i]) for i, (number, _) in enumerate(done)])
                if queue is None:
                    continue
                for message, _ in messages_done:
                    lease.remove(message.receipt_handle or "")
                _delete(queue, [message for message, errors in messages_done if not errors])
                for message, errors in messages_done:
                    if errors and message.receipt_handle:
                        delay_s = _delay(queue, message, visibility_timeout_s)
                        on_delay(message, errors, clock() + delay_s)
    lease.release()
    return failures


def _partition_of(task: Task) -> tuple[str, str]:
    route = task[1].route
    return route.dataset or "", route.agency or ""


def _in_order(tasks: Iterable[Task]) -> list[Task]:
    """Small files first, so that none waits behind large ones that wait for memory. Of these, partition by partition.

    Results of one partition that are done together are logged together. Those of which few files came are first.
    """
    tasks = list(tasks)
    files = Counter(map(_partition_of, tasks))

    def place(task: Task) -> tuple[int, int, tuple[str, str]]:
        partition = _partition_of(task)
        return max(task[1].version.size_bytes or 0, _SMALL_BYTES), files[partition], partition

    return sorted(tasks, key=place)


class _Unfinished:
    """Messages of which files are not finished, and the failures of the others."""

    def __init__(self, messages: Sequence[BatchMessage]) -> None:
        self._files_left = {id(message): len(message.files) for message in messages}
        self._failed: dict[int, list[FailedDelivery]] = defaultdict(list)

    def remove(
        self, files: Sequence[tuple[BatchMessage, FailedDelivery | None]]
    ) -> list[tuple[BatchMessage, list[FailedDelivery]]]:
        """Note files that are finished or failed; returns the messages of which this was the last file."""
        finished = list[tuple[BatchMessage, list[FailedDelivery]]]()
        for message, failure in files:
            if failure:
                self._failed[id(message)].append(failure)
            self._files_left[id(message)] -= 1
            if not self._files_left[id(message)]:
                finished.append((message, self._failed[id(message)]))
        return finished


def _log_or_fail(
    ended: Sequence[tuple[BatchMessage, RoutedObject, Future[DeliveryResult]]],
    on_results: Callable[[Sequence[FinishedFile]], None],
) -> list[FailedDelivery | None]:
    """Log the results; returns the failure of each file, None if it is done."""
    # SystemExit too: a library that ends the program must not take the results of the other files with it.
    errors = [future.exception() for _, _, future in ended]
    finished = [(message, future.result()) for message, _, future in ended if future.exception() is None]
    not_logged = _error_of(on_results, finished) if finished else None
    failures: list[FailedDelivery | None] = []
    for (_, file, _), error in zip(ended, errors, strict=True):
        cause = error or not_logged
        failures.append(FailedDelivery(file, cause, is_reported=error is None) if cause else None)
    return failures


def _error_of(
    on_results: Callable[[Sequence[FinishedFile]], None], finished: Sequence[FinishedFile]
) -> Exception | None:
    try:
        on_results(finished)
    except Exception as error:  # noqa: BLE001 - edge of a partition: logged, and retried by the queue
        return error
    return None


def _delete(queue: MessageQueue, messages: Sequence[BatchMessage]) -> None:
    """Delete messages that are done."""
    by_handle = {message.receipt_handle: message for message in messages if message.receipt_handle}
    if not by_handle:
        return
    try:
        lost = queue.delete(list(by_handle))
    except TransientError as error:
        # They will be redelivered and recognised as done.
        ids = [message.message_id for message in by_handle.values()]
        log.warning("messages were not deleted", extra={"message_ids": ids, "error": str(error)})
        return
    for handle in lost:
        log.warning(
            "message was not deleted and will be redelivered", extra={"message_id": by_handle[handle].message_id}
        )


def _delay(queue: MessageQueue, message: BatchMessage, visibility_timeout_s: int) -> int:
    """Hide a failed message for longer with each receive; returns for how many seconds."""
    assert message.receipt_handle is not None
    delay_s = retry_delay_s(message.receive_count)
    try:
        queue.change_visibility([message.receipt_handle], delay_s)
    except TransientError as error:
        about = {"message_id": message.message_id, "error": str(error)}
        log.warning("message was not delayed; it comes again when its timeout ends", extra=about)
        return visibility_timeout_s
    return delay_s
