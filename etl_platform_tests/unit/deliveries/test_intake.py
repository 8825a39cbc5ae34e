"""One delivery through ``Intake`` on a local folder: its outcome, what is written, and that a repeat writes nothing."""

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.report import WrittenObjects
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.engine.errors import ContractError
from etl_platform.errors import TransientError
from etl_platform_tests.unit.intake_place import GOOD, KEY, Place, things
from etl_platform_tests.unit.making import listing


def test_an_accepted_delivery_has_bronze_silver_and_a_report(place: Place) -> None:
    done = place.ingest(place.drop(GOOD))
    assert done.outcome is Outcome.ACCEPTED
    assert place.silver() == [{"ident": "a", "size": 1, "note": None}, {"ident": "b", "size": 2, "note": None}]
    bronze = place.root / done.report.written.bronze_key
    assert bronze.read_bytes() == GOOD
    assert bronze.name == "Things.csv"
    assert (done.report.agency, done.report.dataset, done.report.check.rows) == ("agency_a", "things", 2)
    assert {key.partition("/")[0] for key in place.written()} - {".meta"} == {"bronze", "silver", "reports"}


def test_bad_rows_go_to_quarantine_with_their_reason(place: Place) -> None:
    done = place.ingest(place.drop(GOOD + b",3\nc,many\n"))
    check = done.report.check
    assert (done.outcome, check.accepted_rows, check.quarantined_rows) == (Outcome.ACCEPTED, 2, 2)
    bad = pl.read_parquet(place.root / done.report.written.quarantine_key)
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
def test_a_rejected_delivery_is_kept_in_bronze_only(place: Place, content: bytes, code: str) -> None:
    place.ingest(place.drop(GOOD))
    before = place.silver()
    done = place.ingest(place.drop(content, seconds=2_000))
    assert done.outcome is Outcome.REJECTED
    assert [error.code for error in done.report.check.errors] == [code]
    assert place.silver() == before
    assert (place.root / done.report.written.bronze_key).read_bytes() == content


def test_a_delivery_whose_object_is_gone_is_rejected(place: Place) -> None:
    done = place.ingest(ObjectVersion("bucket", KEY, "v9", "e", 3, "00A"))
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.REJECTED, "NoSuchKey")
    before = place.written()
    assert place.ingest(ObjectVersion("bucket", KEY, "v9", "e", 3, "00A")).outcome is Outcome.DUPLICATE
    assert place.written() == before


@pytest.mark.parametrize("content", [GOOD, GOOD + b",3\n", b"", b"ident,size\n"])
def test_a_replayed_message_writes_nothing(place: Place, content: bytes) -> None:
    event = place.drop(content)
    first = place.ingest(event)
    before = listing(place.root)
    again = place.ingest(event)
    assert again.outcome is Outcome.DUPLICATE
    assert again.report == first.report
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
    assert older.report.written == WrittenObjects(bronze_key=older.report.written.bronze_key)
    assert not list(place.root.glob("quarantine/**/*.parquet"))


def test_a_newer_version_replaces_silver_and_another_file_has_its_own(place: Place) -> None:
    place.ingest(place.drop(GOOD, sequencer="00A"))
    place.ingest(place.drop(b"ident,size\nnew,5\n", seconds=2_000, sequencer="00B"))
    assert place.silver() == [{"ident": "new", "size": 5, "note": None}]
    place.ingest(place.drop(GOOD, "from_client/agency_a/more/things.csv"))
    assert len(list(place.root.glob("silver/things/agency=agency_a/*.parquet"))) == 2


def test_two_deliveries_with_the_same_rows_differ_in_their_bytes_and_name_their_delivery(place: Place) -> None:
    """Otherwise a sender who returns to an earlier file would restore the eTag that a late swap compares."""
    seen = set()
    for name in ("Things.csv", "more/things.csv"):
        done = place.ingest(place.drop(GOOD, f"from_client/agency_a/{name}"))
        path = place.root / done.report.written.silver_key
        assert pl.read_parquet_metadata(path)["delivery_id"] == done.report.delivery_id
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
        ("from_client/agency_a/Things.csv.filepart", "half_sent"),
        ("from_client/agency_a/.Things.csv", "half_sent"),
        ("from_client/agency_a/Things.csv.md5", "companion_file"),
        ("from_client/agency_a/._Things.csv", "system_file"),
        ("from_client/agency_a/~$Things.xlsx", "system_file"),
        ("from_client/agency_a/__MACOSX/Things.csv", "system_file"),
    ],
)
def test_an_object_without_agency_or_contract_is_ignored(place: Place, key: str, code: str) -> None:
    event = ObjectVersion("bucket", key, "v1", "e", 0, "00A")
    done = place.ingest(event)
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.IGNORED, code)
    before = place.written()
    assert place.ingest(event).outcome is Outcome.IGNORED
    assert place.written() == before


