"""A batch of queue messages: held by heartbeats, ingested by bounded workers, deleted last. No Dagster."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, TypeVar

from etl_platform.core.errors import TransientError
from etl_platform.core.events import ObjectCreated
from etl_platform.ingest import Attempt, Ingested

log = logging.getLogger(__name__)

RETRY_DELAY_S = 30
MAX_RETRY_DELAY_S = 3_600
MAX_HELD_S = 12 * 3_600
"""From its receipt, SQS hides a message no longer than this, however often it is extended."""
_LOOK_S = 0.2
T = TypeVar("T")


class HeldQueue(Protocol):
    """What a batch asks of its queue; both answer with the handles that were refused."""

    def hide(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]: ...

    def delete(self, receipt_handles: Sequence[str]) -> list[str]: ...


class Workers(Protocol):
    """How a batch is worked on at once: threads in a run, steps of a schedule where a test must repeat them."""

    def work(self, calls: Sequence[Callable[[], T]]) -> Generator[tuple[int, Future[T]]]:
        """Start the calls; as they are done, the number of each with its result. What was stopped does not come."""
        ...

    def repeat(self, call: Callable[[], bool], every_s: float) -> AbstractContextManager[None]:
        """Repeat a call beside the work, the first time after ``every_s``, until the context ends.

        It answers whether it went well; where it did not, the next may come sooner.
        """
        ...


class Threads:
    """Workers that are threads, ``count`` at most.

    Args:
        stop: once it is set, what has not begun does not begin, and what has begun gets ``grace_s`` to end.
    """

    def __init__(self, count: int, stop: threading.Event | None = None, grace_s: float = 0) -> None:
        self._count, self._stop, self._grace_s = count, stop or threading.Event(), grace_s

    def work(self, calls: Sequence[Callable[[], T]]) -> Generator[tuple[int, Future[T]]]:
        pool = ThreadPoolExecutor(self._count)
        done: SimpleQueue[Future[T]] = SimpleQueue()
        numbers = {pool.submit(self._unless_stopped, call): number for number, call in enumerate(calls)}
        for future in numbers:
            future.add_done_callback(done.put)
        left, deadline = len(numbers), None
        try:
            while left and (deadline is None or time.monotonic() < deadline):
                if deadline is None and self._stop.is_set():
                    deadline = time.monotonic() + self._grace_s
                try:
                    future = done.get(timeout=_LOOK_S)
                except Empty:
                    continue
                left -= 1
                if not isinstance(future.exception(), CancelledError):
                    yield numbers[future], future
        finally:
            # A thread cannot be ended; what overruns its grace is not waited for.
            pool.shutdown(wait=deadline is None or not left, cancel_futures=True)

    def _unless_stopped(self, call: Callable[[], T]) -> T:
        if self._stop.is_set():
            raise CancelledError
        return call()

    @contextmanager
    def repeat(self, call: Callable[[], bool], every_s: float) -> Iterator[None]:
        stop = threading.Event()

        def repeat_until_stopped() -> None:
            pause_s = every_s
            while not stop.wait(pause_s):
                began = time.monotonic()
                # A call takes time as well, and a failed one leaves less until the timeout ends.
                wanted_s = every_s if call() else every_s / 4
                pause_s = max(0.0, wanted_s - (time.monotonic() - began))

        thread = threading.Thread(target=repeat_until_stopped, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


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
class Failed:
    """A delivery that met an error; its message stays in the queue."""

    event: ObjectCreated
    error: Exception

    def __str__(self) -> str:
        return f"{self.event.key}: {type(self.error).__name__}: {self.error}"


class Lease:
    """Keeps messages hidden from others while they are worked on, or wait for it.

    The first heartbeat is sent on entry; ``lost`` then holds the handles that belong to someone else by now. What is
    received later joins by ``hold``, and the next heartbeat comes before half of its timeout is over. A
    message that SQS would not hide for another timeout is let go: it comes back when the last one ends.
    """

    def __init__(
        self,
        queue: HeldQueue | None,
        messages: Sequence[HeldMessage],
        timeout_s: int,
        workers: Workers,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._timeout_s, self._clock = queue, timeout_s, clock
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()
        self.hold(messages)
        self._heartbeats = workers.repeat(self._beat_or_wait, timeout_s / 2)
        self.lost: set[str] = set()

    def _beat(self) -> None:
        until = self._clock() + self._timeout_s
        with self._lock:
            self._held = {handle: end for handle, end in self._held.items() if until <= end}
            handles = sorted(self._held)
        if self._queue is None or not handles:
            return
        refused = set(self._queue.hide(handles, self._timeout_s))
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

    def hold(self, messages: Sequence[HeldMessage]) -> None:
        now = self._clock()
        ends = {
            message.receipt_handle: (now if message.received_at is None else message.received_at) + MAX_HELD_S
            for message in messages
            if message.receipt_handle
        }
        with self._lock:
            self._held |= ends

    def release(self, receipt_handle: str) -> None:
        with self._lock:
            self._held.pop(receipt_handle, None)

    def give_back(self) -> int:
        """Show others at once what is still held; how many messages that is. For when the context has ended."""
        handles, self._held = list(self._held), {}
        if self._queue is not None and handles:
            try:
                self._queue.hide(handles, 0)
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


def work_batch(
    messages: Sequence[HeldMessage],
    ingest: Callable[[ObjectCreated, Attempt], Ingested],
    attempt_of: Callable[[HeldMessage], Attempt],
    *,
    queue: HeldQueue | None,
    workers: Workers,
    visibility_timeout_s: int,
    tell: Callable[[HeldMessage, Ingested], None],
    clock: Callable[[], float] = time.time,
) -> list[Failed]:
    """Ingest every object of every message; one that fails stops nobody else.

    What the workers were stopped from ending goes back to the queue at once.

    Args:
        ingest: does the work of one object; called by the workers.
        queue: where handles are extended and deleted; None when nothing came from a queue.
        tell: makes a result durable for people; called on this thread, before the message is deleted.
        clock: epoch seconds.

    Returns:
        What failed. Their messages come back after a delay that grows with each receive.
    """
    failures: list[Failed] = []
    with Lease(queue, messages, visibility_timeout_s, workers, clock) as lease:
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
    lease.give_back()
    return failures


def retry_delay_s(receive_count: int) -> int:
    """How long a message that failed is hidden: twice as long with each receive, an hour at most."""
    return int(min(RETRY_DELAY_S * 2 ** (receive_count - 1), MAX_RETRY_DELAY_S))


def _settle(queue: HeldQueue, message: HeldMessage, *, failed: bool) -> None:
    """Delete a message that is done, or put it off: longer with each receive."""
    assert message.receipt_handle is not None
    try:
        if failed:
            queue.hide([message.receipt_handle], retry_delay_s(message.receive_count))
        elif queue.delete([message.receipt_handle]):
            log.warning("message not deleted, it comes again", extra={"message_id": message.message_id})
    except TransientError as error:
        # It comes again and is found to be done: a duplicate of work, not of effect.
        log.warning("message not settled", extra={"message_id": message.message_id, "error": str(error)})
