"""Erasing deliveries: nothing of them is left but a tombstone, and nothing brings them back."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.erasure.erase import Eraser, Erasure
from etl_platform.deliveries.erasure.retention import EndedRetention, erase_ended
from etl_platform.deliveries.erasure.scope import Scope
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.reconcile.reconcile import Reconciled, Reconciler
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.report import Trigger
from etl_platform.deliveries.tombstone import Tombstone
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import ContractError
from etl_platform.errors import TransientError
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.notices import Notice, Notices
from etl_platform.storage.object_store import ObjectHead, ObjectStore
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.intake_place import things
from etl_platform_tests.unit.making import contract_of, custom, text, typed

BUCKET, AGENCY, KEY = "bucket", "agency_a", "from_client/agency_a/2025/Things.csv"
OTHER_KEY = "from_client/agency_a/2026/Things.csv"
SECRET = b"ident,size,note\nSECRET1,1,SECRET2\nSECRET3,no number,SECRET4\n"
OPEN = b"ident,size,note\nopen1,1,x\nopen2,2,y\n"
AT = datetime(2026, 11, 30, 9, tzinfo=UTC)
EVERYTHING = Scope(AGENCY)


def as_text(body: bytes) -> bytes:
    """The content of an object; rows of Parquet as text."""
    return str(pl.read_parquet(io.BytesIO(body)).to_dicts()).encode() if body.startswith(b"PAR1") else body


class Deployment:
    """An intake over a bucket in memory."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.store: ObjectStore = MemoryStore(lambda: self.now)
        self.use(self.store)

    def use(self, store: ObjectStore) -> None:
        contract = things()
        self.contracts = {contract.dataset: contract}
        self.intake = Intake(
            store, self.contracts, BUCKET, "from_client/", lambda: datetime.fromtimestamp(self.now, UTC)
        )
        self.eraser = Eraser(store, BUCKET, self.intake.router())

    def drop(self, content: bytes, key: str = KEY) -> ObjectVersion:
        self.now += 60
        self.store.write(BUCKET, key, content)
        return ObjectVersion.of(self.store.head(BUCKET, key), sequencer=f"{int(self.now):016X}")

    def ingest(self, version: ObjectVersion, receive_count: int = 1) -> DeliveryResult:
        self.now += 1
        trigger = Trigger(Cause.EVENT, receive_count=receive_count)
        return self.intake.ingest(self.intake.route(version), trigger)

    def deliver(self, content: bytes, key: str = KEY) -> ObjectVersion:
        version = self.drop(content, key)
        self.ingest(version)
        return version

    def erase(self, scope: Scope = EVERYTHING, reason: str = "") -> Erasure:
        return self.eraser.erase(scope, Tombstone("jane", AT, reason), lambda _what, _done: None)

    def reconcile(self) -> Reconciled:
        now = datetime.fromtimestamp(self.now, UTC)
        return Reconciler(self.store, BUCKET, self.contracts, "from_client/", now, now).reconcile()

    def versions_with(self, content: bytes) -> list[str]:
        """The keys of all stored versions that contain a text."""
        assert isinstance(self.store, MemoryStore)
        return sorted(
            key
            for (_, key), versions in self.store.objects.items()
            for version in versions
            if version.body is not None and content in as_text(version.body)
        )

    def listed(self) -> list[str]:
        return [head.key for head in self.store.list(BUCKET, "")]


@pytest.fixture
def place() -> Deployment:
    return Deployment()


def of_everything(place: Deployment) -> ObjectVersion:
    """A delivery with a quarantine, a correction, a reprocessing, an amendment and a newer version."""
    version = place.deliver(SECRET)
    arrival = version.delivery_id
    log = CorrectionLog(place.store, BUCKET)
    log.append("things", AGENCY, arrival, Corrections({(None, 3): {"note": "SECRET5"}}), by="jane", at=AT)
    list(place.intake.reprocess("things", AGENCY, Trigger(Cause.REPROCESS), [arrival]))
    return version


def test_a_dry_run_lists_what_goes_and_changes_nothing(place: Deployment) -> None:
    of_everything(place)
    before = {key: place.store.read(BUCKET, key) for key in place.listed()}

    found = place.eraser.find(Scope(AGENCY))

    assert {one.kind for one in found.stored} >= {"source", "bronze", "silver", "quarantine", "corrections", "reports"}
    assert {key: place.store.read(BUCKET, key) for key in place.listed()} == before


