"""Reconciliation of a local root: every object that is removed is found, and nothing else."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding
from etl_platform.deliveries.reconcile.reconcile import Reconciler, version_to_ingest
from etl_platform.deliveries.reconcile.reconciled import Reconciled
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.engine.errors import ContractError
from etl_platform.platform import utc_now
from etl_platform.storage.local_store import LocalStore
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.unit.intake_place import EVENT, GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_of, listing, text

AGENCIES = ("agency_a", "agency b+c", "Peña")
FILES = {
    "Things.csv": GOOD,
    "more/Things.csv": GOOD + b",3\n",
    "Things.xlsx": b"",
    "Fleet.csv": b"no contract knows me\n",
}
HOUR = timedelta(hours=1)


def reconcile(root: Path, **more: object) -> Reconciled:
    now = datetime.now(UTC)
    reconciler = Reconciler(
        LocalStore(root),
        "bucket",
        {"things": things()},
        "from_client/",
        more.pop("now", now),  # type: ignore[arg-type]
        more.pop("settled_before", now + HOUR),  # type: ignore[arg-type]
        more.pop("since", None),  # type: ignore[arg-type]
    )
    return reconciler.reconcile(**more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Report]]:
    """Three agencies with an accepted file, one with bad rows, a rejected one and one that no contract knows."""
    root = tmp_path_factory.mktemp("history")
    place = Place(root, things())
    for agency in AGENCIES:
        for name, content in FILES.items():
            place.ingest(place.drop(content, f"from_client/{agency}/{name}"), EVENT)
    return root, Ledger(place.store, "bucket").reports()


@pytest.fixture
def root(history: tuple[Path, list[Report]], tmp_path: Path) -> Iterator[Path]:
    """A copy from which objects can be removed."""
    shutil.copytree(history[0], tmp_path / "root")
    return tmp_path / "root"


def test_a_complete_history_has_no_findings(root: Path) -> None:
    found = reconcile(root)
    assert found.findings == ()
    assert (found.agencies, found.versions, found.ignored) == (3, 12, 3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exactly_the_removed_objects_are_found(
    history: tuple[Path, list[Report]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any report, source, bronze, quarantine or silver object may be removed; a model gives the findings."""
    origin, reports = history
    gone = data.draw(st.sets(st.sampled_from(sorted(objects_of(reports))), max_size=12))
    root = tmp_path_factory.mktemp("taken") / "root"
    shutil.copytree(origin, root)
    for key in gone:
        (root / key).unlink()

    found = {(finding.kind, finding.key) for finding in reconcile(root).findings}

    assert found == {finding for report in reports for finding in expected(report, gone)}
    shutil.rmtree(root)


def written_keys(report: Report) -> set[str]:
    written = report.written
    return {key for key in (written.bronze_key, written.quarantine_key, written.silver_key) if key}


def objects_of(reports: list[Report]) -> set[str]:
    return {key for one in reports for key in (one.source.key, report_key(one), *written_keys(one))}


def report_key(report: Report) -> str:
    if report.dataset is None:
        return object_keys.ignored_key(report.delivery_id)
    return object_keys.report_key(*report.partition, report.delivery_id)


def expected(report: Report, gone: set[str]) -> Iterator[tuple[Discrepancy, str]]:
    source, written = report.source.key, report.written
    if report_key(report) in gone:
        if source not in gone:
            yield Discrepancy.MISSING, source
        else:
            yield from ((Discrepancy.ORPHANED, key) for key in written_keys(report) - gone)
    elif source not in gone:
        for key in (written.silver_key, written.bronze_key):
            if key in gone:
                yield Discrepancy.ORPHANED, source


def test_ingesting_the_missing_files_repairs_the_bucket(root: Path, history: tuple[Path, list[Report]]) -> None:
    before = {key: body for key, body in listing(root).items() if not key.startswith(("reports/", ".meta/"))}
    for path in [*root.glob("reports/things/agency=agency_a/*.json"), *root.glob("silver/**/*.parquet")]:
        path.unlink()
    place = Place(root, things())

    missing = reconcile(root, agency="agency_a").missing
    assert [finding.key.rpartition("/")[2] for finding in missing] == ["Things.csv", "Things.xlsx", "Things.csv"]
    for finding in missing:
        place.ingest(version_to_ingest(finding))

    assert reconcile(root, agency="agency_a").findings == ()
    after = listing(root)
    kept = {key: body for key, body in before.items() if "agency=agency_a" in key}
    assert {key: after[key] for key in kept} == kept


