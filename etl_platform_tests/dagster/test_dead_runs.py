"""Runs that died: what the next tick does with their messages, over real run records."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from etl_platform.defs.intake.dead_runs import release_messages_of_dead_runs
from etl_platform.defs.runs.run_counts import note_counts
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.errors import TransientError
from etl_platform_tests.dagster.run_history import SENSOR, SUCCESS, History
from etl_platform_tests.dagster.ticks import CountedQueue, tick

TIMEOUT_S = 300
STEP_FAILURE = SENSOR | {"dagster/failure_reason": "STEP_FAILURE"}


class Visibility(CountedQueue):
    """Remembers each change of a visibility timeout."""

    def __init__(self, *agencies: str, receives: int = 1) -> None:
        super().__init__(*agencies, receives=receives)
        self.changed: list[tuple[str, int]] = []

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        self.changed += [(handle, timeout_s) for handle in receipt_handles]
        return []

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        raise NotImplementedError


def holding(*agencies: str, receives: int = 1) -> dict[str, Any]:
    deliveries = [
        {"bucket": "b", "key": a, "message_id": f"m-{a}", "receipt_handle": f"h-{a}", "receive_count": receives}
        for a in agencies
    ]
    return {"ops": {"ingest": {"config": {"deliveries": deliveries}}}}


def release(history: History, queue: Visibility, now: float = 200.0) -> frozenset[str]:
    return release_messages_of_dead_runs(history.instance, queue, TIMEOUT_S, now)


def test_the_messages_of_a_run_that_died_are_visible_at_once_and_only_released_once(history: History) -> None:
    history.run(100, config=holding("a", "b"))
    queue = Visibility()
    assert release(history, queue) == {"m-a", "m-b"}
    assert queue.changed == [("h-a", 0), ("h-b", 0)]
    assert release(history, queue) == {"m-a", "m-b"}, "still suspects"
    assert len(queue.changed) == 2
    assert release(history, queue, now=100 + TIMEOUT_S + 1) == set()


def test_a_message_that_was_alone_in_a_run_that_died_returns_after_a_delay(history: History) -> None:
    history.run(100, config=holding("a", receives=3))
    queue = Visibility()
    assert release(history, queue) == set()
    assert queue.changed == [("h-a", 120)]


def test_so_do_the_messages_of_a_run_that_failed_before_it_began(history: History) -> None:
    history.run(100, tags=STEP_FAILURE, config=holding("a", "b"))
    queue = Visibility()
    assert release(history, queue) == set()
    assert queue.changed == [("h-a", 30), ("h-b", 30)]


@pytest.mark.parametrize("aside", [{"status": SUCCESS}, {"tags": {}}, {"end": None}], ids=str)
def test_other_runs_keep_their_messages(history: History, aside: dict[str, Any]) -> None:
    history.run(**{"end": 100, "config": holding("a", "b")} | aside)
    queue = Visibility()
    assert release(history, queue) == set()
    assert queue.changed == []


def test_a_run_that_ended_its_batch_has_delayed_its_messages_itself(history: History) -> None:
    run = history.instance.get_run_by_id(history.run(100, tags=STEP_FAILURE, config=holding("a", "b")))
    assert run is not None
    note_counts(history.instance, run, RunCounts())
    queue = Visibility()
    assert release(history, queue) == set()
    assert queue.changed == []


def test_a_queue_that_does_not_answer_stops_nothing(history: History) -> None:
    class Silent(Visibility):
        def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
            raise TransientError("the queue does not answer")

    history.run(100, config=holding("a", "b"))
    assert release(history, Silent()) == {"m-a", "m-b"}


def test_a_tick_releases_them_and_gives_each_a_run_of_its_own(history: History) -> None:
    names = [f"a{number}" for number in range(9)]
    history.run(time.time() - 5, config=holding(*names))
    queue = Visibility(*names, "new", receives=2)
    requests = tick(history.instance, queue).run_requests
    assert sorted(queue.changed) == [(f"h-{name}", 0) for name in names]
    assert len(requests) == 10