def test_nothing_of_an_erased_delivery_is_left_but_its_tombstone(place: Deployment) -> None:
    version = of_everything(place)
    assert place.versions_with(b"SECRET1")

    erased = place.erase(reason="court order 12")

    assert place.versions_with(b"SECRET") == []
    (report_key,) = [key for key in place.listed() if object_keys.is_report(key)]
    tombstone = json.loads(place.store.read(BUCKET, report_key))
    assert tombstone["outcome"] == "erased"
    assert tombstone["tombstone"] == {
        "by": "jane",
        "at": AT.isoformat(),
        "reason": "court order 12",
        "caller": None,
        "outcome": "accepted",
    }
    assert tombstone["sha256"]
    assert tombstone["preview"] == []
    assert (tombstone["profile"], tombstone["examples"]) == ({}, {})
    kept = [key for key in place.listed() if not key.startswith(("reports/_index/days", "reports/_erased/"))]
    assert kept == [report_key]
    assert [one.delivery_id for one in erased.new] == [version.delivery_id]
    assert place.reconcile().findings == ()


def test_erasing_twice_removes_nothing_more(place: Deployment) -> None:
    of_everything(place)
    place.erase()
    before = {key: place.store.read(BUCKET, key) for key in place.listed()}

    again = place.erase(reason="another one")

    assert again.stored == []
    assert again.new == []
    assert {key: place.store.read(BUCKET, key) for key in place.listed()} == before


@pytest.mark.parametrize("receive_count", [1, 2, 5])
def test_a_redelivered_event_brings_nothing_back(place: Deployment, receive_count: int) -> None:
    version = of_everything(place)
    place.erase()
    before = place.listed()

    assert place.ingest(version, receive_count).outcome is Outcome.DUPLICATE
    assert place.listed() == before


def test_the_first_event_of_a_file_that_was_erased_before_it_came_brings_nothing(place: Deployment) -> None:
    version = place.drop(SECRET)
    place.erase()

    assert place.ingest(version).outcome is Outcome.DUPLICATE
    assert place.versions_with(b"SECRET") == []
    assert place.reconcile().findings == ()


def test_a_replay_does_not_know_an_erased_delivery(place: Deployment) -> None:
    version = of_everything(place)
    place.erase()

    assert list(place.intake.reprocess("things", AGENCY, Trigger(Cause.REPROCESS))) == []
    with pytest.raises(Exception, match="has no delivery"):
        list(place.intake.reprocess("things", AGENCY, Trigger(Cause.REPROCESS), [version.delivery_id]))


def test_the_same_bytes_under_the_same_key_are_refused(place: Deployment) -> None:
    of_everything(place)
    place.erase()

    result = place.ingest(place.drop(SECRET))

    assert result.outcome is Outcome.REJECTED
    assert [error.code for error in result.report.check.errors] == ["erased"]
    assert [key for key in place.versions_with(b"SECRET") if not key.startswith("from_client/")] == []


def test_other_bytes_under_the_same_key_are_a_new_delivery(place: Deployment) -> None:
    of_everything(place)
    place.erase()

    assert place.ingest(place.drop(OPEN)).outcome is Outcome.ACCEPTED
    assert place.reconcile().findings == ()


def test_bytes_come_in_again_when_the_data_team_has_removed_the_entry(place: Deployment) -> None:
    of_everything(place)
    place.erase()
    refused = place.ingest(place.drop(SECRET)).report.check.errors[0].message
    (entry,) = [key for key in place.listed() if key.startswith("reports/_erased/")]
    assert entry in refused
    place.store.delete(BUCKET, entry)

    assert place.ingest(place.drop(SECRET)).outcome is Outcome.ACCEPTED


def test_only_the_named_file_goes(place: Deployment) -> None:
    of_everything(place)
    other = place.deliver(OPEN, OTHER_KEY)

    place.erase(Scope(AGENCY, source_key=KEY))

    assert place.versions_with(b"SECRET") == []
    assert place.ingest(other).outcome is Outcome.DUPLICATE
    assert any(key.startswith("silver/") for key in place.listed())
    assert place.reconcile().findings == ()
    assert [one.delivery_id for one in place.eraser.find(Scope(AGENCY)).new] == [other.delivery_id]


def test_when_a_newer_delivery_is_erased_silver_holds_the_one_before(place: Deployment) -> None:
    place.deliver(OPEN)
    newer = of_everything(place)

    place.erase(Scope(AGENCY, delivery_ids=frozenset({newer.delivery_id})))

    assert place.versions_with(b"SECRET") == []
    (silver,) = place.store.list(BUCKET, "silver/")
    assert b"open1" in as_text(place.store.read(BUCKET, silver.key))
    assert place.reconcile().findings == ()


def test_when_an_older_delivery_is_erased_the_newer_one_stays(place: Deployment) -> None:
    older = of_everything(place)
    newer = place.deliver(OPEN)

    place.erase(Scope(AGENCY, delivery_ids=frozenset({older.delivery_id})))

    assert place.versions_with(b"SECRET") == []
    assert place.ingest(newer).report.outcome is Outcome.ACCEPTED
    assert place.reconcile().findings == ()


