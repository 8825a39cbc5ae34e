"""A batch of queue messages: held by heartbeats, ingested by bounded workers, deleted last. No Dagster."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol

from etl_platform.core.errors import TransientError
from etl_platform.core.events import ObjectCreated
from etl_platform.ingest import Attempt, Ingested

log = logging.getLogger(__name__)

RETRY_DELAY_S = 30
MAX_RETRY_DELAY_S = 3_600


class HeldQueue(Protocol):
    """What a batch asks of its queue; both answer with the handles that were refused."""

    def hide(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]: ...

    def delete(self, receipt_handles: Sequence[str]) -> list[str]: ...


class Workers(Protocol):
    """How a batch is worked on at once: threads in a run, steps of a schedule where a test must repeat them."""

    def work(self, calls: Sequence[Callable[[], Ingested]]) -> Generator[tuple[int, Future[Ingested]]]:
        """Start every call; as they are done, the number of each with its result."""
        ...

    def repeat(self, call: Callable[[], None], every_s: float) -> AbstractContextManager[None]:
        """Repeat a call beside the work, the first time after ``every_s``, until the context ends."""
        ...


class Threads:
    """Workers that are threads, ``count`` at most."""

    def __init__(self, count: int) -> None:
        self._count = count

    def work(self, calls: Sequence[Callable[[], Ingested]]) -> Generator[tuple[int, Future[Ingested]]]:
        with ThreadPoolExecutor(self._count) as pool:
            numbers = {pool.submit(call): number for number, call in enumerate(calls)}
            for future in as_completed(numbers):
                yield numbers[future], future

    @contextmanager
    def repeat(self, call: Callable[[], None], every_s: float) -> Iterator[None]:
        stop = threading.Event()

        def repeat_until_stopped() -> None:
            while not stop.wait(every_s):
                call()

        thread = threading.Thread(target=repeat_until_stopped, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass(frozen=True)
class HeldMessage:
    """A message and the objects that it announces; without a receipt handle nothing is held or deleted."""

    events: tuple[ObjectCreated, ...]
    message_id: str | None = None
    receipt_handle: str | None = None
    receive_count: int = 1


@dataclass(frozen=True)
class Failed:
    """A delivery that met an error; its message stays in the queue."""

    event: ObjectCreated
    error: Exception


class Lease:
    """Keeps messages hidden from others while they are worked on.

    The first heartbeat is sent on entry; ``lost`` then holds the handles that belong to someone else by now.
    """

    def __init__(
        self, queue: HeldQueue | None, receipt_handles: Sequence[str], timeout_s: int, workers: Workers
    ) -> None:
        self._queue, self._timeout_s = queue, timeout_s
        self._held = set(receipt_handles)
        self._lock = threading.Lock()
        self._heartbeats = workers.repeat(self._beat_or_wait, timeout_s / 2)
        self.lost: set[str] = set()

    def _beat(self) -> None:
        with self._lock:
            handles = sorted(self._held)
        if self._queue is None or not handles:
            return
        refused = set(self._queue.hide(handles, self._timeout_s))
        with self._lock:
            self.lost |= refused
            self._held -= refused

    def _beat_or_wait(self) -> None:
        # The next beat comes before the timeout ends; a lost lease costs work twice, never an effect.
        with suppress(TransientError):
            self._beat()

    def release(self, receipt_handle: str) -> None:
        with self._lock:
            self._held.discard(receipt_handle)

    def __enter__(self) -> "Lease":
        self._beat()
        self._heartbeats.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeats.__exit__(kind, error, trace)


def work_batch(
    messages: Sequence[HeldMessage],
    ingest: Callable[[ObjectCreated, Attempt], Ingested],
    attempt_of: Callable[[HeldMessage], Attempt],
    *,
    queue: HeldQueue | None,
    workers: Workers,
    visibility_timeout_s: int,
    tell: Callable[[HeldMessage, Ingested], None],
) -> list[Failed]:
    """Ingest every object of every message; one that fails stops nobody else.

    Args:
        ingest: does the work of one object; called by the workers.
        queue: where handles are extended and deleted; None when nothing came from a queue.
        tell: makes a result durable for people; called on this thread, before the message is deleted.

    Returns:
        What failed. Their messages come back after a delay that grows with each receive.
    """
    handles = [message.receipt_handle for message in messages if message.receipt_handle]
    failures: list[Failed] = []
    with Lease(queue, handles, visibility_timeout_s, workers) as lease:
        mine = [message for message in messages if message.receipt_handle not in lease.lost]
        tasks = [(message, event) for message in mine for event in message.events]
        calls = [partial(ingest, event, attempt_of(message)) for message, event in tasks]
        waiting = {id(message): len(message.events) for message in mine}
        broken: set[int] = set()
        with closing(workers.work(calls)) as working:
            for number, future in working:
                message, event = tasks[number]
                try:
                    tell(message, future.result())
                except Exception as error:  # noqa: BLE001 - one delivery's edge: recorded, reported, retried
                    failures.append(Failed(event, error))
                    broken.add(id(message))
                waiting[id(message)] -= 1
                if waiting[id(message)] == 0 and queue is not None and message.receipt_handle:
                    lease.release(message.receipt_handle)
                    _settle(queue, message, failed=id(message) in broken)
    return failures


def _settle(queue: HeldQueue, message: HeldMessage, *, failed: bool) -> None:
    """Delete a message that is done, or put it off: longer with each receive."""
    assert message.receipt_handle is not None
    try:
        if failed:
            delay = min(RETRY_DELAY_S * 2 ** (message.receive_count - 1), MAX_RETRY_DELAY_S)
            queue.hide([message.receipt_handle], delay)
        elif queue.delete([message.receipt_handle]):
            log.warning("message not deleted, it comes again", extra={"message_id": message.message_id})
    except TransientError as error:
        # It comes again and is found to be done: a duplicate of work, not of effect.
        log.warning("message not settled", extra={"message_id": message.message_id, "error": str(error)})