def test_an_ignored_file_is_ingested_once_a_contract_matches_it(place: Place) -> None:
    event = place.drop(GOOD, "from_client/agency_a/gadgets.csv")
    assert place.ingest(event).outcome is Outcome.IGNORED
    place.use(dataclasses.replace(things(), physical_name="gadgets.csv"))
    assert place.ingest(event).outcome is Outcome.ACCEPTED


def break_contract(place: Place, **names: Any) -> None:
    """Use a contract in error beside the one of the place."""
    error = ContractError("x is unknown", path="gadgets.odcs.yaml", line=7)
    place.use(things(), [BrokenContract("gadgets.odcs.yaml", error, "gadgets", sha256="", **names)])


def test_a_file_of_a_contract_in_error_waits_and_is_ingested_when_that_is_correct(place: Place) -> None:
    break_contract(place, physical_name="Gadgets.csv", file_patterns=("gadget*",))
    event = place.drop(GOOD, "from_client/agency_a/Gadgets_2026.csv")
    done = place.ingest(event)
    (error,) = done.report.check.errors
    assert (done.outcome, error.code) == (Outcome.IGNORED, "contract_error")
    assert error.message == "the file waits for its contract: gadgets.odcs.yaml:7: x is unknown"
    place.use(dataclasses.replace(things(), file_patterns=("gadget*",)))
    assert place.ingest(event).outcome is Outcome.ACCEPTED


def test_a_file_of_a_contract_in_error_never_gets_to_the_contract_that_fits_next_best(place: Place) -> None:
    contract = dataclasses.replace(things(), file_patterns=("thing*",))
    place.use(contract)
    event = place.drop(GOOD, "from_client/agency_a/things_new.csv")
    assert place.intake.route(event).route.dataset == "things"
    break_contract(place, physical_name="x.csv", file_patterns=("things_new*",))
    assert place.ingest(event).outcome is Outcome.IGNORED
    assert place.ingest(place.drop(GOOD)).outcome is Outcome.ACCEPTED


def test_a_file_without_a_contract_is_reported_with_the_contracts_in_error(place: Place) -> None:
    break_contract(place, physical_name="gadgets.csv", file_patterns=())
    done = place.ingest(place.drop(b"", "from_client/agency_a/widgets.csv"))
    (error,) = done.report.check.errors
    assert error.code == "no_contract"
    assert "Contracts in error, which may be about this file: gadgets.odcs.yaml" in error.message


@pytest.mark.parametrize(
    ("name", "content", "fits"),
    [
        ("Gadgets.csv", GOOD, True),
        ("Gadgets.csv", b"Ident;SIZE;other\na;1;x\n", True),
        ("Gadgets.csv", GOOD + b"c,3\n" * 500_000, True),
        ("Gadgets", GOOD, True),
        ("Gadgets.csv", b"size,note\n1,x\n", False),
        ("Gadgets.csv", b"ident\na\n", False),
        ("Gadgets.csv", b"ident,size,b,c,d\na,1,2,3,4\n", False),
        ("Gadgets.csv", b"", False),
        ("Gadgets.zip", b"PK\x03\x04 cut off", False),
        ("Gadgets.pdf", GOOD, False),
    ],
)
def test_a_file_that_only_its_columns_show_is_reported_with_the_contract_that_they_fit(
    place: Place, name: str, content: bytes, fits: bool
) -> None:
    done = place.ingest(place.drop(content, f"from_client/agency_a/{name}"))
    (error,) = done.report.check.errors
    assert (done.outcome, error.code) == (Outcome.IGNORED, "no_contract")
    assert ("its columns fit things: rename it, such as to things.csv" in error.message) == fits


