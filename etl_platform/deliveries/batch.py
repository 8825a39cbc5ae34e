"""A batch of queue messages: leased, ingested by bounded workers, and deleted when their files are done. No Dagster."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from etl_platform.deliveries.check_errors import describe
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.routing import RoutedObject
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import Lease, MessageQueue, Receipt, retry_delay_s
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)


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
    on_result: Callable[[BatchMessage, DeliveryResult], None],
    on_delay: Callable[[BatchMessage, Sequence[FailedDelivery], float], None] = lambda *_: None,
    clock: Callable[[], float],
) -> list[FailedDelivery]:
    """Ingest every file of every message; the failure of one does not stop the others.

    Messages of which a file was not processed, because the workers were stopped, return to the queue at once.

    Args:
        ingest: processes one file; called by the workers.
        queue: where messages are leased and deleted; None if they do not come from a queue.
        on_result: logs a result durably; called on this thread, before the message is deleted.
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
        # Small files first, so that none waits behind large ones that wait for memory.
        tasks = sorted(
            ((message, file) for message in leased for file in message.files),
            key=lambda task: task[1].version.size_bytes or 0,
        )
        calls = [partial(ingest, message, file) for message, file in tasks]
        files_left = {id(message): len(message.files) for message in leased}
        failed: dict[int, list[FailedDelivery]] = defaultdict(list)
        with closing(workers.work(calls)) as working:
            for number, future in working:
                message, file = tasks[number]
                if failure := _log_or_fail(message, file, future, on_result):
                    failures.append(failure)
                    failed[id(message)].append(failure)
                files_left[id(message)] -= 1
                if files_left[id(message)] == 0 and queue is not None and message.receipt_handle:
                    lease.remove(message.receipt_handle)
                    if id(message) in failed:
                        delay_s = _delay(queue, message, visibility_timeout_s)
                        on_delay(message, failed[id(message)], clock() + delay_s)
                    else:
                        _delete(queue, message)
    lease.release()
    return failures


def _log_or_fail(
    message: BatchMessage,
    file: RoutedObject,
    future: Future[DeliveryResult],
    on_result: Callable[[BatchMessage, DeliveryResult], None],
) -> FailedDelivery | None:
    # SystemExit too: a library that ends the program must not take the results of the other files with it.
    failed = future.exception()
    if failed is not None:
        return FailedDelivery(file, failed)
    try:
        on_result(message, future.result())
    except Exception as error:  # noqa: BLE001 - edge of one delivery: logged, and retried by the queue
        return FailedDelivery(file, error, is_reported=True)
    return None


def _delete(queue: MessageQueue, message: BatchMessage) -> None:
    """Delete a message that is done."""
    assert message.receipt_handle is not None
    about = {"message_id": message.message_id}
    try:
        if queue.delete([message.receipt_handle]):
            log.warning("message was not deleted and will be redelivered", extra=about)
    except TransientError as error:
        # It will be redelivered and recognised as done.
        log.warning("message was not deleted", extra=about | {"error": str(error)})


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
