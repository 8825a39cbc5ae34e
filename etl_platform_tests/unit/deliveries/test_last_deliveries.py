"""The last delivery of each partition: the same as reading all reports, at the cost of the new ones."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.last_deliveries import LastDeliveries, LastDelivery, Partition
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.errors import ReportError, TransientError
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.deliveries.interleaving import take_turns
from etl_platform_tests.unit.making_reports import report_of

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Bucket:
    """A store whose clock the test moves, and reports made up."""

    def __init__(self) -> None:
        self.store, self.number = CountedStore(), 0
        self.at(START)

    @property
    def last(self) -> LastDeliveries:
        return LastDeliveries(self.store, "b", self.moment)

    def at(self, moment: datetime) -> None:
        self.moment, self.store.now = moment, moment.timestamp()

    def report(self, agency: str = "a", age: timedelta = HOUR, **fields: object) -> Report:
        self.number += 1
        fields = {"dataset": "things", "key": f"from_client/{agency}/{self.number}.csv"} | fields
        times = {"last_modified": self.moment - age, "ended_at": self.moment}
        return report_of(f"{self.number:020x}", agency=agency, **times, **fields)  # type: ignore[arg-type]

    def put(self, agency: str = "a", age: timedelta = HOUR, **fields: object) -> Report:
        return Ledger(self.store, "b").put(self.report(agency, age, **fields))

    def put_without_entry(self, agency: str = "a", age: timedelta = HOUR) -> None:
        report = self.report(agency, age)
        key = object_keys.report_key(*report.partition, report.delivery_id)
        self.store.write("b", key, json.dumps(report.to_json()).encode())

    def names(self, found: Mapping[Partition, LastDelivery] | None = None) -> dict[str, str]:
        found = self.last.read() if found is None else found
        return {agency: object_keys.base_name(one.source_key) for (_, agency), one in found.items()}


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_without_the_object_all_reports_are_listed_and_one_of_each_partition_is_read(bucket: Bucket) -> None:
    for number in range(50):
        bucket.at(START + number * 24 * HOUR)
        bucket.put("ab"[number % 2])
    bucket.store.counted()
    assert bucket.names() == {"a": "49.csv", "b": "50.csv"}
    assert bucket.store.counted()["GET"] == 2


def test_with_the_object_only_what_was_reported_since_is_listed_and_read(bucket: Bucket) -> None:
    for number in range(50):
        bucket.at(START + number * 24 * HOUR)
        bucket.put("ab"[number % 2])
    bucket.last.complete_index()
    bucket.at(bucket.moment + 24 * HOUR)
    bucket.put("c")
    bucket.store.counted()
    assert bucket.names() == {"a": "49.csv", "b": "50.csv", "c": "51.csv"}
    assert bucket.store.counted() == {"HEAD": 1, "GET": 4, "LIST": 5}, "five lists of days, two reports"


def test_many_new_reports_are_read_once(bucket: Bucket) -> None:
    bucket.put("a")
    bucket.last.complete_index()
    bucket.at(START + 3 * HOUR)
    for _ in range(40):
        bucket.put("a")
    bucket.at(START + 6 * HOUR)
    bucket.put("b")
    assert bucket.names() == {"a": "41.csv", "b": "42.csv"}
    bucket.store.counted()
    assert bucket.names() == {"a": "41.csv", "b": "42.csv"}
    assert bucket.store.counted()["GET"] == 3


def test_an_attempt_that_was_in_progress_while_others_were_read_is_found_later(bucket: Bucket) -> None:
    bucket.last.complete_index()
    slow = bucket.report("slow")
    key = object_keys.report_key(*slow.partition, slow.delivery_id)
    bucket.store.write("b", object_keys.report_day_key(bucket.moment.date(), key), b"")
    for _ in range(20):
        bucket.put("a")
    assert bucket.names() == {"a": "21.csv"}
    bucket.store.write("b", key, json.dumps(slow.to_json()).encode())
    assert bucket.names() == {"a": "21.csv", "slow": "1.csv"}


def test_neither_ignored_files_nor_reprocessings_count(bucket: Bucket) -> None:
    bucket.put("a")
    bucket.put("a", -HOUR, attempt_id="abc123")
    bucket.put("b", outcome=Outcome.IGNORED, dataset=None)
    assert bucket.names() == {"a": "1.csv"}
    bucket.last.complete_index()
    bucket.put("a", -HOUR, attempt_id="abc124")
    assert bucket.names() == {"a": "1.csv"}


def test_reports_are_found_although_somebody_deleted_the_index_by_day_and_left_its_mark(bucket: Bucket) -> None:
    bucket.put("a")
    bucket.last.complete_index()
    bucket.at(START + 30 * HOUR)
    bucket.put("a")
    bucket.put("b")
    for head in list(bucket.store.list("b", object_keys.REPORT_DAYS)):
        bucket.store.delete("b", head.key)
    assert bucket.names() == {"a": "2.csv", "b": "3.csv"}
    assert len(Ledger(bucket.store, "b").reports(since=START)) == 3
    bucket.last.complete_index()
    assert bucket.names() == {"a": "2.csv", "b": "3.csv"}


def test_what_was_written_while_the_clock_was_ahead_hides_nothing_that_is_reported_later(bucket: Bucket) -> None:
    bucket.at(START + 10_000 * HOUR)
    bucket.put("a")
    bucket.last.complete_index()
    bucket.at(START)
    bucket.put("b")
    assert bucket.names() == {"a": "1.csv", "b": "2.csv"}
    bucket.last.complete_index()
    bucket.at(START + 3 * HOUR)
    bucket.put("c")
    assert bucket.names() == {"a": "1.csv", "b": "2.csv", "c": "3.csv"}


def test_an_unreadable_report_stops_neither_the_index_by_day_nor_the_list_of_partitions(bucket: Bucket) -> None:
    bucket.put("a")
    bucket.put_without_entry("b")
    report = bucket.put("c")
    bucket.store.write("b", object_keys.report_key(*report.partition, report.delivery_id), b"{")
    assert bucket.last.complete_index() == 1
    assert bucket.last.partitions() == {("things", agency) for agency in "abc"}
    with pytest.raises(ReportError, match=report.delivery_id):
        bucket.last.read()


def test_partitions_are_known_without_reading_reports(bucket: Bucket) -> None:
    for agency in "ab":
        bucket.put(agency)
    assert bucket.last.partitions() == {("things", "a"), ("things", "b")}
    bucket.last.complete_index()
    bucket.put("c")
    bucket.store.counted()
    assert bucket.last.partitions() == {("things", agency) for agency in "abc"}
    assert bucket.store.counted()["GET"] == 2, "the object, and the mark of the index by day"


# Without the time, so that every process names the same tests.
_OLDER, _NOT_LINES = (gzip.compress(body, mtime=0) for body in (b'{"format": 0}\n', b"[]\n"))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"not gzip", b'{"format": 1}', _OLDER, _NOT_LINES, None])
def test_an_object_that_cannot_be_read_is_made_again(bucket: Bucket, content: bytes | None) -> None:
    bucket.put("a")
    bucket.last.complete_index()
    if content is None:
        content = bucket.store.read("b", object_keys.LAST_DELIVERIES)[:-9]
    bucket.store.write("b", object_keys.LAST_DELIVERIES, content)
    assert bucket.names() == {"a": "1.csv"}
    assert bucket.store.read("b", object_keys.LAST_DELIVERIES) != content


def test_a_partition_whose_reports_somebody_deleted_is_left_out_after_the_next_listing(bucket: Bucket) -> None:
    for agency in "aab":
        bucket.put(agency)
        bucket.at(bucket.moment + HOUR)
    bucket.last.complete_index()
    bucket.store.delete("b", object_keys.report_key("things", "a", f"{2:020x}"))
    bucket.store.delete("b", object_keys.report_key("things", "b", f"{3:020x}"))
    bucket.last.complete_index()
    assert bucket.names() == {"a": "1.csv"}


def test_many_files_that_arrived_before_the_first_of_them_was_processed_are_compared_by_arrival(bucket: Bucket) -> None:
    for number in range(40):
        bucket.at(bucket.moment + timedelta(seconds=1))
        bucket.put("a", timedelta(seconds=100 + 3 * number))
    assert bucket.names() == {"a": "1.csv"}
    bucket.last.complete_index()
    assert bucket.names() == {"a": "1.csv"}


def test_a_report_that_cannot_be_read_is_named_by_its_key(bucket: Bucket) -> None:
    report = bucket.put("a")
    bucket.store.write("b", object_keys.report_key(*report.partition, report.delivery_id), b"{")
    with pytest.raises(ReportError, match=report.delivery_id):
        bucket.last.read()


def test_a_reader_without_permission_to_write_gets_the_same_answer(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a")

    def refuse(*_: object, **__: object) -> str:
        raise TransientError("denied")

    monkeypatch.setattr(bucket.store, "write", refuse)
    assert bucket.names() == {"a": "1.csv"}


STEPS = st.sampled_from(["put", "late", "burst", "old release", "read", "complete", "lose", "wait", "wait a day"])


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(STEPS, st.sampled_from("abc")), max_size=25))
def test_the_answer_is_that_of_reading_all_reports(steps: list[tuple[str, str]]) -> None:
    bucket, without_entry = Bucket(), False
    bucket.last.complete_index()
    for step, agency in steps:
        if step == "put":
            bucket.put(agency)
        elif step == "late":
            bucket.put(agency, 400 * HOUR)
        elif step == "burst":
            for hours in range(20):
                bucket.put(agency, hours * HOUR)
        elif step == "old release":
            bucket.put_without_entry(agency)
            without_entry = True
        elif step == "read" and not without_entry:
            assert bucket.last.read() == _of_all(bucket)
        elif step == "complete":
            bucket.last.complete_index()
            without_entry = False
        elif step == "lose":
            bucket.store.delete("b", object_keys.LAST_DELIVERIES)
        else:
            bucket.at(bucket.moment + (HOUR if step == "wait" else 24 * HOUR))
    bucket.last.complete_index()
    assert bucket.last.read() == _of_all(bucket)


WRITERS = 4


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(st.integers(0, WRITERS), max_size=120),
    deaths=st.lists(st.none() | st.integers(1, 12), min_size=WRITERS + 1, max_size=WRITERS + 1),
    is_lost=st.booleans(),
)
def test_processes_at_the_same_time_hide_nothing(turns: list[int], deaths: list[int | None], is_lost: bool) -> None:
    bucket = Bucket()
    bucket.put("a")
    bucket.last.complete_index()
    if is_lost:
        bucket.store.delete("b", object_keys.LAST_DELIVERIES)
    bucket.at(START + 5 * HOUR)
    for _ in range(20):
        bucket.put("a")
    reports = [bucket.report("b"), bucket.report("a", -HOUR)]
    attempts = [partial(_put, report=report) for report in reports]
    attempts += [_read, _read, _complete]
    take_turns(bucket.store, attempts, turns, deaths)
    for _ in range(2):
        assert bucket.last.read() == _of_all(bucket)
        bucket.last.complete_index()


def _put(store: CountedStore, report: Report) -> None:
    Ledger(store, "b").put(report)


def _read(store: CountedStore) -> None:
    LastDeliveries(store, "b", START + 5 * HOUR).read()


def _complete(store: CountedStore) -> None:
    LastDeliveries(store, "b", START + 5 * HOUR).complete_index()


def _of_all(bucket: Bucket) -> dict[Partition, LastDelivery]:
    found: dict[Partition, LastDelivery] = {}
    for one in map(LastDelivery.of, Ledger(bucket.store, "b").reports()):
        known = found.get(one.partition)
        if known is None or (one.arrived_at, one.reported_at, one.delivery_id) > (
            known.arrived_at,
            known.reported_at,
            known.delivery_id,
        ):
            found[one.partition] = one
    return found
