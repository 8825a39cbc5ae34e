"""What the ledger keeps of deliveries: reports with the same fields for every outcome, and their amendments."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Amendment, AmendmentKind, Report, Trigger
from etl_platform.object_keys import is_report
from etl_platform_tests.unit.intake_place import GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import listing


class _PowerCutError(BaseException):
    """The process is gone."""


def reprocess(place: Place) -> list[Outcome]:
    return [result.outcome for result in place.intake.reprocess("things", "agency_a", REPROCESS)]


def reports(place: Place) -> list[Report]:
    return Ledger(place.store, "bucket").reports()


def amendments(place: Place) -> list[Amendment]:
    return Ledger(place.store, "bucket").amendments()


def test_every_report_has_the_same_fields_for_every_outcome(place: Place) -> None:
    results = [
        place.ingest(place.drop(GOOD + b",3\n", seconds=2_000, sequencer="00B")),
        place.ingest(place.drop(GOOD, seconds=1_000, sequencer="00A")),
        place.ingest(place.drop(b"", seconds=3_000, sequencer="00C")),
        place.ingest(ObjectVersion("bucket", "from_client/agency_a/gone/things.csv", "v9", "e", 3, "00A")),
        place.ingest(ObjectVersion("bucket", "from_client/agency_a/unknown.csv", "v1", "e", 0, "00A")),
    ]
    assert [str(result.outcome) for result in results] == ["accepted", "superseded", "rejected", "rejected", "ignored"]
    assert reprocess(place) == [Outcome.REJECTED, Outcome.ACCEPTED], "the newest is rejected, so the one before is read"
    keys = (key for key in place.written() if is_report(key))
    stored = [json.loads((place.root / key).read_bytes()) for key in keys]
    assert len(stored) == 7
    shapes = {
        json.dumps([list(one), *(list(one[part]) for part in ("source", "written", "attempt"))]) for one in stored
    }
    assert len(shapes) == 1


def test_a_report_is_one_line(place: Place) -> None:
    place.ingest(place.drop(GOOD + b",3\n"))
    (path,) = place.root.glob("reports/*/*/*.json")
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_bytes())["schema_version"] == 1


def test_a_report_names_the_message_the_event_and_the_objects_that_were_written(place: Place) -> None:
    event_time = datetime(2026, 1, 5, 10, tzinfo=UTC)
    announced = replace(place.drop(GOOD + b",3\n"), last_modified=event_time)
    trigger = Trigger(Cause.EVENT, "run-1", "message-1", receive_count=2)
    report = place.ingest(announced, trigger).report
    assert (report.attempt.trigger, report.attempt.event_time) == (trigger, event_time)
    assert report.source.last_modified == datetime.fromtimestamp(1_000, UTC), "of the object, not of the event"
    written = report.written
    for key, etag, sha256 in (
        (written.silver_key, written.silver_etag, written.silver_sha256),
        (written.quarantine_key, written.quarantine_etag, written.quarantine_sha256),
    ):
        head = place.store.head("bucket", str(key))
        assert (etag, sha256) == (head.etag, place.store.download(head, place.root.parent / "copy"))


def test_a_superseded_delivery_gets_an_amendment_beside_its_unchanged_report(place: Place) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A")).report
    assert amendments(place) == []
    second = place.ingest(place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B")).report
    (amendment,) = amendments(place)
    assert amendment.kind is AmendmentKind.SUPERSEDED
    assert (amendment.delivery_id, amendment.superseded_by) == (first.delivery_id, second.delivery_id)
    assert Ledger(place.store, "bucket").find("things", "agency_a", first.delivery_id) == first


def test_the_report_of_a_delivery_that_came_too_late_names_the_newer_one(place: Place) -> None:
    newer = place.ingest(place.drop(GOOD, seconds=2_000, sequencer="00B"))
    older = place.ingest(place.drop(b"ident,size\nold,9\n", seconds=1_000, sequencer="00A"))
    assert older.report.superseded_by == newer.report.delivery_id
    assert amendments(place) == []


def cut(place: Place, monkeypatch: pytest.MonkeyPatch, prefix: str) -> pytest.MonkeyPatch:
    """The process dies instead of writing its first object under the prefix."""
    real = place.store.write

    def write(bucket: str, key: str, body: Any, **conditions: Any) -> str:
        if key.startswith(prefix):
            raise _PowerCutError
        return real(bucket, key, body, **conditions)

    monkeypatch.setattr(place.store, "write", write)
    return monkeypatch


def test_a_retry_writes_the_amendment_that_a_crash_after_silver_prevented(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A")).report
    newer = place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B")
    with cut(place, monkeypatch, "reports/").context(), pytest.raises(_PowerCutError):
        place.ingest(newer)
    monkeypatch.undo()
    assert amendments(place) == []
    second = place.ingest(newer)
    assert second.outcome is Outcome.ACCEPTED
    assert [(one.delivery_id, one.superseded_by) for one in amendments(place)] == [
        (first.delivery_id, second.report.delivery_id)
    ]


def test_the_next_file_writes_the_amendment_that_a_crash_after_silver_prevented(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A")).report
    second = place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B")
    with cut(place, monkeypatch, "reports/").context(), pytest.raises(_PowerCutError):
        place.ingest(second)
    monkeypatch.undo()
    third = place.ingest(place.drop(GOOD + b"d,4\n", seconds=3_000, sequencer="00C")).report
    successors = {one.delivery_id: one.superseded_by for one in amendments(place)}
    assert successors[first.delivery_id] in set(successors) - {first.delivery_id}
    assert successors[successors[first.delivery_id]] == third.delivery_id


def test_each_change_of_the_contract_gives_a_reprocessing_with_its_own_report(place: Place) -> None:
    place.ingest(place.drop(GOOD + b"c,many\n"))
    for size_type in ("string", "integer", "string"):
        place.use(things(size_type=size_type))
        assert reprocess(place) == [Outcome.ACCEPTED]
        before = listing(place.root)
        assert reprocess(place) == [Outcome.ACCEPTED]
        assert listing(place.root) == before
    assert sorted(report.check.accepted_rows for report in reports(place) if report.attempt_id) == [2, 3, 3]


def test_silver_that_was_lost_is_written_again(place: Place) -> None:
    place.ingest(place.drop(GOOD))
    reprocess(place)
    (silver,) = place.root.glob("silver/**/*.parquet")
    body = silver.read_bytes()
    silver.unlink()
    assert reprocess(place) == [Outcome.ACCEPTED]
    assert silver.read_bytes() == body


def test_a_second_attempt_that_is_too_late_does_not_undo_a_reprocessing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs hold the same message. The slower one writes silver when a replay has finished."""
    event, real = place.drop(GOOD + b"c,many\n"), place.store.write

    def write(bucket: str, key: str, body: Any, **conditions: Any) -> str:
        if key.startswith("silver/"):
            monkeypatch.undo()
            assert place.ingest(event).outcome is Outcome.ACCEPTED
            place.use(things(size_type="string"))
            assert reprocess(place) == [Outcome.ACCEPTED]
        return real(bucket, key, body, **conditions)

    monkeypatch.setattr(place.store, "write", write)
    place.ingest(event)
    assert [row["size"] for row in place.silver()] == ["1", "2", "many"]
    assert not list(place.root.glob("quarantine/**/*.parquet"))
