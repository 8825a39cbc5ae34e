"""An agency under a new name: everything that was stored under the old one is moved, also after a crash."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.agency_rename import AgencyRename
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.reconcile import Reconciler
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.report_days import ReportDays
from etl_platform.engine.corrections import Corrections
from etl_platform.notifications.find_events import event_of_report
from etl_platform.notifications.notices import Notice, Notices, Notified, Result
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.intake_place import EVENT, GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_of, text, typed

OLD, NEW = "agency_a", "agency_z"
AT = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = (f"silver/things/agency={OLD}", f"quarantine/things/agency={OLD}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An agency with two files of which one was replaced, quarantined rows, a replay and a refused file."""
    place = Place(tmp_path, things())
    place.ingest(place.drop(b"ident,size\nold,1\n", seconds=1_000, sequencer="00A"), EVENT)
    place.ingest(place.drop(GOOD + b",3\nc,many\n", seconds=2_000, sequencer="00B"), EVENT)
    place.ingest(place.drop(b"", f"from_client/{OLD}/2/things.csv"), EVENT)
    place.ingest(place.drop(GOOD, f"from_client/{OLD}/3/things.csv"), EVENT)
    place.use(things(size_type="string"))
    assert list(place.intake.reprocess("things", OLD, REPROCESS))
    AgencyRegister(place.store, "bucket").change(lambda now: now.with_renamed(OLD, NEW, "ana", AT))
    return place


def move(place: Place, store: LocalStore | None = None) -> int:
    return AgencyRename(store or place.store, "bucket", OLD, NEW).move()


def stored(place: Place) -> dict[str, bytes]:
    return {key: body for key, body in place.written().items() if not key.startswith((".meta/", "reports/"))}


def test_every_object_is_under_the_new_name_and_no_rows_are_under_the_old(place: Place) -> None:
    before = stored(place)
    reports = Ledger(place.store, "bucket").reports()

    move(place)

    after, kept = stored(place), {key: body for key, body in before.items() if not key.startswith(ROWS)}
    assert after == kept | {key.replace(f"agency={OLD}", f"agency={NEW}"): body for key, body in before.items()}
    moved = [report for report in Ledger(place.store, "bucket").reports() if report.agency != OLD]
    assert {report.agency for report in moved} == {NEW}
    assert [(r.delivery_id, r.outcome, r.check) for r in moved] == [
        (r.delivery_id, r.outcome, r.check) for r in reports
    ]
    written = [key for report in moved for key in (report.written.bronze_key, report.written.silver_key) if key]
    assert all(f"agency={NEW}" in key and (place.root / key).is_file() for key in written)
    assert [report for report in Ledger(place.store, "bucket").reports() if report.agency == OLD] == reports


def test_reconciliation_finds_nothing_after_the_move(place: Place) -> None:
    move(place)
    later = datetime.now(UTC) + timedelta(days=1)
    found = _reconciler(place, later).reconcile()
    assert found.findings == ()
    assert found.agencies == 1, "the old name is no agency"


def test_rows_of_a_run_that_began_before_the_move_are_found_until_the_move_is_repeated(tmp_path: Path) -> None:
    place = Place(tmp_path, things())
    routed = place.intake.route(place.drop(GOOD + b"c,many\n"))
    AgencyRegister(place.store, "bucket").change(lambda now: now.with_renamed(OLD, NEW, "ana", AT))
    move(place)
    assert place.intake.ingest(routed, EVENT).report.agency == OLD

    later = datetime.now(UTC) + timedelta(days=1)
    for chosen in (None, NEW, OLD):
        late = [one for one in _reconciler(place, later).reconcile(chosen).findings if one.missing is None]
        assert [one.key.split("/")[:3] for one in late] == [row.split("/") for row in ROWS]
        assert {(one.agency, str(one.kind)) for one in late} == {(NEW, "orphaned")}
        assert f"`etl-platform agency rename {OLD} {NEW}` again" in late[0].why
    assert _reconciler(place, later).reconcile("agency_b").findings == ()

    move(place)
    assert _reconciler(place, later).reconcile().findings == ()


def _reconciler(place: Place, later: datetime) -> Reconciler:
    return Reconciler(place.store, "bucket", {"things": things()}, "from_client/", later, later)


