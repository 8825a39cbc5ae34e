"""Work one step ahead on a thread of its own."""

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
_END = object()
_LOOK_S = 0.1


def one_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, the next made while the caller works on this one; errors come where they would have.

    A caller that stops early closes the generator, which ends the thread and closes ``items``.
    """
    ready: Queue[object] = Queue(1)
    stop = threading.Event()

    def offer(item: object) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False

    def make() -> None:
        last: object = _END
        try:
            for item in items:
                if not offer(item):
                    return
        except BaseException as error:  # noqa: BLE001 - a thread's edge: raised again by the caller's next step
            last = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        offer(last)

    thread = threading.Thread(target=make, name="one ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
