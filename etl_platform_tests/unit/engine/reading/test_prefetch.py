"""Prefetching: the same items, errors where they are due, no thread left running."""

import threading
from collections.abc import Iterator

import pytest

from etl_platform.engine.reading.prefetch import prefetch


def counting(end: int, closed: threading.Event, fail_at: int | None = None) -> Iterator[int]:
    try:
        for number in range(end):
            if number == fail_at:
                raise ValueError(f"no {number}")
            yield number
    finally:
        closed.set()


def test_the_items_come_in_order_and_the_source_is_closed() -> None:
    closed = threading.Event()
    assert list(prefetch(counting(50, closed))) == list(range(50))
    assert closed.is_set()


def test_an_error_comes_after_the_items_before_it() -> None:
    closed = threading.Event()
    ahead, seen = prefetch(counting(5, closed, fail_at=3)), []
    with pytest.raises(ValueError, match="no 3"):
        seen.extend(ahead)
    assert closed.is_set()
    assert next(ahead, "ended") == "ended"


def test_a_caller_that_stops_early_leaves_no_thread_and_no_open_source() -> None:
    closed = threading.Event()
    before = threading.active_count()
    ahead = prefetch(counting(1_000_000, closed))
    assert next(ahead) == 0
    ahead.close()
    assert closed.is_set()
    assert threading.active_count() == before
