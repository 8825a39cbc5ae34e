"""Bronze read again under another contract, and corrected files that agencies send."""

from pathlib import Path

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform_tests.unit.intake_place import GOOD, KEY, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_of, custom, listing, text, typed


def reprocess(place: Place) -> list[DeliveryResult]:
    return list(place.intake.reprocess("things", "agency_a", REPROCESS))


def test_a_reprocessing_under_a_new_contract_reads_bronze(place: Place) -> None:
    first = place.ingest(place.drop(GOOD + b"c,many\n"))
    (place.root / KEY).unlink()
    place.use(things(size_type="string"))
    (again,) = reprocess(place)
    assert (again.outcome, again.report.check.accepted_rows) == (Outcome.ACCEPTED, 3)
    assert again.report.delivery_id == first.report.delivery_id
    assert [row["size"] for row in place.silver()] == ["1", "2", "many"]


def test_reprocessing_takes_the_newest_delivery_of_every_key(place: Place) -> None:
    place.ingest(place.drop(b"ident,size\nnew,2\n", seconds=2_000, sequencer="00B"))
    place.ingest(place.drop(b"ident,size\nold,1\n", seconds=1_000, sequencer="00A"))
    place.ingest(place.drop(GOOD, "from_client/agency_a/2/things.csv"))
    assert [done.outcome for done in reprocess(place)] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    rows = [pl.read_parquet(path)["ident"].to_list() for path in place.root.glob("silver/**/*.parquet")]
    assert sorted(rows) == [["a", "b"], ["new"]]


def test_reprocessing_twice_under_one_contract_changes_no_byte(place: Place) -> None:
    place.ingest(place.drop(GOOD + b",3\n"))
    place.use(things(size_type="string"))
    reprocess(place)
    before = listing(place.root)
    assert [done.outcome for done in reprocess(place)]
    assert listing(place.root) == before


def test_rows_that_a_new_contract_accepts_leave_the_quarantine(place: Place) -> None:
    place.ingest(place.drop(GOOD + b"c,many\n"))
    place.use(things(size_type="string"))
    reprocess(place)
    assert "many" in [row["size"] for row in place.silver()]
    left = [pl.read_parquet(path).height for path in place.root.glob("quarantine/**/*.parquet")]
    assert sum(left) == 0


def test_a_rejected_reprocess_leaves_silver_and_its_quarantine_as_they_were(place: Place) -> None:
    place.ingest(place.drop(GOOD + b"c,many\n"))
    before = {key: body for key, body in listing(place.root).items() if "reports/" not in key}
    place.use(contract_of([text("ident", required=True), typed("size", "integer"), text("badge", required=True)]))
    (again,) = reprocess(place)
    assert again.outcome is Outcome.REJECTED
    assert {key: body for key, body in listing(place.root).items() if "reports/" not in key} == before


def test_if_the_newest_is_rejected_the_newest_accepted_one_is_written_to_silver(place: Place) -> None:
    """The middle one was rejected when it arrived, and the new contract accepts it."""
    strict = contract_of([text("ident", required=True), typed("size", "integer"), text("note", required=True)])
    place.use(strict)
    place.ingest(place.drop(b"ident,size,note\nold,1,x\n", seconds=1_000))
    middle = place.ingest(place.drop(b"ident,size\nmiddle,2\n", seconds=2_000))
    place.ingest(place.drop(b"", seconds=3_000))
    assert [row["ident"] for row in place.silver()] == ["old"]

    place.use(things())
    done = reprocess(place)

    assert [item.outcome for item in done] == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert done[1].report.delivery_id == middle.report.delivery_id
    assert [row["ident"] for row in place.silver()] == ["middle"]
    before = listing(place.root)
    assert [item.repeated for item in reprocess(place)] == [True, True]
    assert listing(place.root) == before


def test_lost_silver_is_restored_although_the_newest_file_is_rejected(place: Place) -> None:
    place.ingest(place.drop(GOOD, seconds=1_000))
    place.ingest(place.drop(b"", seconds=2_000))
    (silver,) = place.root.glob("silver/**/*.parquet")
    silver.unlink()
    assert [item.outcome for item in reprocess(place)] == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert [row["ident"] for row in place.silver()] == ["a", "b"]


def test_an_accepted_file_that_todays_contract_rejects_is_not_replaced_by_an_older_one(place: Place) -> None:
    place.ingest(place.drop(b"ident,size,note\nold,1,x\n", seconds=1_000))
    place.ingest(place.drop(b"ident,size\nnew,2\n", seconds=2_000))
    before = {key: body for key, body in listing(place.root).items() if "reports/" not in key}
    place.use(contract_of([text("ident", required=True), typed("size", "integer"), text("note", required=True)]))
    (again,) = reprocess(place)
    assert again.outcome is Outcome.REJECTED
    assert {key: body for key, body in listing(place.root).items() if "reports/" not in key} == before


def test_the_successor_of_a_delivery_is_the_one_that_silver_holds(place: Place) -> None:
    first = place.ingest(place.drop(GOOD))
    assert place.intake.successor(first.report) is None
    second = place.ingest(place.drop(GOOD + b"d,4\n", seconds=2_000))
    assert place.intake.successor(first.report) == second.report
    assert place.intake.successor(second.report) is None


@pytest.mark.parametrize("day", ["+20201-1-5", "0000-01-01", "1/1/0000", "99999-01-01"])
def test_a_row_whose_year_python_does_not_have_goes_to_quarantine(tmp_path: Path, day: str) -> None:
    place = Place(
        tmp_path,
        contract_of([text("ident"), typed("day", "date", customProperties=custom(formats=["yyyy-MM-dd", "M/d/yyyy"]))]),
    )
    done = place.ingest(place.drop(f"ident,day\na,2020-01-05\nb,{day}\n".encode()))
    assert (done.outcome, done.report.check.reasons) == (Outcome.ACCEPTED, {"day.type": 1})


@pytest.mark.parametrize("name", ["_line", "reasons", "_overflow", "_damage", "text:ident", "0", "rule:ident.required"])
def test_a_column_may_have_the_name_of_one_of_ours(place: Place, name: str) -> None:
    done = place.ingest(place.drop(f"ident,size,{name}\na,1,x\n,2,y\n".encode()))
    assert (done.outcome, done.report.check.reasons) == (Outcome.ACCEPTED, {"ident.required": 1})


def test_a_corrected_quarantine_file_that_is_sent_in_place_of_the_file_does_not_replace_it(
    place: Place, tmp_path: Path
) -> None:
    done = place.ingest(place.drop(GOOD + b",3\n,4\n"))
    bad = pl.read_parquet(tmp_path / done.report.written.quarantine_key)
    repaired = bad.with_columns(pl.Series("ident", ["x", None])).write_csv()
    before = {key: body for key, body in listing(place.root).items() if "silver/" in key}
    assert before
    again = place.ingest(place.drop(repaired.encode(), seconds=2_000))
    assert {key: body for key, body in listing(place.root).items() if "silver/" in key} == before
    assert (again.outcome, [one.code for one in again.report.check.errors]) == (Outcome.REJECTED, ["refused_rows"])
