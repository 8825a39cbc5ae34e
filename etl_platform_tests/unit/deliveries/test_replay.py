"""Replays with corrected rows, on a local root: which rows are accepted, and that a second replay changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.replay.quarantine import Quarantine
from etl_platform.deliveries.report import ReplayChanges, Trigger
from etl_platform.engine.corrections import ChangedRow, RowChanges
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.quarantine_files import read_corrections
from etl_platform.errors import TransientError
from etl_platform_tests.unit.intake_place import GOOD, KEY, Place, things
from etl_platform_tests.unit.making import contract_of, listing, text, typed

BAD = GOOD + b"c,many\n,4\n"
NOW = datetime(2026, 1, 5, tzinfo=UTC)


class Desk:
    """A person who corrects rows of one partition."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.file = place.root.parent / "corrections.csv"

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.place.store, "bucket", "things", "agency_a")

    def replay(self, corrections: str | None = None, delivery_id: str | None = None) -> list[DeliveryResult]:
        """As the command does it, without Dagster."""
        chosen = [delivery_id] if delivery_id else []
        if corrections is not None:
            self.file.write_text(corrections, "utf-8")
            corrected = self.quarantine.compare(read_corrections(self.file), delivery_id)
            self.quarantine.put_in_effect(corrected, by="jane", at=NOW)
            chosen = list(corrected.deliveries)
        trigger = Trigger(Cause.REPROCESS, by="jane")
        return list(self.place.intake.reprocess("things", "agency_a", trigger, chosen))

    def export(self) -> str:
        self.file.unlink(missing_ok=True)
        self.quarantine.export(self.quarantine.replayable(), self.file)
        return self.file.read_text("utf-8-sig")

    def silver(self) -> list[Any]:
        return [row["ident"] for row in self.place.silver()]

    def bad_lines(self) -> list[int]:
        return [n for path in self.place.root.glob("quarantine/*/*/*.parquet") for n in pl.read_parquet(path)["_line"]]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Place(tmp_path / "root", things()))


def test_corrected_rows_move_from_quarantine_to_silver(desk: Desk) -> None:
    first = desk.place.ingest(desk.place.drop(BAD))
    (done,) = desk.replay("_line,ident,size\n4,c,3\n")
    check = done.report.check
    assert (done.outcome, check.accepted_rows, check.quarantined_rows) == (Outcome.ACCEPTED, 3, 1)
    assert desk.silver() == ["a", "b", "c"]
    assert desk.bad_lines() == [5]
    assert done.report.delivery_id == first.report.delivery_id


