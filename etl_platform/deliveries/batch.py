"""A batch of queue messages: leased, ingested by bounded workers, and deleted when their files are done. No Dagster."""

import logging
from collections.abc import Callable, Sequence
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
    """A file whose processing raised an error; its message stays in the queue."""

    file: RoutedObject
    error: Exception

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
    clock: Callable[[], float],
) -> list[FailedDelivery]:
    """Ingest every file of every message; the failure of one does not stop the others.

    Messages of which a file was not processed, because the workers were stopped, return to the queue at once.

    Args:
        ingest: processes one file; called by the workers.
        queue: where messages are leased and deleted; None if they do not come from a queue.
        on_result: logs a result durably; called on this thread, before the message is deleted.
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
        tasks = [(message, file) for message in leased for file in message.files]
        calls = [partial(ingest, message, file) for message, file in tasks]
        files_left = {id(message): len(message.files) for message in leased}
        failed: set[int] = set()
        with closing(workers.work(calls)) as working:
            for number, future in working:
                message, file = tasks[number]
                try:
                    on_result(message, future.result())
                except Exception as error:  # noqa: BLE001 - edge of one delivery: logged, and retried by the queue
                    failures.append(FailedDelivery(file, error))
                    failed.add(id(message))
                files_left[id(message)] -= 1
                if files_left[id(message)] == 0 and queue is not None and message.receipt_handle:
                    lease.remove(message.receipt_handle)
                    _delete_or_delay(queue, message, failed=id(message) in failed)
    lease.release()
    return failures


def _delete_or_delay(queue: MessageQueue, message: BatchMessage, *, failed: bool) -> None:
    """Delete a message that is done; hide a failed one for longer with each receive."""
    assert message.receipt_handle is not None
    about = {"message_id": message.message_id}
    try:
        if failed:
            queue.change_visibility([message.receipt_handle], retry_delay_s(message.receive_count))
        elif queue.delete([message.receipt_handle]):
            log.warning("message was not deleted and will be redelivered", extra=about)
    except TransientError as error:
        # It will be redelivered and recognised as done.
        log.warning("message was neither deleted nor delayed", extra=about | {"error": str(error)})
