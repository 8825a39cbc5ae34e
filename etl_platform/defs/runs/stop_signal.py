"""Graceful shutdown: SIGTERM and SIGINT set an event instead of raising an error in the middle of the work."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOP = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """An event that is set when this process is asked to stop: by Kubernetes, Ctrl-C, or Terminate in the UI.

    It replaces Dagster's handlers, which raise in the main thread, and restores them at the end. Only the main thread
    may handle signals; on any other thread the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in _STOP}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
