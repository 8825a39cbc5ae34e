"""A lease on queue messages: heartbeats hide them from other consumers during the work. No network, no Dagster."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from etl_platform.errors import EntriesFailedError, TransientError
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)

RETRY_DELAY_S = 30
MAX_RETRY_DELAY_S = 3_600
MAX_HIDDEN_S = 12 * 3_600
"""SQS hides a message at most this long after its receipt, however often its timeout is extended."""


@dataclass(frozen=True)
class Receipt:
    """The receipt handle of a received message, and when it was received, in epoch seconds."""

    handle: str
    received_at: float


class MessageQueue(Protocol):
    """The calls of a queue's consumer; both return the receipt handles that the queue refused.

    ``change_visibility`` raises EntriesFailedError if it failed for some messages and others have the new timeout.
    """

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]: ...

    def delete(self, receipt_handles: Sequence[str]) -> list[str]: ...


class Lease:
    """Hides messages from other consumers while they are processed or wait to be.

    The first heartbeat is sent on entry, the next ones before half of the timeout is over. ``lost`` has the handles
    that the queue refused: those messages belong to another consumer now. Messages that are received later are added
    with ``add``. A message that SQS cannot hide for another timeout leaves the lease, and returns to the queue when
    its last timeout ends.
    """

    def __init__(
        self,
        queue: MessageQueue | None,
        receipts: Sequence[Receipt],
        timeout_s: int,
        workers: Workers,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._timeout_s, self._clock = queue, timeout_s, clock
        self._hidden_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self.add(receipts)
        self._heartbeats = workers.repeat(self._try_heartbeat, timeout_s / 2)
        self.lost: set[str] = set()

    def _heartbeat(self) -> bool:
        """Extend every message; returns whether all were extended, except those that others received."""
        next_end = self._clock() + self._timeout_s
        with self._lock:
            self._hidden_until = {handle: end for handle, end in self._hidden_until.items() if next_end <= end}
            handles = sorted(self._hidden_until)
        if self._queue is None or not handles:
            return True
        is_complete = True
        try:
            lost = set(self._queue.change_visibility(handles, self._timeout_s))
        except EntriesFailedError as error:
            log.warning("heartbeat failed for some messages", extra={"error": str(error)})
            lost, is_complete = set(error.lost), False
        with self._lock:
            self.lost |= lost
            for handle in lost:
                self._hidden_until.pop(handle, None)
        return is_complete

    def _try_heartbeat(self) -> bool:
        try:
            return self._heartbeat()
        except TransientError as error:
            # The next heartbeat comes before the timeout ends. If the lease is lost, another consumer repeats the
            # work; the result is the same.
            log.warning("heartbeat failed", extra={"error": str(error)})
            return False

    def add(self, receipts: Sequence[Receipt]) -> None:
        with self._lock:
            self._hidden_until |= {receipt.handle: receipt.received_at + MAX_HIDDEN_S for receipt in receipts}

    def remove(self, receipt_handle: str) -> None:
        with self._lock:
            self._hidden_until.pop(receipt_handle, None)

    def release(self) -> int:
        """Make the remaining messages visible at once, after the context has ended; returns their number."""
        handles, self._hidden_until = list(self._hidden_until), {}
        if self._queue is not None and handles:
            try:
                self._queue.change_visibility(handles, 0)
            except TransientError as error:
                log.warning(
                    "messages not released; they return to the queue when their timeout ends",
                    extra={"error": str(error)},
                )
        return len(handles)

    def __enter__(self) -> "Lease":
        if not self._heartbeat():
            # The next heartbeat would be too late for a message that has waited for its run.
            self._try_heartbeat()
        self._heartbeats.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeats.__exit__(kind, error, trace)


def retry_delay_s(receive_count: int) -> int:
    """How long a failed message stays hidden: twice as long after each receive, at most an hour."""
    return int(min(RETRY_DELAY_S * 2 ** (receive_count - 1), MAX_RETRY_DELAY_S))