def test_a_file_that_has_just_arrived_is_in_flight(root: Path) -> None:
    place = Place(root, things())
    place.drop(GOOD, "from_client/agency_a/new/Things.csv", seconds=5_000)
    found = reconcile(root, settled_before=datetime.fromtimestamp(4_999, UTC))
    assert (found.missing, found.in_flight) == ([], 1)
    found = reconcile(root, settled_before=datetime.fromtimestamp(5_000, UTC))
    assert ([f.key for f in found.missing], found.in_flight) == (["from_client/agency_a/new/Things.csv"], 0)


def test_a_file_that_a_new_contract_matches_is_missing_until_it_is_ingested(tmp_path: Path) -> None:
    place = Place(tmp_path, things())
    place.ingest(place.drop(GOOD, "from_client/agency_a/Gadgets.csv"))
    assert reconcile(tmp_path).findings == ()
    (tmp_path / "from_client/agency_a/Gadgets.csv").rename(tmp_path / "from_client/agency_a/Things.csv")
    (finding,) = reconcile(tmp_path).findings
    assert (finding.kind, finding.dataset) == (Discrepancy.MISSING, "things")


def failed(root: Path, place: Place, *, receives: int, ago: timedelta) -> ObjectVersion:
    """A file that has just failed, with its record."""
    version = place.drop(GOOD, "from_client/agency_a/late/Things.csv")
    head = place.store.head("bucket", version.key)
    source = ObjectVersion.of(head, "00AA")
    at = datetime.now(UTC) - ago
    place.intake.waiting.put(
        WaitingDelivery(
            delivery_id=source.delivery_id,
            source=source,
            agency="agency_a",
            dataset="things",
            code="TransientError",
            reason="TransientError: COPY: 503",
            receives=receives,
            failed_at=at,
            comes_again_at=at + HOUR,
        )
    )
    return version


def test_a_file_whose_message_comes_again_is_failed_and_not_to_be_ingested(root: Path) -> None:
    failed(root, Place(root, things()), receives=3, ago=timedelta(minutes=1))
    found = reconcile(root)
    (finding,) = found.findings
    assert (finding.kind, finding.missing, found.missing) == (Discrepancy.FAILED, None, [])
    assert finding.why.startswith("failed 3 times, last at ")
    assert "UTC: TransientError: COPY: 503; comes again at " in finding.why
    assert found.summary == "0 missing, 1 failed, 0 stale, 0 orphaned"


@pytest.mark.parametrize(
    ("receives", "ago", "end"),
    [(20, timedelta(hours=2), "is a dead letter"), (3, timedelta(days=15), "its message has expired")],
)
def test_a_file_whose_message_never_comes_again_is_missing_with_its_last_error(
    root: Path, receives: int, ago: timedelta, end: str
) -> None:
    place = Place(root, things())
    failed(root, place, receives=receives, ago=ago)
    (finding,) = reconcile(root).missing
    assert "TransientError: COPY: 503" in finding.why
    assert finding.why.endswith(end)

    place.ingest(version_to_ingest(finding))
    assert reconcile(root).findings == ()


def test_since_leaves_out_older_files(root: Path) -> None:
    place = Place(root, things())
    shutil.rmtree(root / "reports")
    place.drop(GOOD, "from_client/agency_a/new/Things.csv", seconds=9_000)
    found = reconcile(root, since=datetime.fromtimestamp(8_000, UTC))
    assert [finding.key for finding in found.findings] == ["from_client/agency_a/new/Things.csv"]
    assert len(reconcile(root).findings) == 13


def test_silver_that_the_platform_did_not_write_is_stale(root: Path) -> None:
    silver = next(root.glob("silver/things/agency=agency_a/*.parquet"))
    key = silver.relative_to(root).as_posix()
    LocalStore(root).write("bucket", key, b"written by hand")
    (finding,) = reconcile(root).findings
    assert finding.kind is Discrepancy.STALE
    assert "did not write" in finding.why


def test_silver_of_a_replay_without_a_report_is_orphaned_although_the_delivery_was_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, contract_of([text("ident"), text("unit", required=True)]))
    assert place.ingest(place.drop(GOOD)).outcome is Outcome.REJECTED
    arrived = set(tmp_path.glob("reports/things/*/*.json"))
    place.use(things())
    assert [done.outcome for done in place.intake.reprocess("things", "agency_a", REPROCESS)] == [Outcome.ACCEPTED]
    assert reconcile(tmp_path).findings == ()
    for path in set(tmp_path.glob("reports/things/*/*.json")) - arrived:
        path.unlink()
    (found,) = reconcile(tmp_path).findings
    assert found.kind is Discrepancy.ORPHANED
    assert (
        found.why == "silver is of an attempt without a report, and the delivery was refused; materialize the partition"
    )


