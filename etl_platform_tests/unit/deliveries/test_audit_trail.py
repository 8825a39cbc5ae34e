"""What the ledger keeps of a delivery: the same fields whatever became of it, and what was learned later."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.intake import Attempt
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform_tests.unit.intake_place import GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import listing


class _PowerCutError(BaseException):
    """The process is gone."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, things())


def reprocess(place: Place) -> list[Outcome]:
    return [done.outcome for done in place.intake.reprocess("things", "agency_a", REPROCESS)]


def facts(place: Place) -> list[dict[str, Any]]:
    return Ledger(place.store, "bucket").read(object_keys.FACTS)


def shape(record: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: sorted(record[name]) for name in ("written", "attempt", "source")}
    return {"fields": list(record), **parts}


def test_every_record_has_the_same_fields_whatever_became_of_the_delivery(place: Place) -> None:
    done = [
        place.ingest(place.drop(GOOD + b",3\n", seconds=2_000, sequencer="00B")),
        place.ingest(place.drop(GOOD, seconds=1_000, sequencer="00A")),
        place.ingest(place.drop(b"", seconds=3_000, sequencer="00C")),
        place.ingest(ObjectCreated("bucket", "from_client/agency_a/gone/things.csv", "v9", "e", 3, "00A")),
        place.ingest(ObjectCreated("bucket", "from_client/agency_a/unknown.csv", "v1", "e", 0, "00A")),
    ]
    assert [str(one.outcome) for one in done] == ["accepted", "superseded", "rejected", "rejected", "ignored"]
    reprocess(place)
    records = Ledger(place.store, "bucket").read()
    assert len(records) == 7, "two of reprocessing: the newest was rejected again, so the one before it was read too"
    assert len({json.dumps(shape(record)) for record in records}) == 1


def test_a_record_is_one_line(place: Place) -> None:
    place.ingest(place.drop(GOOD + b",3\n"))
    (path,) = place.root.glob("reports/*/*/*.json")
    assert path.read_bytes().count(b"\n") == 1


def test_a_record_tells_the_message_the_event_and_the_objects_that_were_written(place: Place) -> None:
    event = replace(place.drop(GOOD + b",3\n"), event_time="2026-01-05T10:00:00Z")
    attempt = Attempt(Cause.EVENT, "run-1", "message-1", receive_count=2)
    record = place.ingest(event, attempt).record
    asked = {name: record["attempt"][name] for name in ("run_id", "message_id", "receive_count", "event_time")}
    assert asked == {
        "run_id": "run-1",
        "message_id": "message-1",
        "receive_count": 2,
        "event_time": "2026-01-05T10:00:00Z",
    }
    for layer in ("silver", "quarantine"):
        head = place.store.head("bucket", record["written"][f"{layer}_key"])
        assert record["written"][f"{layer}_etag"] == head.etag
        assert record["written"][f"{layer}_sha256"] == place.store.download(head, place.root.parent / "copy")


def test_the_successor_is_a_fact_beside_the_record_of_the_delivery_that_it_replaced(place: Place) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A"))
    assert facts(place) == []
    second = place.ingest(place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B"))
    (fact,) = facts(place)
    assert (fact["fact"], fact["delivery_id"], fact["superseded_by"]) == (
        "superseded",
        first.delivery_id,
        second.delivery_id,
    )
    assert Ledger(place.store, "bucket").find("things", "agency_a", first.delivery_id) == first.record


def test_a_delivery_that_came_too_late_says_which_one_was_there_before_it(place: Place) -> None:
    newer = place.ingest(place.drop(GOOD, seconds=2_000, sequencer="00B"))
    older = place.ingest(place.drop(b"ident,size\nold,9\n", seconds=1_000, sequencer="00A"))
    assert older.record["superseded_by"] == newer.delivery_id
    assert facts(place) == []


def cut(place: Place, monkeypatch: pytest.MonkeyPatch, prefix: str) -> pytest.MonkeyPatch:
    """The process dies instead of writing its first object under the prefix."""
    real = place.store.write

    def write(bucket: str, key: str, body: Any, **conditions: Any) -> str:
        if key.startswith(prefix):
            raise _PowerCutError
        return real(bucket, key, body, **conditions)

    monkeypatch.setattr(place.store, "write", write)
    return monkeypatch


def test_a_crash_between_silver_and_the_fact_is_healed_by_the_rerun(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A"))
    newer = place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B")
    with cut(place, monkeypatch, "reports/").context(), pytest.raises(_PowerCutError):
        place.ingest(newer)
    monkeypatch.undo()
    assert facts(place) == []
    second = place.ingest(newer)
    assert second.outcome is Outcome.ACCEPTED
    assert [(f["delivery_id"], f["superseded_by"]) for f in facts(place)] == [(first.delivery_id, second.delivery_id)]


def test_a_crash_between_silver_and_the_fact_is_healed_though_a_newer_file_came_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.ingest(place.drop(GOOD, sequencer="00A"))
    second = place.drop(GOOD + b"c,3\n", seconds=2_000, sequencer="00B")
    with cut(place, monkeypatch, "reports/").context(), pytest.raises(_PowerCutError):
        place.ingest(second)
    monkeypatch.undo()
    third = place.ingest(place.drop(GOOD + b"d,4\n", seconds=3_000, sequencer="00C"))
    chain = {fact["delivery_id"]: fact["superseded_by"] for fact in facts(place)}
    assert chain[first.delivery_id] in set(chain) - {first.delivery_id}
    assert chain[chain[first.delivery_id]] == third.delivery_id


def test_going_back_to_an_older_contract_is_a_reprocessing_with_a_record_of_its_own(place: Place) -> None:
    place.ingest(place.drop(GOOD + b"c,many\n"))
    for size_type in ("string", "integer", "string"):
        place.use(things(size_type=size_type))
        assert reprocess(place) == [Outcome.ACCEPTED]
        before = listing(place.root)
        assert reprocess(place) == [Outcome.ACCEPTED]
        assert listing(place.root) == before
    records = [r for r in Ledger(place.store, "bucket").read() if r["attempt_id"]]
    assert sorted(record["accepted_rows"] for record in records) == [2, 3, 3]


def test_silver_that_was_lost_is_written_again(place: Place) -> None:
    place.ingest(place.drop(GOOD))
    reprocess(place)
    (silver,) = place.root.glob("silver/**/*.parquet")
    body = silver.read_bytes()
    silver.unlink()
    assert reprocess(place) == [Outcome.ACCEPTED]
    assert silver.read_bytes() == body


def test_a_late_twin_of_the_arrival_does_not_undo_a_reprocessing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs hold the same message; the slower one comes to silver when a replay is through."""
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
