"""The records of deliveries that failed: written at each failure, and gone with the report."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_platform import object_keys
from etl_platform.deliveries.batch import BatchMessage
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.ingest_batch import BatchResult, ingest_batch
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.waiting import RETENTION, Prospect, WaitingDelivery, WaitingRecords
from etl_platform.errors import ReportError, TransientError
from etl_platform.queue_work.lease import RETRY_DELAY_S
from etl_platform.queue_work.workers import Threads
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.deliveries.failed_delivery import AT, NOW, RECORD
from etl_platform_tests.unit.intake_place import GOOD, KEY, things


class Store:
    """A store in memory of which some calls fail; it lists the calls about waiting records."""

    def __init__(self) -> None:
        self.inside = MemoryStore(lambda: NOW)
        self.fails: Callable[[str, str], bool] = lambda _verb, _key: False
        self.calls: list[str] = []

    def __getattr__(self, verb: str) -> Any:
        inside = getattr(self.inside, verb)

        def call(*place: Any, **more: Any) -> Any:
            key = place[0].key if verb in {"copy", "download"} else place[1]
            if key.startswith(object_keys.WAITING_REPORTS):
                self.calls.append(verb)
            if self.fails(verb, key):
                raise TransientError(f"{verb}: SlowDown")
            return inside(*place, **more)

        return call


class Queue:
    def __init__(self) -> None:
        self.log: list[str] = []

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        self.log.append(f"hide {','.join(receipt_handles)} {timeout_s}")
        return []

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        self.log.append(f"delete {','.join(receipt_handles)}")
        return []


class EventLog:
    """An event log that keeps nothing; ``is_broken`` if it does not answer."""

    is_broken = False

    def log_deliveries(self, *_: Any, **__: Any) -> dict[str, str]:
        if self.is_broken:
            raise RuntimeError("the event log does not answer")
        return {}

    def __getattr__(self, _name: str) -> Any:
        return lambda *_, **__: False


class Scene:
    """One file, and the runs that its message starts."""

    def __init__(self, key: str = KEY) -> None:
        self.store, self.queue, self.event_log = Store(), Queue(), EventLog()
        self.store.inside.write("bucket", key, GOOD)
        self.version = replace(ObjectVersion.of(self.store.inside.head("bucket", key)), last_modified=AT)
        store: Any = self.store
        self.intake = Intake(store, {"things": things()}, "bucket", "from_client/", lambda: AT)

    def run(self, receives: int = 1, *, handle: str | None = "h") -> BatchResult:
        message = BatchMessage((self.intake.route(self.version),), "m", handle, receives)
        event_log: Any = self.event_log
        return ingest_batch(
            [message],
            self.intake,
            event_log,
            run_id="run",
            queue=self.queue if handle else None,
            workers=Threads(2),
            visibility_timeout_s=300,
            clock=lambda: NOW,
        )

    def records(self) -> list[WaitingDelivery]:
        return self.intake.waiting.unfinished()

    def keys(self) -> list[str]:
        return [head.key for head in self.store.inside.list("bucket", object_keys.WAITING_REPORTS)]


def no_copies(verb: str, _key: str) -> bool:
    return verb == "copy"


def test_a_delivery_that_fails_leaves_a_record_with_what_is_known() -> None:
    scene = Scene()
    scene.store.fails = no_copies

    scene.run()

    (record,) = scene.records()
    assert record == WaitingDelivery(
        delivery_id=scene.version.delivery_id,
        source=scene.version,
        agency="agency_a",
        dataset="things",
        code="TransientError",
        reason="TransientError: copy: SlowDown",
        receives=1,
        failed_at=AT,
        comes_again_at=AT + timedelta(seconds=RETRY_DELAY_S),
        run_id="run",
        message_id="m",
    )
    assert scene.keys() == [f"reports/_waiting/{scene.version.delivery_id}.json"]


def test_each_failure_overwrites_the_record_and_the_report_ends_it() -> None:
    scene = Scene()
    scene.store.fails = no_copies
    for receives in (1, 2, 3):
        scene.run(receives)
    assert [record.receives for record in scene.records()] == [3]
    assert [record.comes_again_at - record.failed_at for record in scene.records()] == [timedelta(seconds=120)]

    scene.store.fails = lambda _verb, _key: False
    assert scene.run(4).outcomes == {"accepted": 1}
    assert scene.keys() == []


@pytest.mark.parametrize("content", [b"", b"size\n1\n"])
def test_a_rejection_ends_the_record_too(content: bytes) -> None:
    scene = Scene()
    scene.store.inside.write("bucket", KEY, content)
    scene.version = replace(ObjectVersion.of(scene.store.inside.head("bucket", KEY)), last_modified=AT)
    scene.store.fails = no_copies
    scene.run()
    scene.store.fails = lambda _verb, _key: False
    assert scene.run(2).outcomes == {"rejected": 1}
    assert scene.keys() == []


def test_a_delivery_that_succeeds_at_once_costs_no_call() -> None:
    scene = Scene()
    scene.run()
    assert scene.store.calls == []
    assert scene.queue.log[-1] == "delete h"


def test_a_store_that_is_down_changes_nothing_for_the_message(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    # The files were routed before.
    scene.store.fails = lambda _verb, key: key != object_keys.AGENCY_REGISTER
    with caplog.at_level(logging.WARNING):
        result = scene.run(2)
    assert result.outcomes == {"failed": 1}
    assert scene.queue.log[-1] == "hide h 60"
    assert "failed deliveries are not recorded as waiting" in caplog.text

    scene.store.fails = lambda verb, _key: verb == "delete"
    scene.store.inside.write("bucket", object_keys.waiting_key(scene.version.delivery_id), json.dumps({}).encode())
    assert scene.run(3).outcomes == {"accepted": 1}
    assert scene.queue.log[-1] == "delete h"


def test_in_an_outage_only_one_record_of_a_batch_is_tried() -> None:
    scene = Scene()
    # The files were routed before.
    scene.store.fails = lambda _verb, key: key != object_keys.AGENCY_REGISTER
    files = [scene.intake.route(replace(scene.version, version_id=str(number))) for number in range(5)]
    event_log: Any = scene.event_log
    messages = [BatchMessage((file,), f"m{number}", f"h{number}") for number, file in enumerate(files)]
    ingest_batch(
        messages,
        scene.intake,
        event_log,
        run_id="run",
        queue=scene.queue,
        workers=Threads(1),
        visibility_timeout_s=300,
        clock=lambda: NOW,
    )
    assert scene.store.calls == ["write"]
    assert len([call for call in scene.queue.log if call.endswith(f" {RETRY_DELAY_S}")]) == 5


def test_a_delivery_that_is_done_and_only_not_logged_is_not_recorded_as_failed() -> None:
    scene = Scene()
    scene.event_log.is_broken = True
    assert scene.run().outcomes == {"failed": 1}
    assert scene.keys() == []


def test_what_a_person_ingests_without_a_message_leaves_no_record_and_ends_an_older_one() -> None:
    scene = Scene()
    scene.store.fails = no_copies
    scene.run(handle=None)
    assert scene.keys() == []
    scene.run()
    scene.store.fails = lambda _verb, _key: False
    scene.run(handle=None)
    assert scene.keys() == []


def test_a_record_that_a_crash_left_beside_a_report_is_passed_over_and_deleted_later() -> None:
    scene = Scene()
    scene.run()
    scene.intake.waiting.put(replace(RECORD, delivery_id=scene.version.delivery_id))
    scene.intake.waiting.put(RECORD)
    assert scene.records() == [RECORD]

    assert scene.intake.waiting.clear_finished(AT) == 1
    assert scene.keys() == [object_keys.waiting_key(RECORD.delivery_id)]
    assert scene.intake.waiting.clear_finished(AT + 2 * RETENTION + timedelta(seconds=1)) == 1
    assert scene.keys() == []


def test_the_ledger_does_not_read_records_as_reports() -> None:
    scene = Scene()
    scene.intake.waiting.put(RECORD)
    store: Any = scene.store
    assert Ledger(store, "bucket").reports() == []


def test_an_object_that_is_no_record_is_named_and_hides_no_other() -> None:
    scene = Scene()
    scene.intake.waiting.put(RECORD)
    for name, body in (("a", b"{"), ("b", b"[]"), ("c", b'{"delivery_id": "x"}')):
        scene.store.inside.write("bucket", f"reports/_waiting/{name}.json", body)
    errors: list[ReportError] = []
    assert scene.intake.waiting.unfinished(errors.append) == [RECORD]
    assert [str(error).partition(": ")[0] for error in errors] == [
        f"s3://bucket/reports/_waiting/{n}.json" for n in "abc"
    ]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert WaitingDelivery.from_json(json.loads(json.dumps(RECORD.to_json()))) == RECORD
    assert RECORD.to_json()["outcome"] == "failed"
    assert WaitingRecords(MemoryStore(lambda: NOW), "bucket").unfinished() == []


@pytest.mark.parametrize(
    ("receives", "later_s", "prospect", "said"),
    [
        (3, 0, Prospect.QUEUED, "comes again at 2026-01-05 08:02:00 UTC"),
        (3, 120, Prospect.QUEUED, "due since 2026-01-05 08:02:00 UTC"),
        (3, 120 + 3_600, Prospect.QUEUED, "due since 2026-01-05 08:02:00 UTC"),
        (3, 121 + 3_600, Prospect.LATE, "was due at 2026-01-05 08:02:00 UTC; its message did not come"),
        (20, 0, Prospect.QUEUED, "comes again at 2026-01-05 08:02:00 UTC"),
        (20, 121, Prospect.DEAD, "is a dead letter"),
        (3, 15 * 86_400, Prospect.GONE, "its message has expired"),
        (20, 15 * 86_400, Prospect.GONE, "its message has expired"),
    ],
)
def test_where_the_message_of_a_failed_delivery_is(receives: int, later_s: int, prospect: Prospect, said: str) -> None:
    record, now = replace(RECORD, receives=receives), AT + timedelta(seconds=later_s)
    assert (record.prospect(now), record.next_try(now)) == (prospect, said)