def test_an_object_without_a_report_is_orphaned(root: Path) -> None:
    keys = [
        object_keys.quarantine_key("things", "agency_a", "0" * 20),
        object_keys.bronze_key("things", "agency_z", "1" * 20, "Things.csv"),
        f"{object_keys.silver_prefix('things', 'agency_a')}strange.parquet",
    ]
    for key in keys:
        LocalStore(root).write("bucket", key, b"x")
    found = reconcile(root)
    assert sorted((finding.kind, finding.key) for finding in found.findings) == sorted(
        (Discrepancy.ORPHANED, key) for key in keys
    )


def test_a_reprocessed_partition_has_no_findings(root: Path) -> None:
    place = Place(root, things(size_type="string"))
    assert list(place.intake.reprocess("things", "agency_a", REPROCESS))
    assert reconcile(root).findings == ()


def test_progress_counts_the_agencies(root: Path) -> None:
    calls: list[tuple[str, int]] = []
    reconcile(root, progress=lambda stage, done: calls.append((stage, done)))
    assert calls == [("agencies", 1), ("agencies", 2), ("agencies", 3)]


def test_one_agency_can_be_reconciled_alone_by_its_name(root: Path) -> None:
    shutil.rmtree(root / "reports")
    findings: tuple[Finding, ...] = reconcile(root, agency="agency b+c").findings
    assert {finding.agency for finding in findings} == {object_keys.segment("agency b+c")}
    assert reconcile(root, agency="nobody").agencies == 0


def test_a_file_that_waited_for_its_contract_is_missing_when_that_is_correct(tmp_path: Path) -> None:
    place = Place(tmp_path, things())
    error = ContractError("x is unknown", path="things.odcs.yaml", line=7)
    broken = BrokenContract("things.odcs.yaml", error, "things", "Things.csv", (), sha256="")
    place.ingest(place.drop(GOOD), EVENT)
    place.intake = Intake(place.store, {}, "bucket", "from_client/", utc_now, broken=[broken])
    waiting = place.drop(GOOD, "from_client/agency_a/more/Things.csv")
    assert place.ingest(waiting, EVENT).report.check.errors[0].code == "contract_error"

    def find(contracts: dict[str, Contract], *set_aside: BrokenContract) -> list[tuple[Discrepancy, str]]:
        now = datetime.now(UTC)
        reconciler = Reconciler(place.store, "bucket", contracts, "from_client/", now, now + HOUR, broken=set_aside)
        return [(finding.kind, finding.key) for finding in reconciler.reconcile().findings]

    assert find({}, broken) == []
    assert find({"things": things()}) == [(Discrepancy.MISSING, waiting.key)]


def removable(root: Path) -> list[str]:
    folders = ("bronze", "silver", "quarantine", "reports/things", "reports/_ignored")
    return sorted(
        path.relative_to(root).as_posix() for folder in folders for path in (root / folder).rglob("*") if path.is_file()
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_since_finds_the_same_as_everything_except_objects_without_a_report(
    history: tuple[Path, list[Report]], tmp_path: Path, data: st.DataObject
) -> None:
    shutil.rmtree(tmp_path / "cut", ignore_errors=True)
    shutil.copytree(history[0], tmp_path / "cut")
    for key in data.draw(st.lists(st.sampled_from(removable(history[0])), max_size=3, unique=True)):
        (tmp_path / "cut" / key).unlink()
    all_of_it = reconcile(tmp_path / "cut")
    recent = reconcile(tmp_path / "cut", since=datetime.fromtimestamp(0, UTC))
    known = [finding for finding in all_of_it.findings if finding.why != "no report names this object"]
    order = attrgetter("key", "why")
    assert sorted(recent.findings, key=order) == sorted(known, key=order)
    assert (recent.versions, recent.ignored, recent.in_flight) == (12, 3, all_of_it.in_flight)


def test_since_lists_only_sources_and_what_belongs_to_recent_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(root, things())
    place.ingest(place.drop(GOOD, "from_client/agency_a/new/Things.csv", seconds=9_000), EVENT)
    listed: list[str] = []
    original = LocalStore.list

    def list_keys(self: LocalStore, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        listed.append(prefix)
        return original(self, bucket, prefix, after)

    monkeypatch.setattr(LocalStore, "list", list_keys)
    assert reconcile(root, since=datetime.fromtimestamp(8_000, UTC)).findings == ()
    assert sorted(prefix.split("/")[0] for prefix in listed) == ["bronze", *["from_client"] * 3, "reports", "reports"]


def test_since_has_no_finding_if_silver_holds_an_older_version_that_the_source_no_longer_has(root: Path) -> None:
    """The newest version was refused; a folder keeps one version, as a bucket without versioning does."""
    place = Place(root, things())
    key = "from_client/agency_a/Things.csv"
    place.ingest(place.drop(b"", key, seconds=9_000), EVENT)
    since = datetime.fromtimestamp(8_000, UTC)
    assert reconcile(root, since=since).findings == ()
