"""A batch of queue messages: held by heartbeats, ingested by bounded workers, deleted last. No Dagster."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from etl_platform.deliveries.intake import Attempt, DeliveryResult
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import HeldQueue, Lease, Receipt, retry_delay_s
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldMessage:
    """A message and the objects that it announces; without a receipt handle nothing is held or deleted.

    ``received_at`` is in epoch seconds; None means now.
    """

    events: tuple[ObjectCreated, ...]
    message_id: str | None = None
    receipt_handle: str | None = None
    receive_count: int = 1
    received_at: float | None = None


@dataclass(frozen=True)
class FailedDelivery:
    """A delivery that met an error; its message stays in the queue."""

    event: ObjectCreated
    error: Exception

    def __str__(self) -> str:
        return f"{self.event.key}: {type(self.error).__name__}: {self.error}"


def process_batch(
    messages: Sequence[HeldMessage],
    ingest: Callable[[ObjectCreated, Attempt], DeliveryResult],
    attempt_of: Callable[[HeldMessage], Attempt],
    *,
    queue: HeldQueue | None,
    workers: Workers,
    visibility_timeout_s: int,
    on_result: Callable[[HeldMessage, DeliveryResult], None],
    clock: Callable[[], float] = time.time,
) -> list[FailedDelivery]:
    """Ingest every object of every message; one that fails stops nobody else.

    What the workers were stopped from ending goes back to the queue at once.

    Args:
        ingest: does the work of one object; called by the workers.
        queue: where handles are extended and deleted; None when nothing came from a queue.
        on_result: makes a result durable for people; called on this thread, before the message is deleted.
        clock: epoch seconds.

    Returns:
        What failed. Their messages come back after a delay that grows with each receive.
    """
    failures: list[FailedDelivery] = []
    now = clock()
    receipts = [
        Receipt(message.receipt_handle, now if message.received_at is None else message.received_at)
        for message in messages
        if message.receipt_handle
    ]
    with Lease(queue, receipts, visibility_timeout_s, workers, clock) as lease:
        mine = [message for message in messages if message.receipt_handle not in lease.lost]
        tasks = [(message, event) for message in mine for event in message.events]
        calls = [partial(ingest, event, attempt_of(message)) for message, event in tasks]
        waiting = {id(message): len(message.events) for message in mine}
        broken: set[int] = set()
        with closing(workers.work(calls)) as working:
            for number, future in working:
                message, event = tasks[number]
                try:
                    on_result(message, future.result())
                except Exception as error:  # noqa: BLE001 - one delivery's edge: recorded, reported, retried
                    failures.append(FailedDelivery(event, error))
                    broken.add(id(message))
                waiting[id(message)] -= 1
                if waiting[id(message)] == 0 and queue is not None and message.receipt_handle:
                    lease.remove(message.receipt_handle)
                    _settle(queue, message, failed=id(message) in broken)
    lease.release()
    return failures


def _settle(queue: HeldQueue, message: HeldMessage, *, failed: bool) -> None:
    """Delete a message that is done, or put it off: longer with each receive."""
    assert message.receipt_handle is not None
    try:
        if failed:
            queue.change_visibility([message.receipt_handle], retry_delay_s(message.receive_count))
        elif queue.delete([message.receipt_handle]):
            log.warning("message not deleted, it comes again", extra={"message_id": message.message_id})
    except TransientError as error:
        # It comes again and is found to be done: a duplicate of work, not of effect.
        log.warning("message not settled", extra={"message_id": message.message_id, "error": str(error)})