def test_other_agencies_stay(place: Deployment) -> None:
    of_everything(place)
    place.deliver(SECRET, "from_client/agency_ab/Things.csv")
    before = [key for key in place.listed() if "agency_ab" in key]

    place.erase()

    assert [key for key in place.listed() if "agency_ab" in key] == before
    assert all("agency_ab" in key for key in place.versions_with(b"SECRET"))


def test_a_file_that_no_contract_knows_is_erased_and_stays_so(place: Deployment) -> None:
    version = place.deliver(SECRET, "from_client/agency_a/unknown.csv")
    assert any(key.startswith("reports/_ignored/") for key in place.listed())

    place.erase()

    assert place.versions_with(b"SECRET") == []
    assert place.ingest(version).report.outcome is Outcome.ERASED
    assert place.reconcile().findings == ()


class DyingStore:
    """A store whose process dies at a call; what it wrote before stays."""

    def __init__(self, store: ObjectStore, calls: int) -> None:
        self._store, self.left = store, calls

    def __getattr__(self, name: str) -> Callable[..., object]:
        call = getattr(self._store, name)

        def counted(*arguments: object, **named: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise TransientError("the process was killed")
            return call(*arguments, **named)

        return counted


def test_an_erasure_that_died_at_any_call_is_finished_by_the_next_one() -> None:
    undisturbed = Deployment()
    of_everything(undisturbed)
    undisturbed.erase()
    for calls in range(200):
        place = Deployment()
        version = of_everything(place)
        dying = DyingStore(place.store, calls)
        eraser = Eraser(dying, BUCKET, place.intake.router())  # type: ignore[arg-type]
        try:
            eraser.erase(EVERYTHING, Tombstone("jane", AT), lambda _what, _done: None)
        except TransientError:
            place.erase()
        assert place.versions_with(b"SECRET") == [], calls
        assert place.listed() == undisturbed.listed(), calls
        assert place.ingest(version).outcome is Outcome.DUPLICATE
        if dying.left >= 0:
            assert calls > 20
            return
    pytest.fail("an erasure has fewer calls")


class ErasedMeanwhile:
    """A store where somebody erases everything just before the first write below a prefix."""

    def __init__(self, place: Deployment, prefix: str) -> None:
        self._place, self._store, self._prefix = place, place.store, prefix
        self.has_erased = False

    def write(self, bucket: str, key: str, *arguments: object, **named: object) -> object:
        if key.startswith(self._prefix) and not self.has_erased:
            self.has_erased = True
            self._place.erase()
        return self._store.write(bucket, key, *arguments, **named)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@pytest.mark.parametrize("prefix", ["silver/", "quarantine/", "reports/things/"])
def test_rows_of_an_attempt_that_was_at_work_meanwhile_are_taken_back_and_the_rest_is_listed(
    place: Deployment, prefix: str
) -> None:
    eraser = place.eraser
    meanwhile = ErasedMeanwhile(place, prefix)
    place.use(meanwhile)  # type: ignore[arg-type]
    place.eraser = eraser
    version = place.drop(SECRET)

    place.ingest(version)

    assert meanwhile.has_erased
    left = {head.key: head for head in place.store.list(BUCKET, "")}
    assert not [key for key in left if key.startswith(("silver/", "quarantine/"))]
    place.erase()
    assert place.versions_with(b"SECRET") == []


def test_reconcile_lists_what_is_left_of_an_erased_delivery(place: Deployment) -> None:
    version = of_everything(place)
    head: ObjectHead = place.store.head(BUCKET, KEY)
    place.erase()
    place.store.write(BUCKET, object_keys.bronze_key("things", AGENCY, version.delivery_id, "Things.csv"), SECRET)

    (finding,) = place.reconcile().findings

    assert finding.delivery_id == version.delivery_id
    assert "was erased" in finding.why
    assert head.key == KEY


def test_who_was_told_of_an_erased_delivery_is_erased_and_the_notices_of_others_stay(place: Deployment) -> None:
    gone, stays = place.deliver(SECRET), place.deliver(OPEN, OTHER_KEY)
    ignored = place.deliver(b"x", f"from_client/{AGENCY}/unknown.bin")
    notices = Notices(place.store, BUCKET)
    events = [_event(one, "things", EventKind.QUARANTINED) for one in (gone, stays)]
    events += [_event(ignored, None, EventKind.IGNORED)]
    notices.add_all(events)

    place.erase(Scope(AGENCY, delivery_ids=frozenset({gone.delivery_id})))
    assert [key for key in place.listed() if key.startswith(object_keys.NOTICES)] == sorted(
        Notice(event).key for event in events[1:]
    )
    place.erase()
    assert place.versions_with(b"accepted_with_quarantine") == []
    assert [key for key in place.listed() if key.startswith(object_keys.NOTICES)] == []


def _event(version: ObjectVersion, dataset: str | None, kind: EventKind) -> DeliveryEvent:
    return DeliveryEvent(
        id=f"{version.delivery_id}.{kind}", kind=kind, at=AT, agency=AGENCY, dataset=dataset, key=version.key
    )


def test_a_file_that_its_sender_deleted_is_listed_and_nothing_is_erased(place: Deployment) -> None:
    version = place.deliver(OPEN)
    place.deliver(OPEN, OTHER_KEY)
    assert place.reconcile().deleted == ()
    place.store.delete(BUCKET, KEY)
    before = place.listed()

    found = place.reconcile()

    assert found.findings == ()
    assert [(one.key, one.delivery_id) for one in found.deleted] == [(KEY, version.delivery_id)]
    assert place.listed() == before


def test_a_deleted_file_of_which_no_version_is_left_is_listed_by_its_silver(place: Deployment) -> None:
    version = place.deliver(OPEN)
    place.store.erase(BUCKET, list(place.store.stored_versions(BUCKET, KEY)))

    assert [(one.key, one.delivery_id) for one in place.reconcile().deleted] == [(KEY, version.delivery_id)]


def test_an_erased_file_is_not_listed_as_deleted(place: Deployment) -> None:
    of_everything(place)
    place.erase()

    assert place.reconcile().deleted == ()


def kept_for(days: int) -> Contract:
    return contract_of(
        [text("ident", required=True), typed("size", "integer"), text("note")],
        customs=custom(eraseAfterRetention=True),
        slaProperties=[{"property": "retention", "value": days, "unit": "d"}],
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_only_files_whose_retention_has_ended_are_erased(place: Deployment, *, dry_run: bool) -> None:
    of_everything(place)
    place.now += 40 * 86_400
    newer = place.deliver(OPEN, OTHER_KEY)
    now = datetime.fromtimestamp(place.now, UTC)

    def erase() -> list[EndedRetention]:
        contracts = {"things": kept_for(30)}
        return list(
            erase_ended(place.store, BUCKET, place.intake.router(), contracts, now=now, caller=None, dry_run=dry_run)
        )

    (one,) = erase()

    assert [found.source.key for found in one.erasure.deliveries] == [KEY]
    assert bool(place.versions_with(b"SECRET")) is dry_run
    assert place.ingest(newer).report.outcome is Outcome.ACCEPTED
    assert len(erase()) == dry_run
    assert place.reconcile().findings == ()


def test_a_contract_that_does_not_say_so_erases_nothing(place: Deployment) -> None:
    of_everything(place)
    now = datetime.fromtimestamp(place.now + 1e9, UTC)
    silent = contract_of([text("ident")], slaProperties=[{"property": "retention", "value": 1, "unit": "d"}])

    contracts = {"things": silent}

    assert (
        list(erase_ended(place.store, BUCKET, place.intake.router(), contracts, now=now, caller=None, dry_run=False))
        == []
    )
    assert any("retention" in note for note in silent.notes)


def test_a_contract_that_erases_needs_a_retention() -> None:
    with pytest.raises(ContractError, match="eraseAfterRetention needs one slaProperties entry retention"):
        contract_of([text("ident")], customs=custom(eraseAfterRetention=True))
    assert kept_for(30).erase_after == timedelta(days=30)
    assert not any("retention" in note for note in kept_for(30).notes)


class ArrivesMeanwhile(ErasedMeanwhile):
    """A store where another file is delivered just before the first tombstone is written."""

    def write(self, bucket: str, key: str, *arguments: object, **named: object) -> object:
        if key.startswith("reports/things/") and not self.has_erased:
            self.has_erased = True
            self._place.deliver(OPEN, OTHER_KEY)
        return self._store.write(bucket, key, *arguments, **named)  # type: ignore[arg-type]


def test_a_file_that_arrives_while_its_agency_is_erased_stays(place: Deployment) -> None:
    of_everything(place)
    router = place.intake.router()

    Eraser(ArrivesMeanwhile(place, ""), BUCKET, router).erase(  # type: ignore[arg-type]
        EVERYTHING, Tombstone("jane", AT), lambda _what, _done: None
    )

    assert place.versions_with(b"SECRET") == []
    assert {key.split("/")[0] for key in place.versions_with(b"open1")} >= {"bronze", "from_client", "silver"}
    assert place.reconcile().findings == ()
