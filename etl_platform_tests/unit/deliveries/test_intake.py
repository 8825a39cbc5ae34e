"""One delivery through ``Intake`` on a local folder: its outcome, what is written, and that a replay writes nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform_tests.unit.intake_place import EVENT, GOOD, KEY, Place, things
from etl_platform_tests.unit.making import listing


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, things())


def test_an_accepted_delivery_leaves_bronze_silver_and_a_record(place: Place) -> None:
    done = place.ingest(place.drop(GOOD))
    assert done.outcome is Outcome.ACCEPTED
    assert place.silver() == [{"ident": "a", "size": 1, "note": None}, {"ident": "b", "size": 2, "note": None}]
    bronze = place.root / done.record["written"]["bronze_key"]
    assert bronze.read_bytes() == GOOD
    assert bronze.name == "Things.csv"
    assert (done.agency, done.dataset, done.record["rows"]) == ("agency_a", "things", 2)
    assert {key.partition("/")[0] for key in place.written()} - {".meta"} == {"bronze", "silver", "reports"}


def test_bad_rows_go_to_quarantine_with_their_reason(place: Place) -> None:
    done = place.ingest(place.drop(GOOD + b",3\nc,many\n"))
    assert (done.outcome, done.record["accepted_rows"], done.record["quarantined_rows"]) == (Outcome.ACCEPTED, 2, 2)
    bad = pl.read_parquet(place.root / done.record["written"]["quarantine_key"])
    assert bad["reasons"].to_list() == ["ident.required", "size.type"]
    assert bad["_line"].to_list() == [4, 5]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"size,note\n1,x\n", "missing_column"),
        (b"ident,size\n", "no_rows"),
        (b"ident,size\na,x\n", "no_good_rows"),
        (b"%PDF-1.7\n", "not_tabular"),
    ],
)
def test_a_rejected_delivery_is_kept_and_named_and_touches_no_silver(place: Place, content: bytes, code: str) -> None:
    place.ingest(place.drop(GOOD))
    before = place.silver()
    done = place.ingest(place.drop(content, seconds=2_000))
    assert done.outcome is Outcome.REJECTED
    assert [error["code"] for error in done.record["errors"]] == [code]
    assert place.silver() == before
    assert (place.root / done.record["written"]["bronze_key"]).read_bytes() == content


def test_a_missing_object_is_an_outcome(place: Place) -> None:
    done = place.ingest(ObjectCreated("bucket", KEY, "v9", "e", 3, "00A"))
    assert (done.outcome, done.record["errors"][0]["code"]) == (Outcome.REJECTED, "NoSuchKey")
    before = place.written()
    assert place.ingest(ObjectCreated("bucket", KEY, "v9", "e", 3, "00A")).outcome is Outcome.DUPLICATE
    assert place.written() == before


@pytest.mark.parametrize("content", [GOOD, GOOD + b",3\n", b"", b"ident,size\n"])
def test_a_replayed_message_writes_nothing(place: Place, content: bytes) -> None:
    event = place.drop(content)
    first = place.ingest(event)
    before = listing(place.root)
    again = place.ingest(event)
    assert again.outcome is Outcome.DUPLICATE
    assert again.record == first.record
    assert listing(place.root) == before


@pytest.mark.parametrize("sequencers", [("00B", "00A"), (None, None), ("00AA", "00A9FF")])
def test_an_older_version_after_a_newer_one_is_superseded(
    place: Place, sequencers: tuple[str | None, str | None]
) -> None:
    place.ingest(place.drop(GOOD, seconds=2_000, sequencer=sequencers[0]))
    silver = place.silver()
    older = place.ingest(place.drop(b"ident,size\nold,9\n,8\n", seconds=1_000, sequencer=sequencers[1]))
    assert older.outcome is Outcome.SUPERSEDED
    assert place.silver() == silver
    assert [name for name, text in older.record["written"].items() if text] == ["bronze_key"]
    assert not list(place.root.glob("quarantine/**/*.parquet"))


def test_a_newer_version_replaces_silver_and_another_file_stands_beside_it(place: Place) -> None:
    place.ingest(place.drop(GOOD, sequencer="00A"))
    place.ingest(place.drop(b"ident,size\nnew,5\n", seconds=2_000, sequencer="00B"))
    assert place.silver() == [{"ident": "new", "size": 5, "note": None}]
    place.ingest(place.drop(GOOD, "from_client/agency_a/more/things.csv"))
    assert len(list(place.root.glob("silver/things/agency=agency_a/*.parquet"))) == 2


def test_two_deliveries_with_the_same_rows_differ_in_their_bytes_and_name_their_delivery(place: Place) -> None:
    """Else the eTag that a swap compares would be that of an earlier file which the sender has gone back to."""
    seen = set()
    for name in ("Things.csv", "more/things.csv"):
        done = place.ingest(place.drop(GOOD, f"from_client/agency_a/{name}"))
        path = place.root / done.record["written"]["silver_key"]
        assert pl.read_parquet_metadata(path)["delivery_id"] == done.delivery_id
        seen.add(path.read_bytes())
    assert len(seen) == 2


def test_a_newer_rejected_version_does_not_supersede_an_older_good_one(place: Place) -> None:
    place.ingest(place.drop(b"", seconds=2_000, sequencer="00B"))
    assert place.ingest(place.drop(GOOD, seconds=1_000, sequencer="00A")).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("from_client/agency_a/unknown.csv", "no_contract"),
        ("from_client/agency_a/", "folder_marker"),
        ("from_client/Things.csv", "no_agency"),
        ("elsewhere/agency_a/Things.csv", "no_agency"),
    ],
)
def test_what_nobody_knows_is_ignored_until_a_contract_comes(place: Place, key: str, code: str) -> None:
    event = ObjectCreated("bucket", key, "v1", "e", 0, "00A")
    done = place.ingest(event)
    assert (done.outcome, done.record["errors"][0]["code"]) == (Outcome.IGNORED, code)
    before = place.written()
    assert place.ingest(event).outcome is Outcome.IGNORED
    assert place.written() == before


def test_an_ignored_file_is_taken_in_once_a_contract_knows_it(place: Place) -> None:
    event = place.drop(GOOD, "from_client/agency_a/gadgets.csv")
    assert place.ingest(event).outcome is Outcome.IGNORED
    place.use(dataclasses.replace(things(), physical_name="gadgets.csv"))
    assert place.ingest(event).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "key",
    [
        "from_client/agency_a/../../../etc/Things.csv",
        "from_client/agency_a/../../../../../../../tmp/Things.csv",
        "from_client/agency_a/..\0/Things.csv",
        "from_client/agency_a/nul\0/Things.csv",
    ],
)
def test_a_key_that_leaves_the_root_is_refused_by_name(place: Place, key: str) -> None:
    place.drop(GOOD)
    done = place.ingest(ObjectCreated("bucket", key, None, None, 3, "00A"))
    assert (done.outcome, done.record["errors"][0]["code"]) == (Outcome.REJECTED, "unsafe_key")


@pytest.mark.parametrize(
    "key", ["from_client/agency_b/../agency_a/Things.csv", "from_client/agency_b/.././agency_a/Things.csv"]
)
def test_a_key_with_dots_never_brings_one_agency_the_file_of_another(place: Place, key: str) -> None:
    place.drop(GOOD)
    done = place.ingest(ObjectCreated("bucket", key, None, None, None, "00A"))
    assert done.outcome is Outcome.REJECTED
    assert not list(place.root.glob("silver/**/*.parquet"))


@pytest.mark.parametrize("agency", ["a b+c", "Peña", "..", "a=b", "%2e", "-", "🚓"])
@pytest.mark.parametrize("name", ["Things.csv", "Th ings.csv", "things!.CSV"])
def test_odd_names_stay_in_a_partition_of_their_own(place: Place, agency: str, name: str) -> None:
    if agency == "..":
        event = ObjectCreated("bucket", f"from_client/../{name}", None, None, 1, "00A")
        assert place.ingest(event).outcome is Outcome.REJECTED
        return
    done = place.ingest(place.drop(GOOD, f"from_client/{agency}/{name}"))
    assert done.outcome is Outcome.ACCEPTED
    assert len(list(place.root.glob("silver/things/agency=*/*.parquet"))) == 1
    assert (place.root / done.record["written"]["bronze_key"]).read_bytes() == GOOD


def test_a_key_of_1024_bytes_is_taken_in(place: Place) -> None:
    folders = "/".join(["d" * 200] * 4)
    key = f"from_client/agency_a/{folders}/"
    key += "e" * (1_024 - len(key) - len("/Things.csv")) + "/Things.csv"
    assert len(key) == 1_024
    assert place.ingest(place.drop(GOOD, key)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("content", [GOOD, GOOD + b",3\n", b""])
def test_a_dry_run_writes_nothing_and_says_what_would_become_of_the_file(place: Place, content: bytes) -> None:
    dry = dataclasses.replace(EVENT, dry_run=True)
    event = place.drop(content)
    before = listing(place.root)
    outcome = place.ingest(event, dry).outcome
    place.ingest(ObjectCreated("bucket", "from_client/agency_a/unknown.csv"), dry)
    place.ingest(ObjectCreated("bucket", "from_client/agency_a/gone/things.csv"), dry)
    assert listing(place.root) == before
    assert outcome is place.ingest(event).outcome


def test_a_dry_run_records_its_outcome_and_is_the_same_shape_as_a_real_one(place: Place) -> None:
    event = place.drop(GOOD)
    dry = place.ingest(event, dataclasses.replace(EVENT, dry_run=True)).record
    assert dry["outcome"] == "accepted"
    assert set(dry) >= set(place.ingest(event).record) - {"attempt", "written"}


def test_a_newer_delivery_that_wins_the_race_is_not_overwritten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    older, real = place.drop(b"ident,size\nold,1\n", seconds=1_000, sequencer="00A"), place.store.write

    def write(bucket: str, key: str, body: Any, **conditions: Any) -> str:
        if key.startswith("silver/"):
            monkeypatch.setattr(place.store, "write", real)
            newer = place.drop(b"ident,size\nnew,2\n", seconds=2_000, sequencer="00B")
            assert place.ingest(newer).outcome is Outcome.ACCEPTED
        return real(bucket, key, body, **conditions)

    monkeypatch.setattr(place.store, "write", write)
    assert place.ingest(older).outcome is Outcome.SUPERSEDED
    assert place.silver() == [{"ident": "new", "size": 2, "note": None}]