def test_a_half_sent_file_is_ingested_under_its_final_name(place: Place) -> None:
    assert place.ingest(place.drop(GOOD[:12], f"{KEY}.filepart")).outcome is Outcome.IGNORED
    assert place.ingest(place.drop(GOOD)).outcome is Outcome.ACCEPTED
    assert len(place.silver()) == 2


@pytest.mark.parametrize(
    "key",
    [
        "from_client/agency_a/../../../etc/Things.csv",
        "from_client/agency_a/../../../../../../../tmp/Things.csv",
        "from_client/agency_a/..\0/Things.csv",
        "from_client/agency_a/nul\0/Things.csv",
    ],
)
def test_a_key_that_points_outside_the_root_is_rejected(place: Place, key: str) -> None:
    place.drop(GOOD)
    done = place.ingest(ObjectVersion("bucket", key, None, None, 3, "00A"))
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.REJECTED, "unsafe_key")


@pytest.mark.parametrize(
    "key", ["from_client/agency_b/../agency_a/Things.csv", "from_client/agency_b/.././agency_a/Things.csv"]
)
def test_a_key_with_dots_never_gives_one_agency_the_file_of_another(place: Place, key: str) -> None:
    place.drop(GOOD)
    done = place.ingest(ObjectVersion("bucket", key, None, None, None, "00A"))
    assert done.outcome is Outcome.REJECTED
    assert not list(place.root.glob("silver/**/*.parquet"))


@pytest.mark.parametrize("agency", ["a b+c", "Peña", "..", "a=b", "%2e", "-", "🚓"])
@pytest.mark.parametrize("name", ["Things.csv", "Th ings.csv", "things!.CSV"])
def test_agencies_with_unusual_names_have_their_own_partitions(place: Place, agency: str, name: str) -> None:
    if agency == "..":
        event = ObjectVersion("bucket", f"from_client/../{name}", None, None, 1, "00A")
        assert place.ingest(event).outcome is Outcome.REJECTED
        return
    done = place.ingest(place.drop(GOOD, f"from_client/{agency}/{name}"))
    assert done.outcome is Outcome.ACCEPTED
    assert len(list(place.root.glob("silver/things/agency=*/*.parquet"))) == 1
    assert (place.root / done.report.written.bronze_key).read_bytes() == GOOD


def test_a_key_of_1024_bytes_is_ingested(place: Place) -> None:
    folders = "/".join(["d" * 200] * 4)
    key = f"from_client/agency_a/{folders}/"
    key += "e" * (1_024 - len(key) - len("/Things.csv")) + "/Things.csv"
    assert len(key) == 1_024
    assert place.ingest(place.drop(GOOD, key)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("content", [GOOD, GOOD + b",3\n", b""])
def test_a_dry_run_writes_nothing_and_has_the_outcome_of_a_real_run(place: Place, content: bytes) -> None:
    event = place.drop(content)
    before = listing(place.root)
    outcome = place.ingest(event, dry_run=True).outcome
    place.ingest(ObjectVersion("bucket", "from_client/agency_a/unknown.csv"), dry_run=True)
    place.ingest(ObjectVersion("bucket", "from_client/agency_a/gone/things.csv"), dry_run=True)
    assert listing(place.root) == before
    assert outcome is place.ingest(event).outcome


def test_the_report_of_a_dry_run_differs_only_in_attempt_and_written_objects(place: Place) -> None:
    event = place.drop(GOOD)
    dry = place.ingest(event, dry_run=True).report
    real = place.ingest(event).report
    assert dry.outcome is Outcome.ACCEPTED
    assert dataclasses.replace(dry, attempt=real.attempt, written=real.written) == real


def test_a_newer_delivery_written_meanwhile_is_not_overwritten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOMEM])
def test_a_file_that_the_system_cannot_look_up_is_not_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    event, stat = place.drop(GOOD), Path.stat

    def fail(path: Path, **more: Any) -> os.stat_result:
        if path.name == "Things.csv":
            raise OSError(number, os.strerror(number))
        return stat(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", fail)
        with pytest.raises(TransientError):
            place.ingest(event)
    assert not list(place.root.glob("reports/**/*.json"))
    assert place.ingest(event).outcome is Outcome.ACCEPTED