def test_texts_of_the_sender_and_of_corrections_are_not_renamed(tmp_path: Path) -> None:
    """A column can be called as a field of a report, and its cells can have the name of the agency."""
    contract = contract_of([text("agency", required=True), typed("size", "integer")])
    place = Place(tmp_path, contract)
    content = f"agency,size\n{OLD},1\n{OLD},many\nsilver/things/agency={OLD}/x,3\n".encode()
    first = place.ingest(place.drop(content), EVENT).report
    corrections = Corrections({(None, 3): {"agency": OLD, "size": "2"}})
    log = CorrectionLog(place.store, "bucket")
    log.append("things", OLD, first.delivery_id, corrections, by="ana", at=AT)
    silver = {row["agency"] for row in place.silver()}

    move(place)

    assert log.in_effect("things", NEW, first.delivery_id) == corrections
    moved = Ledger(place.store, "bucket").find("things", NEW, first.delivery_id)
    assert moved is not None
    assert (moved.agency, moved.check) == (NEW, first.check)
    assert list(place.intake.reprocess("things", NEW, REPROCESS))
    (path,) = place.root.glob(f"silver/things/agency={NEW}/*.parquet")
    assert set(pl.read_parquet(path)["agency"]) == silver


def test_a_delivery_from_before_is_known_under_the_new_name_and_a_newer_file_replaces_it(place: Place) -> None:
    move(place)
    known = place.ingest(place.drop(GOOD + b",3\nc,many\n", seconds=2_000, sequencer="00B"), EVENT)
    assert known.outcome is Outcome.DUPLICATE

    newer = place.ingest(place.drop(b"ident,size\nnew,9\n", seconds=3_000, sequencer="00C"), EVENT)

    assert (newer.outcome, newer.report.agency) == (Outcome.ACCEPTED, NEW)
    assert len(list(place.root.glob(f"silver/things/agency={NEW}/*.parquet"))) == 2
    assert not list(place.root.glob(f"silver/things/agency={OLD}/*.parquet"))


def test_a_file_that_arrived_under_the_new_name_before_the_move_stays_in_silver(place: Place) -> None:
    newer = place.ingest(place.drop(b"ident,size\nnew,9\n", seconds=3_000, sequencer="00C"), EVENT)
    silver = place.root / str(newer.report.written.silver_key)
    content = silver.read_bytes()

    move(place)

    assert silver.read_bytes() == content


def test_what_was_moved_can_be_reprocessed_and_moved_again_without_a_change(place: Place) -> None:
    move(place)
    assert {done.outcome for done in place.intake.reprocess("things", NEW, REPROCESS)} == {
        Outcome.ACCEPTED,
        Outcome.REJECTED,
    }
    before = place.written()
    assert move(place) == 0
    assert place.written() == before


def test_a_move_that_dies_at_any_write_is_finished_by_the_next(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = tmp_path_factory.mktemp("whole") / "root"
    shutil.copytree(place.root, whole)
    AgencyRename(LocalStore(whole), "bucket", OLD, NEW).move()
    expected = _bodies(whole)
    for death in range(1, 200):
        root = tmp_path_factory.mktemp("dying") / "root"
        shutil.copytree(place.root, root)
        dying = _DyingStore(root, death)
        try:
            AgencyRename(dying, "bucket", OLD, NEW).move()
        except _DeathError:
            AgencyRename(LocalStore(root), "bucket", OLD, NEW).move()
            assert _bodies(root) == expected
        else:
            break
    assert death > 10


def _bodies(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class _DeathError(BaseException):
    pass


class _DyingStore(LocalStore):
    """Dies at a write, copy or deletion: every later call fails too."""

    def __init__(self, root: Path, death: int) -> None:
        super().__init__(root)
        self._left = death

    def _step(self) -> None:
        self._left -= 1
        if self._left <= 0:
            raise _DeathError

    def write(self, *arguments: object, **more: object) -> str:
        self._step()
        return super().write(*arguments, **more)  # type: ignore[arg-type]

    def copy(self, *arguments: object) -> None:
        self._step()
        super().copy(*arguments)  # type: ignore[arg-type]

    def delete(self, *arguments: object) -> None:
        self._step()
        super().delete(*arguments)  # type: ignore[arg-type]


def test_reports_under_the_new_name_are_in_the_index_of_reports_by_day(place: Place) -> None:
    days = ReportDays(place.store, "bucket")
    days.complete()
    move(place)
    assert days.complete() == 0


def test_who_was_told_is_known_under_the_new_name_and_nobody_is_told_again(place: Place) -> None:
    notices = Notices(place.store, "bucket")
    reports = [one for one in Ledger(place.store, "bucket").reports() if not one.is_replay]
    refused = next(one for one in reports if one.outcome is Outcome.REJECTED)
    event = event_of_report(refused)
    assert event is not None
    notices.put_all([Notice(event, (Notified("topic", Result.SENT, AT),))])

    move(place)

    (moved,) = notices.of_partition("things", NEW)
    assert isinstance(moved, Notice)
    assert (moved.event.id, moved.event.agency, moved.is_settled("topic")) == (event.id, NEW, True)
    report = Ledger(place.store, "bucket").find("things", NEW, refused.delivery_id)
    assert report is not None
    assert Notice(event_of_report(report) or event).key == moved.key
