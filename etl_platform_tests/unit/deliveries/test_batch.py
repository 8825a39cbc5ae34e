"""A batch of held messages: one that fails stops nobody else, and a message is deleted last."""

import threading
from collections.abc import Callable, Sequence

import pytest

from etl_platform.deliveries.batch import FailedDelivery, HeldMessage, process_batch
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.intake import Attempt, DeliveryResult
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.errors import TransientError
from etl_platform.queue_work.lease import MAX_HELD_S, MAX_RETRY_DELAY_S, RETRY_DELAY_S, Lease, Receipt
from etl_platform.queue_work.workers import Threads

TIMEOUT_S = 300


class FakeQueue:
    """Remembers every call in order; refuses handles that are lost and fails for those that are told to."""

    def __init__(self, log: list[str], lost: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.log, self.lost, self.broken = log, set(lost), set(broken)

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        self.log.append(f"hide {','.join(receipt_handles)} {timeout_s}")
        return [handle for handle in receipt_handles if handle in self.lost]

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        self.log.append(f"delete {','.join(receipt_handles)}")
        if self.broken & set(receipt_handles):
            raise TransientError("the queue does not answer")
        return []


def message(name: str, *keys: str, receives: int = 1) -> HeldMessage:
    events = tuple(ObjectCreated("bucket", key) for key in keys or (name,))
    return HeldMessage(events, f"m-{name}", name, receives)


def ingest(event: ObjectCreated, attempt: Attempt) -> DeliveryResult:
    if "bad" in event.key:
        raise TransientError(f"{event.key} failed")
    return DeliveryResult(Outcome.ACCEPTED, {"delivery_id": event.key})


def work(
    messages: Sequence[HeldMessage], queue: FakeQueue | None, log: list[str], bad_tell: str = ""
) -> list[FailedDelivery]:
    def tell(held: HeldMessage, ingested: DeliveryResult) -> None:
        if bad_tell and ingested.delivery_id == bad_tell:
            raise RuntimeError("the event log does not answer")
        log.append(f"tell {ingested.delivery_id}")

    return process_batch(
        messages,
        ingest,
        lambda held: Attempt(Cause.EVENT, message_id=held.message_id),
        queue=queue,
        workers=Threads(4),
        visibility_timeout_s=TIMEOUT_S,
        on_result=tell,
    )


def test_the_first_call_hides_every_message_and_deletion_comes_after_telling() -> None:
    log: list[str] = []
    assert work([message("a"), message("b")], FakeQueue(log), log) == []
    assert log[0] == f"hide a,b {TIMEOUT_S}"
    for name in "ab":
        assert log.index(f"tell {name}") < log.index(f"delete {name}")
    assert len(log) == 5


def test_one_that_fails_stops_nobody_else_and_is_not_deleted() -> None:
    log: list[str] = []
    failures = work([message("a"), message("bad"), message("c")], FakeQueue(log), log)
    assert [failed.event.key for failed in failures] == ["bad"]
    assert {"delete a", "delete c", f"hide bad {RETRY_DELAY_S}"} <= set(log)
    assert "delete bad" not in log


def test_a_result_that_cannot_be_told_keeps_its_message() -> None:
    log: list[str] = []
    failures = work([message("a"), message("b")], FakeQueue(log), log, bad_tell="a")
    assert [str(failed.error) for failed in failures] == ["the event log does not answer"]
    assert "delete a" not in log
    assert "delete b" in log


@pytest.mark.parametrize(
    ("receives", "delay_s"),
    [
        (1, 30),
        (2, 60),
        (3, 120),
        (7, 1_920),
        (8, MAX_RETRY_DELAY_S),
        (20, MAX_RETRY_DELAY_S),
        (2_000, MAX_RETRY_DELAY_S),
    ],
)
def test_the_delay_of_a_failed_message_grows_up_to_a_limit(receives: int, delay_s: int) -> None:
    log: list[str] = []
    work([message("bad", receives=receives)], FakeQueue(log), log)
    assert log[-1] == f"hide bad {delay_s}"


def test_a_message_of_several_records_of_which_one_fails_is_not_deleted() -> None:
    log: list[str] = []
    failures = work([message("mixed", "x", "bad", "y"), message("fine", "p", "q")], FakeQueue(log), log)
    assert [failed.event.key for failed in failures] == ["bad"]
    assert {"tell x", "tell y", "tell p", "tell q", "delete fine"} <= set(log)
    assert "delete mixed" not in log
    assert log.count(f"hide mixed {RETRY_DELAY_S}") == 1


def test_a_message_of_several_records_is_deleted_once_after_all_of_them() -> None:
    log: list[str] = []
    work([message("many", "x", "y", "z")], FakeQueue(log), log)
    assert log.count("delete many") == 1
    assert log[-1] == "delete many"


def test_a_lease_that_was_lost_before_the_start_is_skipped() -> None:
    log: list[str] = []
    assert work([message("a"), message("gone")], FakeQueue(log, lost=["gone"]), log) == []
    assert "tell a" in log
    assert not any("gone" in call for call in log[1:])


def test_without_a_queue_everything_is_worked_and_nothing_deleted() -> None:
    log: list[str] = []
    bare = HeldMessage((ObjectCreated("bucket", "a"), ObjectCreated("bucket", "b")))
    assert work([bare], None, log) == []
    assert sorted(log) == ["tell a", "tell b"]


def test_an_empty_batch_does_nothing() -> None:
    log: list[str] = []
    assert work([], FakeQueue(log), log) == []
    assert log == []


def test_a_queue_that_fails_to_delete_one_message_stops_nobody_else() -> None:
    log: list[str] = []
    messages = [message(name) for name in "abcd"]
    work(messages, FakeQueue(log, broken=["a", "b", "c"]), log)
    assert {"tell a", "tell b", "tell c", "tell d", "delete d"} <= set(log)


def test_two_messages_about_the_same_object_are_both_deleted() -> None:
    log: list[str] = []
    work([message("one", "same"), message("two", "same")], FakeQueue(log), log)
    assert {"delete one", "delete two"} <= set(log)


class BeatingQueue(FakeQueue):
    """Fails the first heartbeat of the thread, then sets an event with the second."""

    def __init__(self) -> None:
        super().__init__([])
        self.beaten = threading.Event()

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        super().change_visibility(receipt_handles, timeout_s)
        if len(self.log) == 2:
            raise TransientError("the queue does not answer")
        if len(self.log) == 3:
            self.beaten.set()
        return []


def test_heartbeats_go_on_after_one_that_failed() -> None:
    queue = BeatingQueue()
    with Lease(queue, [Receipt("a", 0), Receipt("b", 0)], 0, Threads(1), lambda: 0.0) as lease:
        assert queue.beaten.wait(10)
        lease.remove("a")
    assert queue.log[:3] == ["hide a,b 0"] * 3


def test_a_released_handle_is_hidden_no_more() -> None:
    log: list[str] = []
    with Lease(FakeQueue(log), [Receipt("a", 0), Receipt("b", 0)], TIMEOUT_S, Threads(1), lambda: 0.0) as lease:
        lease.remove("a")
        lease._beat()
    assert log == [f"hide a,b {TIMEOUT_S}", f"hide b {TIMEOUT_S}"]


def test_a_message_is_let_go_when_sqs_would_not_hide_it_for_another_timeout() -> None:
    log: list[str] = []
    now = MAX_HELD_S + 5_000.0
    old = Receipt("old", now - MAX_HELD_S + TIMEOUT_S - 1)
    young = Receipt("young", now - MAX_HELD_S + TIMEOUT_S)
    with Lease(FakeQueue(log), [old, young], TIMEOUT_S, Threads(1), lambda: now):
        pass
    assert log == [f"hide young {TIMEOUT_S}"]


def test_what_is_in_flight_ends_and_the_rest_goes_back_at_once_when_told_to_stop() -> None:
    log: list[str] = []
    stop, both_began = threading.Event(), threading.Barrier(2)

    def ingest_and_be_told(event: ObjectCreated, attempt: Attempt) -> DeliveryResult:
        both_began.wait(10)
        stop.set()
        return ingest(event, attempt)

    messages = [message(name) for name in "abcdef"]
    work_held(messages, ingest_and_be_told, log, Threads(2, stop, grace_s=10))

    assert sorted(log[1:-1]) == ["delete a", "delete b", "tell a", "tell b"]
    assert log[-1] == "hide c,d,e,f 0"


def test_what_overruns_its_grace_is_given_back_and_not_waited_for() -> None:
    log: list[str] = []
    stop, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def ingest_until_told(event: ObjectCreated, attempt: Attempt) -> DeliveryResult:
        stop.set()
        go_on.wait(30)
        ended.set()
        return ingest(event, attempt)

    work_held([message("a"), message("b")], ingest_until_told, log, Threads(1, stop, grace_s=0.5))

    assert log[-1] == "hide a,b 0"
    assert not ended.is_set()
    go_on.set()


def work_held(
    messages: Sequence[HeldMessage],
    ingest: Callable[[ObjectCreated, Attempt], DeliveryResult],
    log: list[str],
    workers: Threads,
) -> list[FailedDelivery]:
    return process_batch(
        messages,
        ingest,
        lambda held: Attempt(Cause.EVENT, message_id=held.message_id),
        queue=FakeQueue(log),
        workers=workers,
        visibility_timeout_s=TIMEOUT_S,
        on_result=lambda held, ingested: log.append(f"tell {ingested.delivery_id}"),
    )
