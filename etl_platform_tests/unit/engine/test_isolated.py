"""Calls in another process: results, errors, and a process that ends."""

import os

import pytest

from etl_platform.engine.isolated import Isolated, ProcessEndedError

PREPARED: list[int] = []


def prepare(number: int) -> None:
    PREPARED.append(number)


def add(number: int) -> int:
    return number + sum(PREPARED)


def process_id() -> int:
    return os.getpid()


def end(_code: int) -> int:
    os.abort()


def fail(text: str) -> None:
    raise ValueError(text)


def test_calls_run_in_one_other_process_with_what_was_prepared() -> None:
    with Isolated(prepare, 40) as isolated:
        assert [isolated.call(add, number) for number in (1, 2)] == [41, 42]
        assert isolated.call(process_id) == isolated.call(process_id) != os.getpid()


def test_after_a_process_has_ended_the_next_call_has_a_new_one() -> None:
    with Isolated(prepare, 40) as isolated:
        for _ in range(2):
            with pytest.raises(ProcessEndedError):
                isolated.call(end, 3)
            assert isolated.call(add, 2) == 42


def test_an_error_of_a_call_is_raised_here() -> None:
    with Isolated(prepare, 0) as isolated, pytest.raises(ValueError, match="broken"):
        isolated.call(fail, "broken")
