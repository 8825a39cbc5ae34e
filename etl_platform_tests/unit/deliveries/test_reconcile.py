"""Source against reports against what is held: exactly what was taken away is found."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger, Record
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding
from etl_platform.deliveries.reconcile.reconcile import Reconciled, Reconciler, event_of
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.intake_place import EVENT, GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import listing

AGENCIES = ("agency_a", "agency b+c", "Peña")
FILES = {
    "Things.csv": GOOD,
    "more/Things.csv": GOOD + b",3\n",
    "Things.xlsx": b"",
    "Fleet.csv": b"no contract knows me\n",
}
HOUR = timedelta(hours=1)


def look(root: Path, **more: object) -> Reconciled:
    now = datetime.now(UTC)
    reconciler = Reconciler(
        LocalStore(root),
        "bucket",
        {"things": things()},
        "from_client/",
        more.pop("settled_before", now + HOUR),  # type: ignore[arg-type]
        more.pop("since", None),  # type: ignore[arg-type]
    )
    return reconciler.look(**more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """Three agencies with an accepted file, one with bad rows, a rejected one and one that no contract knows."""
    root = tmp_path_factory.mktemp("history")
    place = Place(root, things())
    for agency in AGENCIES:
        for name, content in FILES.items():
            place.ingest(place.drop(content, f"from_client/{agency}/{name}"), EVENT)
    return root, Ledger(place.store, "bucket").read()


@pytest.fixture
def root(history: tuple[Path, list[Record]], tmp_path: Path) -> Iterator[Path]:
    """A copy to take things away from."""
    shutil.copytree(history[0], tmp_path / "root")
    return tmp_path / "root"


def test_a_whole_history_has_nothing_amiss(root: Path) -> None:
    found = look(root)
    assert found.findings == ()
    assert (found.agencies, found.versions, found.ignored) == (3, 12, 3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exactly_what_was_taken_away_is_found(
    history: tuple[Path, list[Record]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Every report, source, bronze, quarantine and silver object may go; a model says what that must look like."""
    origin, records = history
    gone = data.draw(st.sets(st.sampled_from(sorted(objects_of(records))), max_size=12))
    root = tmp_path_factory.mktemp("taken") / "root"
    shutil.copytree(origin, root)
    for key in gone:
        (root / key).unlink()

    found = {(finding.kind, finding.key) for finding in look(root).findings}

    assert found == {amiss for record in records for amiss in expected(record, gone)}
    shutil.rmtree(root)


def objects_of(records: list[Record]) -> set[str]:
    keys = {record["source"]["key"] for record in records}
    for record in records:
        keys |= {report_of(record), *(key for name, key in record["written"].items() if key and name.endswith("_key"))}
    return keys


def report_of(record: Record) -> str:
    if record["dataset"] is None:
        return object_keys.ignored_key(record["delivery_id"])
    return object_keys.report_key(record["dataset"], record["agency"], record["delivery_id"])


def expected(record: Record, gone: set[str]) -> Iterator[tuple[Discrepancy, str]]:
    source, written = record["source"]["key"], record["written"]
    held = [written[name] for name in ("bronze_key", "quarantine_key", "silver_key") if written[name]]
    if report_of(record) in gone:
        if source not in gone:
            yield Discrepancy.MISSING, source
        else:
            yield from ((Discrepancy.ORPHANED, key) for key in held if key not in gone)
    elif source not in gone:
        for name in ("silver_key", "bronze_key"):
            if written.get(name) in gone:
                yield Discrepancy.ORPHANED, source


