"""Messages kept hidden from other consumers while they are worked on. No network, no Dagster."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from etl_platform.errors import TransientError
from etl_platform.queue_work.workers import Workers

log = logging.getLogger(__name__)

RETRY_DELAY_S = 30
MAX_RETRY_DELAY_S = 3_600
MAX_HELD_S = 12 * 3_600
"""From its receipt, SQS hides a message no longer than this, however often it is extended."""


@dataclass(frozen=True)
class Receipt:
    """A message that was received: its receipt handle, and when, in epoch seconds."""

    handle: str
    received_at: float


class HeldQueue(Protocol):
    """What a batch asks of its queue; both answer with the handles that were refused."""

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]: ...

    def delete(self, receipt_handles: Sequence[str]) -> list[str]: ...


class Lease:
    """Keeps messages hidden from others while they are worked on, or wait for it.

    The first heartbeat is sent on entry; ``lost`` then holds the handles that belong to someone else by now. What is
    received later joins by ``add``, and the next heartbeat comes before half of its timeout is over. A
    message that SQS would not hide for another timeout is let go: it comes back when the last one ends.
    """

    def __init__(
        self,
        queue: HeldQueue | None,
        receipts: Sequence[Receipt],
        timeout_s: int,
        workers: Workers,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._timeout_s, self._clock = queue, timeout_s, clock
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()
        self.add(receipts)
        self._heartbeats = workers.repeat(self._beat_or_wait, timeout_s / 2)
        self.lost: set[str] = set()

    def _beat(self) -> None:
        until = self._clock() + self._timeout_s
        with self._lock:
            self._held = {handle: end for handle, end in self._held.items() if until <= end}
            handles = sorted(self._held)
        if self._queue is None or not handles:
            return
        refused = set(self._queue.change_visibility(handles, self._timeout_s))
        with self._lock:
            self.lost |= refused
            for handle in refused:
                self._held.pop(handle, None)

    def _beat_or_wait(self) -> bool:
        try:
            self._beat()
        except TransientError as error:
            # The next beat comes before the timeout ends; a lost lease costs work twice, never an effect.
            log.warning("heartbeat failed", extra={"error": str(error)})
            return False
        return True

    def add(self, receipts: Sequence[Receipt]) -> None:
        with self._lock:
            self._held |= {receipt.handle: receipt.received_at + MAX_HELD_S for receipt in receipts}

    def remove(self, receipt_handle: str) -> None:
        with self._lock:
            self._held.pop(receipt_handle, None)

    def release(self) -> int:
        """Show others at once what is still held; how many messages that is. For when the context has ended."""
        handles, self._held = list(self._held), {}
        if self._queue is not None and handles:
            try:
                self._queue.change_visibility(handles, 0)
            except TransientError as error:
                log.warning("messages not given back, they come when their timeout ends", extra={"error": str(error)})
        return len(handles)

    def __enter__(self) -> "Lease":
        self._beat()
        self._heartbeats.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeats.__exit__(kind, error, trace)


def retry_delay_s(receive_count: int) -> int:
    """How long a message that failed is hidden: twice as long with each receive, an hour at most."""
    return int(min(RETRY_DELAY_S * 2 ** (receive_count - 1), MAX_RETRY_DELAY_S))
