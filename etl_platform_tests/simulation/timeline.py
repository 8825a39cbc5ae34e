"""Virtual time: processes made of greenlets, of which one runs at a time, in an order that a seed decides. No tests.

A greenlet gives way only where it sleeps or waits, so that the same seed takes the same steps every time.
"""

import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from random import Random

from greenlet import getcurrent, greenlet

from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.queue_work.workers import PATIENCE_S, Done, DoneCalls, alone

EPOCH = 1_767_600_000.0
"""2026-01-05 08:00 UTC, a Monday."""
_POLL_S = 0.5


class Killed(BaseException):
    """Unwinds a greenlet whose process is dead."""


class Violation(BaseException):
    """What must never happen has happened; ends the simulation."""


class Process:
    """What dies together: the greenlets of one run or one daemon."""

    def __init__(self, name: str) -> None:
        self.name, self.alive = name, True
        # A set would go by their addresses, and so differ from one run to the next.
        self.greenlets: dict[greenlet, None] = {}


class _Lock:
    """A lock of each process. A lock of ``threading`` would stop the one thread on which all greenlets run."""

    def __init__(self, timeline: "Timeline") -> None:
        self._timeline, self._holders = timeline, list[Process | None]()

    def __enter__(self) -> None:
        while self._timeline.process in self._holders:
            self._timeline.sleep(_POLL_S)
        self._holders.append(self._timeline.process)

    def __exit__(self, *_: object) -> None:
        self._holders.remove(self._timeline.process)


class Timeline:
    def __init__(self, seed: str) -> None:
        self.random, self.now = Random(seed), EPOCH
        self.failure: BaseException | None = None
        self._hub, self._thread = getcurrent(), threading.get_ident()
        self._due: list[tuple[float, float, int, greenlet]] = []
        self._numbers = itertools.count()
        self._processes: dict[greenlet, Process] = {}
        self._tickets: dict[greenlet, int] = {}

    def clock(self) -> float:
        return self.now

    def lock(self) -> _Lock:
        return _Lock(self)

    @property
    def process(self) -> Process | None:
        """Whose step this is; None outside the simulation and on a thread that the product started."""
        return self._processes.get(getcurrent())

    def spawn(self, process: Process, call: Callable[[], None], after: float = 0.0) -> None:
        def run() -> None:
            try:
                if process.alive:
                    call()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - what escapes a process ends the simulation
                self.failure = self.failure or error
            finally:
                process.greenlets.pop(getcurrent(), None)
                self._processes.pop(getcurrent(), None)
                self._tickets.pop(getcurrent(), None)

        made = greenlet(run, self._hub)
        process.greenlets[made] = None
        self._processes[made] = process
        self._wake(made, after)

    def sleep(self, seconds: float) -> None:
        me = getcurrent()
        if me not in self._processes:
            return
        self._wake(me, seconds)
        self.wait()

    def wait(self) -> None:
        """Give way until somebody wakes this greenlet."""
        me = getcurrent()
        self._hub.switch()
        if not self._processes[me].alive:
            raise Killed

    def kill(self, process: Process) -> None:
        """End a process where it is: none of its greenlets has an effect from now on."""
        process.alive = False
        for member in list(process.greenlets):
            if member is not getcurrent():
                self._wake(member, 0.0)
        if getcurrent() in process.greenlets:
            raise Killed

    def run(self, until: float) -> bool:
        """Take steps up to a time; whether there was nothing more to do."""
        while self._due and self.failure is None:
            at, _, ticket, due = self._due[0]
            if at > until:
                return False
            heapq.heappop(self._due)
            if self._tickets.get(due) != ticket:
                continue
            self.now = max(self.now, at)
            due.switch()
        if self.failure is not None:
            raise self.failure
        return True

    def close(self) -> None:
        """Unwind whoever still waits."""
        for member, process in list(self._processes.items()):
            process.alive = False
            if member:
                member.switch()

    def _wake(self, sleeper: greenlet, after: float) -> None:
        ticket = self._tickets[sleeper] = next(self._numbers)
        heapq.heappush(self._due, (self.now + after, self.random.random(), ticket, sleeper))


class Stop:
    """Whether a process was asked to stop."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True


class Steps:
    """``Workers`` whose calls and heartbeats are greenlets of the current process; compare ``workers.Threads``."""

    def __init__(self, timeline: Timeline, count: int, stop: Stop, grace_s: float) -> None:
        self._timeline, self._count, self._stop, self._grace_s = timeline, count, stop, grace_s

    def work(
        self, calls: Sequence[Callable[[], DeliveryResult]], group_of: Callable[[int], Hashable] = alone
    ) -> Generator[Done[DeliveryResult]]:
        process = self._timeline.process
        assert process is not None
        waiting, done = deque(enumerate(calls)), DoneCalls[DeliveryResult](len(calls), group_of)
        working = 0

        def worker() -> None:
            nonlocal working
            while waiting and not self._stop.is_set:
                number, call = waiting.popleft()
                working += 1
                future: Future[DeliveryResult] = Future()
                try:
                    future.set_result(call())
                except Exception as error:  # noqa: BLE001 - as a thread pool keeps it for the caller
                    future.set_exception(error)
                working -= 1
                done.add(number, future)

        for _ in range(min(self._count, len(calls))):
            self._timeline.spawn(process, worker)
        left, deadline, yielded_at = len(calls), math.inf, self._timeline.now
        while left and self._timeline.now < deadline:
            if self._stop.is_set:
                deadline = min(deadline, self._timeline.now + self._grace_s)
                if not done and not working:
                    return
            is_late = not working or self._timeline.now > yielded_at + PATIENCE_S
            if done and (done.has_whole_group or is_late):
                group = done.take()
                left -= len(group)
                yield group
                yielded_at = self._timeline.now
            else:
                self._timeline.sleep(_POLL_S)

    @contextmanager
    def repeat(self, call: Callable[[], bool], every_s: float) -> Iterator[None]:
        process, stopped = self._timeline.process, False
        assert process is not None

        def repeat_until_stopped() -> None:
            pause_s = every_s
            while True:
                self._timeline.sleep(pause_s)
                if stopped:
                    return
                began = self._timeline.now
                wanted_s = every_s if call() else every_s / 4
                pause_s = max(0.0, wanted_s - (self._timeline.now - began))

        self._timeline.spawn(process, repeat_until_stopped)
        try:
            yield
        finally:
            stopped = True