def test_the_report_of_a_replay_names_who_asked_when_and_which_rows_changed(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    (done,) = desk.replay("_line,size\n4,3\n")
    report = done.report
    assert report.attempt.trigger == Trigger(Cause.REPROCESS, by="jane")
    assert report.attempt.ended_at > NOW
    assert report.corrections.rows == 1
    assert report.changes == ReplayChanges(True, RowChanges(1, 0, 0, (ChangedRow(None, 4, "size.type", None),)))
    assert "many" not in str((report.changes, report.corrections, report.attempt))


@pytest.mark.parametrize("corrections", [None, "_line,size\n4,3\n", "_line,ident,size\n4,c,3\n5,,4\n"])
def test_the_same_replay_twice_changes_nothing(desk: Desk, corrections: str | None) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    (first,) = desk.replay(corrections)
    before = listing(desk.place.root)
    (again,) = desk.replay(corrections)
    assert again.repeated
    assert again.report == first.report
    assert listing(desk.place.root) == before


def test_a_later_reprocessing_keeps_the_corrections_in_effect(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    desk.replay("_line,size\n4,3\n")
    desk.place.use(things(size_type="number"))
    (done,) = desk.replay()
    assert not done.repeated
    assert desk.silver() == ["a", "b", "c"]
    assert done.report.corrections.rows == 1


def test_corrections_of_a_delivery_add_up_and_a_later_one_replaces_an_earlier_one(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    desk.replay("_line,size\n4,33\n")
    desk.replay("_line,ident\n5,d\n")
    desk.replay("_line,size\n4,3\n")
    assert [(row["ident"], row["size"]) for row in desk.place.silver()] == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    assert desk.bad_lines() == []
    assert len(list(desk.place.root.glob("quarantine/_corrections/**/*.json"))) == 3


def test_corrections_of_a_superseded_file_are_not_applied_to_the_newer_one(desk: Desk) -> None:
    first = desk.place.ingest(desk.place.drop(BAD, sequencer="00A"))
    desk.replay("_line,size\n4,3\n")
    desk.place.ingest(desk.place.drop(b"ident,size\nz,9\nbad,x\n", seconds=2_000, sequencer="00B"))
    (done,) = desk.replay()
    assert desk.silver() == ["z"]
    assert done.report.corrections is None
    with pytest.raises(UsageError, match="superseded by a newer file"):
        desk.replay("_line,size\n4,5\n", first.report.delivery_id)
    (late,) = desk.replay(None, first.report.delivery_id)
    assert late.outcome is Outcome.SUPERSEDED
    assert desk.silver() == ["z"]


def test_a_rejected_file_is_accepted_once_enough_of_its_rows_are_corrected(tmp_path: Path) -> None:
    contract = contract_of(
        [text("ident", required=True), typed("size", "integer")],
        customs=[{"property": "maxRejectedPercent", "value": 30}],
    )
    desk = Desk(Place(tmp_path / "root", contract))
    assert desk.place.ingest(desk.place.drop(BAD)).outcome is Outcome.REJECTED
    (still,) = desk.replay("_line,size\n4,x\n")
    assert still.outcome is Outcome.REJECTED
    (done,) = desk.replay("_line,size\n4,3\n")
    assert (done.outcome, done.report.changes.in_silver_before) == (Outcome.ACCEPTED, False)
    assert desk.silver() == ["a", "b", "c"]


def test_the_export_corrected_in_place_is_a_corrections_file(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(GOOD + b"c,=cmd()\n,4\n"))
    exported = desk.export()
    assert "'=cmd()" in exported
    (done,) = desk.replay(exported.replace("'=cmd()", "3"))
    assert done.report.changes.rows.now_good == 1
    assert desk.bad_lines() == [5]
    assert desk.export().count("\n") == 2
    assert desk.quarantine.replayable()[0].check.quarantined_rows == 1


def test_an_exported_row_shows_what_was_corrected_before(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    desk.replay("_line,size\n4,more\n")
    assert ",more," in desk.export()


@pytest.mark.parametrize(
    ("corrections", "said"),
    [
        ("_line,size\n2,7\n", "line 2: not in quarantine"),
        ("_line,size\n400,7\n", "line 400: not in quarantine"),
        ("_line,sise\n4,7\n", "no column 'sise'; it has ident, size"),
        ("_delivery_id,_line,size\n0123456789,4,7\n", "agency_a has no delivery 0123456789 of things"),
    ],
)
def test_corrections_that_do_not_match_are_refused(desk: Desk, corrections: str, said: str) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    before = listing(desk.place.root)
    with pytest.raises(UsageError, match=said):
        desk.replay(corrections)
    assert listing(desk.place.root) == before


def test_corrections_of_several_files_are_matched_by_their_delivery_id(desk: Desk) -> None:
    one = desk.place.ingest(desk.place.drop(BAD))
    other = desk.place.ingest(desk.place.drop(BAD, "from_client/agency_a/2/things.csv"))
    with pytest.raises(UsageError, match="names no delivery, and 2 have quarantined rows"):
        desk.replay("_line,size\n4,3\n")
    exported = desk.export()
    ids = sorted(result.report.delivery_id for result in (one, other))
    assert all(delivery_id in exported for delivery_id in ids)
    done = desk.replay(exported.replace("many", "3"))
    assert sorted(item.report.delivery_id for item in done) == ids
    assert desk.bad_lines() == [5, 5]


def test_files_with_different_columns_are_not_exported_together(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    desk.place.ingest(desk.place.drop(b"size,ident\nmany,a\n1,b\n", "from_client/agency_a/2/things.csv"))
    with pytest.raises(UsageError, match="choose one with --delivery"):
        desk.export()


def test_a_dry_run_reports_the_changes_and_writes_nothing(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    before = listing(desk.place.root)
    desk.file.write_text("_line,size\n4,3\n", "utf-8")
    corrected = desk.quarantine.compare(read_corrections(desk.file), None)
    trial = {name: found.corrections for name, found in corrected.deliveries.items()}
    trigger = Trigger(Cause.REPROCESS)
    (done,) = desk.place.intake.reprocess("things", "agency_a", trigger, list(trial), trial, dry_run=True)
    assert done.report.changes.rows.now_good == 1
    assert listing(desk.place.root) == before


class _PowerCutError(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
def test_a_replay_that_is_killed_at_any_write_and_repeated_ends_like_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool
) -> None:
    """Its writes are corrections, amendment, silver, quarantine and report."""

    def end(desk: Desk) -> dict[str, Any]:
        """All objects; reports and amendments without what differs between two runs: times and eTags."""
        ledger = Ledger(desk.place.store, "bucket")
        kept: dict[str, Any] = {key: body for key, body in listing(desk.place.root).items() if key.endswith(".parquet")}
        for report in ledger.reports():
            written = replace(report.written, silver_etag=None, quarantine_etag=None)
            kept[f"{report.delivery_id}:{report.attempt_id}"] = replace(report, written=written, attempt=None)
        for amendment in ledger.amendments():
            kept[f"{amendment.kind}:{amendment.delivery_id}"] = replace(amendment, attempt=None)
        return kept

    def scenario(folder: str) -> Desk:
        desk = Desk(Place(tmp_path / folder / "root", things()))
        desk.place.ingest(desk.place.drop(BAD))
        return desk

    undisturbed = scenario("one")
    undisturbed.replay("_line,size\n4,3\n")
    killed = scenario("two")
    real, count = killed.place.store.write, 0

    def write(*arguments: Any, **conditions: Any) -> str:
        nonlocal count
        count += 1
        if count == number and not after:
            raise _PowerCutError
        etag = real(*arguments, **conditions)
        if count == number:
            raise _PowerCutError
        return etag

    monkeypatch.setattr(killed.place.store, "write", write)
    with pytest.raises(_PowerCutError):
        killed.replay("_line,size\n4,3\n")
    monkeypatch.undo()
    killed.replay("_line,size\n4,3\n")
    assert end(killed) == end(undisturbed)


def meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Another process acts just before the next silver object is written."""
    real = place.store.write

    def write(bucket: str, key: str, *arguments: Any, **conditions: Any) -> str:
        if key.startswith("silver/"):
            monkeypatch.undo()
            act()
        return real(bucket, key, *arguments, **conditions)

    monkeypatch.setattr(place.store, "write", write)


def test_two_replays_at_the_same_time_do_not_undo_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    meanwhile(desk.place, monkeypatch, lambda: desk.replay("_line,ident\n5,d\n"))
    with pytest.raises(TransientError, match="run the replay again"):
        desk.replay("_line,size\n4,3\n")
    assert desk.silver() == ["a", "b", "c", "d"]
    desk.replay("_line,size\n4,3\n")
    assert desk.silver() == ["a", "b", "c", "d"]


def test_a_newer_file_that_arrives_during_a_replay_supersedes_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.place.ingest(desk.place.drop(BAD, sequencer="00A"))
    newer = b"ident,size\nz,9\n"
    meanwhile(
        desk.place, monkeypatch, lambda: desk.place.ingest(desk.place.drop(newer, seconds=2_000, sequencer="00B"))
    )
    (done,) = desk.replay("_line,size\n4,3\n")
    assert done.outcome is Outcome.SUPERSEDED
    assert desk.silver() == ["z"]


def test_a_delivery_that_is_not_there_cannot_be_replayed(desk: Desk) -> None:
    desk.place.ingest(desk.place.drop(BAD))
    with pytest.raises(UsageError, match="has no delivery 0123456789 of things"):
        desk.replay(None, "0123456789")
    (desk.place.root / KEY).unlink()
    assert desk.replay()[0].outcome is Outcome.ACCEPTED
