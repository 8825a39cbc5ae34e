"""Messages of runs that wait in Dagster's queue, on a queue in memory and a clock of the test."""

import uuid
from collections.abc import Sequence

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.defs.intake.queued_runs import keep_hidden
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MAX_HIDDEN_S
from etl_platform_tests.simulation.memory import MemoryQueue

NOW, TIMEOUT_S = 1_767_600_000.0, 300


class Ticks:
    """A queue with one message, received at ``NOW``, and the run that holds it."""

    def __init__(self, status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED) -> None:
        self.now = self.last_tick_at = NOW
        self.queue = MemoryQueue(lambda: self.now)
        self.queue.send("body", {})
        (message,) = self.queue.receive(1, TIMEOUT_S)
        delivery = {"receipt_handle": message.receipt_handle, "received_at": NOW}
        config = {"ops": {"ingest": {"config": {"deliveries": [delivery]}}}}
        self.run = dg.DagsterRun("s3_data_quality_job", str(uuid.uuid4()), run_config=config, status=status)

    def tick(self) -> None:
        keep_hidden([self.run], self.queue, TIMEOUT_S, last_tick_at=self.last_tick_at, now=self.now)
        self.last_tick_at = self.now

    @property
    def receives(self) -> int:
        self.queue.receive(1, TIMEOUT_S)
        return next(iter(self.queue.messages.values())).receive_count


def counted(queue: MemoryQueue) -> list[int]:
    """The number of messages of each call that is made from now on."""
    calls: list[int] = []

    def count(handles: Sequence[str], _timeout_s: int) -> list[str]:
        calls.append(len(handles))
        return []

    queue.change_visibility = count  # type: ignore[method-assign]
    return calls


@given(st.lists(st.floats(1, 95), min_size=10, max_size=40))
def test_a_queued_run_keeps_its_messages_without_another_receive(pauses: list[float]) -> None:
    ticks = Ticks()
    for pause_s in pauses:
        ticks.now += pause_s
        assert ticks.receives == 1
        ticks.tick()


def test_a_tick_whose_extension_failed_is_made_good_by_the_next() -> None:
    ticks = Ticks()
    change_visibility, calls = ticks.queue.change_visibility, iter([False, True, True])

    def refuse_once(handles: Sequence[str], timeout_s: int) -> list[str]:
        if handles and not next(calls):
            raise TransientError("the queue does not answer")
        return change_visibility(handles, timeout_s)

    ticks.queue.change_visibility = refuse_once  # type: ignore[method-assign,assignment]
    for _ in range(25):
        ticks.now += 15
        assert ticks.receives == 1
        ticks.tick()


def test_ticks_between_thirds_of_the_timeout_call_nothing() -> None:
    ticks = Ticks()
    calls = counted(ticks.queue)
    for _ in range(60):
        ticks.now += 5
        ticks.tick()
    assert sum(calls) == 3


@pytest.fixture(params=["STARTING", "STARTED", "CANCELING"])
def begun(request: pytest.FixtureRequest) -> Ticks:
    return Ticks(dg.DagsterRunStatus(request.param))


def test_a_run_that_was_launched_keeps_its_messages_itself(begun: Ticks) -> None:
    begun.now += TIMEOUT_S - 1
    begun.tick()
    begun.now += 2
    assert begun.receives == 2


def test_after_twelve_hours_sqs_refuses_so_the_message_is_left_to_the_next_receive() -> None:
    ticks = Ticks()
    calls = counted(ticks.queue)
    ticks.last_tick_at = 0.0
    ticks.now += MAX_HIDDEN_S
    ticks.tick()
    assert sum(calls) == 0