def test_what_is_missing_is_mended_by_ingesting_it(root: Path, history: tuple[Path, list[Record]]) -> None:
    before = {key: body for key, body in listing(root).items() if not key.startswith(("reports/", ".meta/"))}
    for path in [*root.glob("reports/things/agency=agency_a/*.json"), *root.glob("silver/**/*.parquet")]:
        path.unlink()
    place = Place(root, things())

    missing = look(root, agency="agency_a").missing
    assert [finding.key.rpartition("/")[2] for finding in missing] == ["Things.csv", "Things.xlsx", "Things.csv"]
    for finding in missing:
        place.ingest(event_of(finding))

    assert look(root, agency="agency_a").findings == ()
    after = listing(root)
    kept = {key: body for key, body in before.items() if "agency=agency_a" in key}
    assert {key: after[key] for key in kept} == kept


def test_a_file_that_has_just_arrived_is_in_flight(root: Path) -> None:
    place = Place(root, things())
    place.drop(GOOD, "from_client/agency_a/new/Things.csv", seconds=5_000)
    found = look(root, settled_before=datetime.fromtimestamp(4_999, UTC))
    assert (found.missing, found.in_flight) == ([], 1)
    found = look(root, settled_before=datetime.fromtimestamp(5_000, UTC))
    assert ([f.key for f in found.missing], found.in_flight) == (["from_client/agency_a/new/Things.csv"], 0)


def test_what_a_later_contract_knows_is_missing_until_it_is_taken_in(tmp_path: Path) -> None:
    place = Place(tmp_path, things())
    place.ingest(place.drop(GOOD, "from_client/agency_a/Gadgets.csv"))
    assert look(tmp_path).findings == ()
    (tmp_path / "from_client/agency_a/Gadgets.csv").rename(tmp_path / "from_client/agency_a/Things.csv")
    (finding,) = look(tmp_path).findings
    assert (finding.kind, finding.dataset) == (Discrepancy.MISSING, "things")


def test_since_leaves_out_what_arrived_before(root: Path) -> None:
    place = Place(root, things())
    shutil.rmtree(root / "reports")
    place.drop(GOOD, "from_client/agency_a/new/Things.csv", seconds=9_000)
    found = look(root, since=datetime.fromtimestamp(8_000, UTC))
    assert [finding.key for finding in found.findings] == ["from_client/agency_a/new/Things.csv"]
    assert len(look(root).findings) == 13


def test_silver_that_the_platform_did_not_write_is_stale(root: Path) -> None:
    silver = next(root.glob("silver/things/agency=agency_a/*.parquet"))
    key = silver.relative_to(root).as_posix()
    LocalStore(root).write("bucket", key, b"somebody's own")
    (finding,) = look(root).findings
    assert finding.kind is Discrepancy.STALE
    assert "did not write" in finding.why


def test_an_object_nobody_recorded_is_orphaned(root: Path) -> None:
    keys = [
        object_keys.quarantine_key("things", "agency_a", "0" * 20),
        object_keys.bronze_key("things", "agency_z", "1" * 20, "Things.csv"),
        f"{object_keys.silver_prefix('things', 'agency_a')}strange.parquet",
    ]
    for key in keys:
        LocalStore(root).write("bucket", key, b"x")
    found = look(root)
    assert sorted((finding.kind, finding.key) for finding in found.findings) == sorted(
        (Discrepancy.ORPHANED, key) for key in keys
    )


def test_a_partition_read_again_is_whole(root: Path) -> None:
    place = Place(root, things(size_type="string"))
    assert list(place.intake.reprocess("things", "agency_a", REPROCESS))
    assert look(root).findings == ()


def test_progress_counts_the_agencies(root: Path) -> None:
    told: list[tuple[str, int]] = []
    look(root, progress=lambda stage, done: told.append((stage, done)))
    assert told == [("agencies", 1), ("agencies", 2), ("agencies", 3)]


def test_one_agency_is_looked_at_alone_by_its_name(root: Path) -> None:
    shutil.rmtree(root / "reports")
    findings: tuple[Finding, ...] = look(root, agency="agency b+c").findings
    assert {finding.agency for finding in findings} == {object_keys.segment("agency b+c")}
    assert look(root, agency="nobody").agencies == 0
