"""Work one step ahead on a thread of its own."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
_LOOK_S = 0.1


@dataclass(frozen=True)
class _End:
    """The source has ended, perhaps by an error."""

    error: BaseException | None = None


def prefetch(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, the next made while the caller works on this one; errors come where they would have.

    A caller that stops early closes the generator, which ends the thread and closes ``items``.
    """
    ready: Queue[Item | _End] = Queue(1)
    stop = threading.Event()

    def offer(item: Item | _End) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False

    def make() -> None:
        last = _End()
        try:
            for item in items:
                if not offer(item):
                    return
                del item
        except BaseException as error:  # noqa: BLE001 - a thread's edge: raised again by the caller's next step
            last = _End(error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        offer(last)

    thread = threading.Thread(target=make, name="one ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            handed = [item]
            # Not kept here as well while the caller has given it back and the next is waited for.
            del item
            yield handed.pop()
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()
