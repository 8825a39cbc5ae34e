"""Attempts that take turns: each waits before every call of the store until it is its turn. No tests."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from etl_platform_tests.simulation.memory import MemoryStore

Attempt = Callable[[Any], object]
"""An attempt, given the store that it uses."""


class Killed(BaseException):
    """The process of an attempt dies before a call of the store."""


class _Turns:
    """A store that gives way before every call."""

    def __init__(self, store: MemoryStore, wait: Callable[[], None]) -> None:
        self._store, self._wait = store, wait

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._wait()
            result = method(*arguments, **named)
            # A listing is one call, so it is read at once.
            return iter(list(result)) if isinstance(result, Iterator) else result

        return call


class _Actor:
    """One attempt in a thread of its own, which runs only while it is its turn."""

    def __init__(self, store: MemoryStore, attempt: Attempt, dies_before: int | None) -> None:
        self._go: queue.Queue[None] = queue.Queue()
        self._paused: queue.Queue[None] = queue.Queue()
        self._calls, self._dies_before = 0, dies_before
        self.done = self.died = False
        self.result: object = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(store, attempt), daemon=True)
        self._thread.start()
        self._paused.get()

    def _run(self, store: MemoryStore, attempt: Attempt) -> None:
        try:
            self.result = attempt(_Turns(store, self._wait))
        except Killed:
            self.died = True
        except Exception as error:  # noqa: BLE001 - judged by the test
            self.error = error
        self.done = True
        self._paused.put(None)

    def _wait(self) -> None:
        self._paused.put(None)
        self._go.get()
        self._calls += 1
        if self._calls == self._dies_before:
            raise Killed

    def step(self) -> None:
        """One call of the store, and everything until the next."""
        self._go.put(None)
        self._paused.get()


def take_turns(
    store: MemoryStore, attempts: Sequence[Attempt], turns: Sequence[int], deaths: Sequence[int | None]
) -> list[_Actor]:
    """Run attempts to their end; ``turns`` are the numbers of those that make the next call of the store.

    Args:
        turns: of an attempt that is done, they have no effect. When they are used up, the first one that is not done
            runs to its end, and then the next.
        deaths: for each attempt, the number of the call before which it dies; None if it does not die.
    """
    actors = [_Actor(store, attempt, death) for attempt, death in zip(attempts, deaths, strict=True)]
    for turn in turns:
        if not actors[turn].done:
            actors[turn].step()
    for actor in actors:
        while not actor.done:
            actor.step()
    return actors
