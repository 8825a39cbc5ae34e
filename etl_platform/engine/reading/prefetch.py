"""Produces the next item of an iterator on a separate thread."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
_STOP_CHECK_S = 0.1


@dataclass(frozen=True)
class _End:
    """The source has ended, perhaps with an error."""

    error: BaseException | None = None


def prefetch(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items; the next one is produced while the caller works on the current one.

    An error of the source is raised in place of the item. A caller that stops early closes the generator, which ends
    the thread and closes ``items``.
    """
    ready: Queue[Item | _End] = Queue(1)
    stop = threading.Event()

    def offer(item: Item | _End) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_STOP_CHECK_S)
            except Full:
                continue
            return True
        return False

    def produce() -> None:
        last = _End()
        try:
            for item in items:
                if not offer(item):
                    return
                del item
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: raised again in the caller's thread
            last = _End(error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        offer(last)

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            handed_over = [item]
            # Keep no reference here, so that the item is freed as soon as the caller drops it.
            del item
            yield handed_over.pop()
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()
