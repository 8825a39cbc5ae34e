"""A batch of leased messages: one failure does not stop the others, and a message is deleted last."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from etl_platform.deliveries.batch import BatchMessage, FailedDelivery, FinishedFile, process_batch
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.routing import RoutedObject, route
from etl_platform.errors import EntriesFailedError, TransientError
from etl_platform.queue_work.lease import MAX_HIDDEN_S, MAX_RETRY_DELAY_S, RETRY_DELAY_S, Lease, Receipt
from etl_platform.queue_work.workers import Threads
from etl_platform_tests.unit.making_reports import report_of

TIMEOUT_S = 300
Ingest = Callable[[BatchMessage, RoutedObject], DeliveryResult]


class FakeQueue:
    """Logs every call in order, each deletion alone. It refuses ``lost`` handles; calls about ``broken`` ones fail."""

    def __init__(self, log: list[str], lost: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.log, self.lost, self.broken = log, set(lost), set(broken)

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        self.log.append(f"hide {','.join(receipt_handles)} {timeout_s}")
        return [handle for handle in receipt_handles if handle in self.lost]

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        self.log += [f"delete {handle}" for handle in receipt_handles]
        if self.broken & set(receipt_handles):
            raise TransientError("the queue does not answer")
        return []


def file(key: str, agency: str = "") -> RoutedObject:
    """A file of its own agency, or of the given one."""
    version = ObjectVersion("bucket", key)
    return RoutedObject(version, replace(route(version, {}, "from_client/"), agency=agency or key))


def message(name: str, *keys: str, receives: int = 1) -> BatchMessage:
    return BatchMessage(tuple(map(file, keys or (name,))), f"m-{name}", name, receives)


def ingest(_message: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
    if "bad" in arrived.key:
        raise TransientError(f"{arrived.key} failed")
    return DeliveryResult(Outcome.ACCEPTED, report_of(arrived.key))


def process(
    messages: Sequence[BatchMessage],
    queue: FakeQueue | None,
    log: list[str],
    *,
    ingest: Ingest = ingest,
    workers: Threads | None = None,
    failing_log: str = "",
) -> list[FailedDelivery]:
    """Process a batch; logging the result of ``failing_log`` raises."""

    def log_results(finished: Sequence[FinishedFile]) -> None:
        ids = [result.report.delivery_id for _, result in finished]
        if failing_log in ids:
            raise RuntimeError("the event log does not answer")
        log.extend(f"result {one}" for one in ids)

    return process_batch(
        messages,
        ingest,
        queue=queue,
        workers=workers or Threads(4),
        visibility_timeout_s=TIMEOUT_S,
        on_results=log_results,
        clock=time.time,
    )


def test_the_first_call_hides_every_message_and_each_is_deleted_after_its_result_is_logged() -> None:
    log: list[str] = []
    assert process([message("a"), message("b")], FakeQueue(log), log) == []
    assert log[0] == f"hide a,b {TIMEOUT_S}"
    for name in "ab":
        assert log.index(f"result {name}") < log.index(f"delete {name}")
    assert len(log) == 5


def test_a_failure_does_not_stop_the_others_and_its_message_is_not_deleted() -> None:
    log: list[str] = []
    failures = process([message("a"), message("bad"), message("c")], FakeQueue(log), log)
    assert [failed.file.key for failed in failures] == ["bad"]
    assert {"delete a", "delete c", f"hide bad {RETRY_DELAY_S}"} <= set(log)
    assert "delete bad" not in log


def test_a_message_whose_result_cannot_be_logged_is_not_deleted() -> None:
    log: list[str] = []
    failures = process([message("a"), message("b")], FakeQueue(log), log, failing_log="a")
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
    process([message("bad", receives=receives)], FakeQueue(log), log)
    assert log[-1] == f"hide bad {delay_s}"


def test_a_message_of_several_files_of_which_one_fails_is_not_deleted() -> None:
    log: list[str] = []
    failures = process([message("mixed", "x", "bad", "y"), message("fine", "p", "q")], FakeQueue(log), log)
    assert [failed.file.key for failed in failures] == ["bad"]
    assert {"result x", "result y", "result p", "result q", "delete fine"} <= set(log)
    assert "delete mixed" not in log
    assert log.count(f"hide mixed {RETRY_DELAY_S}") == 1


def test_a_message_of_several_files_is_deleted_once_after_all_of_them() -> None:
    log: list[str] = []
    process([message("many", "x", "y", "z")], FakeQueue(log), log)
    assert log.count("delete many") == 1
    assert log[-1] == "delete many"


def test_a_message_whose_lease_is_lost_at_the_start_is_skipped() -> None:
    log: list[str] = []
    assert process([message("a"), message("gone")], FakeQueue(log, lost=["gone"]), log) == []
    assert "result a" in log
    assert not any("gone" in call for call in log[1:])


def test_without_a_queue_every_file_is_processed_and_nothing_is_deleted() -> None:
    log: list[str] = []
    assert process([BatchMessage((file("a"), file("b")))], None, log) == []
    assert sorted(log) == ["result a", "result b"]


def test_an_empty_batch_makes_no_call() -> None:
    log: list[str] = []
    assert process([], FakeQueue(log), log) == []
    assert log == []


def test_a_failed_deletion_does_not_stop_the_others() -> None:
    log: list[str] = []
    messages = [message(name) for name in "abcd"]
    process(messages, FakeQueue(log, broken=["a", "b", "c"]), log)
    assert {"result a", "result b", "result c", "result d", "delete d"} <= set(log)


def test_two_messages_about_the_same_object_are_both_deleted() -> None:
    log: list[str] = []
    process([message("one", "same"), message("two", "same")], FakeQueue(log), log)
    assert {"delete one", "delete two"} <= set(log)


class FlakyQueue(FakeQueue):
    """Fails the first heartbeat of the thread, and sets an event with the second."""

    def __init__(self) -> None:
        super().__init__([])
        self.second_heartbeat = threading.Event()

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        super().change_visibility(receipt_handles, timeout_s)
        if len(self.log) == 2:
            raise TransientError("the queue does not answer")
        if len(self.log) == 3:
            self.second_heartbeat.set()
        return []


def test_heartbeats_continue_after_one_that_failed() -> None:
    queue = FlakyQueue()
    with Lease(queue, [Receipt("a", 0), Receipt("b", 0)], 0, Threads(1), lambda: 0.0) as lease:
        assert queue.second_heartbeat.wait(10)
        lease.remove("a")
    assert queue.log[:3] == ["hide a,b 0"] * 3


def test_a_message_whose_heartbeat_failed_gets_another_at_once_and_keeps_its_place() -> None:
    class Partly(FakeQueue):
        def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
            super().change_visibility(receipt_handles, timeout_s)
            if len(self.log) == 1:
                raise EntriesFailedError("1 of 3 messages: InternalError", lost=["b"])
            return []

    log: list[str] = []
    receipts = [Receipt(handle, 0) for handle in "abc"]
    with Lease(Partly(log), receipts, TIMEOUT_S, Threads(1), lambda: 0.0) as lease:
        assert lease.lost == {"b"}
    assert log == [f"hide a,b,c {TIMEOUT_S}", f"hide a,c {TIMEOUT_S}"]


def test_a_heartbeat_that_failed_for_one_message_is_repeated_sooner() -> None:
    class Partly(FakeQueue):
        def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
            raise EntriesFailedError("1 of 2 messages: InternalError", lost=[])

    lease = Lease(Partly([]), [Receipt("a", 0), Receipt("b", 0)], TIMEOUT_S, Threads(1), lambda: 0.0)
    assert not lease._try_heartbeat()
    assert lease.lost == set()


def test_a_worker_that_ends_the_program_fails_only_its_own_file() -> None:
    def leave(held: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        if arrived.key == "b":
            raise SystemExit(3)
        return ingest(held, arrived)

    log: list[str] = []
    (failed,) = process([message(name) for name in "abc"], FakeQueue(log), log, ingest=leave)
    assert failed.file.key == "b"
    assert {"result a", "delete a", "result c", "delete c", "hide b 30"} <= set(log)


def test_a_removed_message_gets_no_heartbeat() -> None:
    log: list[str] = []
    with Lease(FakeQueue(log), [Receipt("a", 0), Receipt("b", 0)], TIMEOUT_S, Threads(1), lambda: 0.0) as lease:
        lease.remove("a")
        lease._heartbeat()
    assert log == [f"hide a,b {TIMEOUT_S}", f"hide b {TIMEOUT_S}"]


def test_a_message_leaves_the_lease_when_sqs_cannot_hide_it_for_another_timeout() -> None:
    log: list[str] = []
    now = MAX_HIDDEN_S + 5_000.0
    old = Receipt("old", now - MAX_HIDDEN_S + TIMEOUT_S - 1)
    young = Receipt("young", now - MAX_HIDDEN_S + TIMEOUT_S)
    with Lease(FakeQueue(log), [old, young], TIMEOUT_S, Threads(1), lambda: now):
        pass
    assert log == [f"hide young {TIMEOUT_S}"]


def test_a_stopped_batch_finishes_what_it_began_and_returns_the_rest_to_the_queue() -> None:
    log: list[str] = []
    stop, both_began = threading.Event(), threading.Barrier(2)

    def ingest_and_stop(held: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        both_began.wait(10)
        stop.set()
        return ingest(held, arrived)

    messages = [message(name) for name in "abcdef"]
    process(messages, FakeQueue(log), log, ingest=ingest_and_stop, workers=Threads(2, stop, grace_s=10))

    assert sorted(log[1:-1]) == ["delete a", "delete b", "result a", "result b"]
    assert log[-1] == "hide c,d,e,f 0"


def test_a_stopped_batch_does_not_wait_for_a_file_that_exceeds_the_grace_period() -> None:
    log: list[str] = []
    stop, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def ingest_for_long(held: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        stop.set()
        go_on.wait(30)
        ended.set()
        return ingest(held, arrived)

    messages = [message("a"), message("b")]
    process(messages, FakeQueue(log), log, ingest=ingest_for_long, workers=Threads(1, stop, grace_s=0.5))

    assert log[-1] == "hide a,b 0"
    assert not ended.is_set()
    go_on.set()


def test_small_files_start_before_large_ones() -> None:
    started: list[str] = []

    def note(message: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        started.append(arrived.key)
        return ingest(message, arrived)

    sizes = {"large": 50 << 20, "small": 10, "unknown": None, "middle": 2 << 20}
    files = [replace(file(key), version=ObjectVersion("bucket", key, size_bytes=size)) for key, size in sizes.items()]
    messages = [BatchMessage((one,), f"m-{one.key}", one.key) for one in files]
    assert process(messages, FakeQueue([]), [], ingest=note, workers=Threads(1)) == []
    assert started == ["small", "unknown", "middle", "large"]


def test_small_files_start_partition_by_partition_those_of_few_files_first() -> None:
    started: list[str] = []

    def note(message: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        started.append(arrived.key)
        return ingest(message, arrived)

    agencies = {"a1": "a", "b1": "b", "a2": "a", "c1": "c", "b2": "b", "a3": "a"}
    messages = [BatchMessage((file(name, agency),), f"m-{name}", name) for name, agency in agencies.items()]
    assert process(messages, FakeQueue([]), [], ingest=note, workers=Threads(1)) == []
    assert started == ["c1", "b1", "b2", "a1", "a2", "a3"]


def test_results_that_wait_while_others_are_logged_are_logged_together_by_agency() -> None:
    names = {"first": "x", "a1": "a", "b1": "b", "a2": "a", "b2": "b"}
    messages = [BatchMessage((file(name, agency),), f"m-{name}", name) for name, agency in names.items()]
    ended, logged = threading.Semaphore(0), list[list[str]]()

    def note(message: BatchMessage, arrived: RoutedObject) -> DeliveryResult:
        if logged or arrived.key != "first":
            ended.release()
        return ingest(message, arrived)

    def log_results(finished: Sequence[FinishedFile]) -> None:
        logged.append([result.report.delivery_id for _, result in finished])
        if len(logged) == 1:
            for _ in range(4):
                assert ended.acquire(timeout=10)

    queue = FakeQueue([])
    process_batch(
        messages,
        note,
        queue=queue,
        workers=Threads(1),
        visibility_timeout_s=TIMEOUT_S,
        on_results=log_results,
        clock=time.time,
    )

    assert logged[0] == ["first"]
    assert sorted(map(sorted, logged[1:])) in (
        [["a1", "a2"], ["b1", "b2"]],
        # The last file was still on its way when the first group was taken.
        [["a1", "a2"], ["b1"], ["b2"]],
    )
    assert sorted(queue.log[1:]) == sorted(f"delete {name}" for name in names)


def test_a_group_of_results_that_cannot_be_logged_fails_alone() -> None:
    log: list[str] = []
    messages = [BatchMessage((file(name, agency),), f"m-{name}", name) for name, agency in (("a", "x"), ("b", "y"))]
    (failed,) = process(messages, FakeQueue(log), log, failing_log="a")
    assert failed.is_reported
    assert failed.file.key == "a"
    assert {"delete b", "hide a 30"} <= set(log)
