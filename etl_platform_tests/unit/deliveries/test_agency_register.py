"""The register of retired and renamed agencies, and what the intake, reconciliation and cadence make of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl_platform.deliveries.agency_overview import overview, senders
from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.last_deliveries import LastDeliveries, LastDelivery
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
from etl_platform.deliveries.reconcile.reconcile import Reconciler, version_to_ingest
from etl_platform.deliveries.reconcile.reconciled import Reconciled
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.errors import UsageError
from etl_platform.errors import ReportError
from etl_platform.object_keys import AGENCY_REGISTER, INDEX
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.intake_place import EVENT, GOOD, Place, things

AT = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def register(place: Place) -> AgencyRegister:
    return AgencyRegister(place.store, "bucket")


def retire(place: Place, agency: str) -> Agencies:
    return register(place).change(lambda now: now.with_retired(agency, "ana", AT))


def reconcile(place: Place) -> Reconciled:
    later = datetime.now(UTC) + DAY
    return Reconciler(place.store, "bucket", {"things": things()}, "from_client/", later, later).reconcile()


def late(place: Place) -> list[str]:
    cadence = Cadence(timedelta(hours=1), timedelta())
    expected = ExpectedFiles(place.store, "bucket", datetime.now(UTC) + DAY)
    return [agency for agency, _ in expected.timeliness(replace(things(), cadence=cadence))]


def test_a_late_file_of_a_retired_agency_is_ignored_with_a_code_and_what_to_do(place: Place) -> None:
    retire(place, "agency_a")

    done = place.ingest(place.drop(GOOD), EVENT)

    assert done.outcome is Outcome.IGNORED
    (error,) = done.report.check.errors
    assert error.code == "agency_retired"
    assert "retired on 2026-03-01 by ana" in error.message
    assert "etl-platform agency restore agency_a" in error.message
    assert {key for key in place.written() if not key.startswith((".meta/", INDEX))} == {
        AGENCY_REGISTER,
        f"reports/_ignored/{done.report.delivery_id}.json",
    }


def test_reconciliation_takes_the_file_in_after_the_agency_is_restored(place: Place) -> None:
    retire(place, "agency_a")
    place.ingest(place.drop(GOOD), EVENT)
    assert reconcile(place).findings == ()

    register(place).change(lambda now: now.with_restored("agency_a"))

    (missing,) = reconcile(place).missing
    assert (missing.agency, missing.dataset) == ("agency_a", "things")
    assert place.ingest(version_to_ingest(missing), EVENT).outcome is Outcome.ACCEPTED
    assert reconcile(place).findings == ()


def test_what_a_retired_agency_sent_before_is_no_finding(place: Place) -> None:
    place.ingest(place.drop(GOOD + b",3\n"), EVENT)
    retire(place, "agency_a")
    assert reconcile(place).findings == ()


def test_no_file_of_a_retired_agency_is_overdue(place: Place) -> None:
    place.ingest(place.drop(GOOD), EVENT)
    place.ingest(place.drop(GOOD, "from_client/agency_b/Things.csv"), EVENT)
    assert late(place) == ["agency_a", "agency_b"]

    retire(place, "agency_a")

    assert late(place) == ["agency_b"]
    agencies = register(place).read()
    assert senders(place.store, "bucket", agencies) == {"things": {"agency_b"}}
    assert {
        one.agency: (one.state, one.datasets, one.last_file)
        for one in overview(LastDeliveries(place.store, "bucket", datetime.now(UTC)).read().values(), agencies)
    } == {
        "agency_a": ("retired on 2026-03-01 by ana", ("things",), "Things.csv"),
        "agency_b": ("active", ("things",), "Things.csv"),
    }


def test_retiring_and_restoring_twice_changes_nothing(place: Place) -> None:
    assert retire(place, "agency_a") == register(place).change(lambda now: now.with_retired("agency_a", "bo", AT + DAY))
    restored = register(place).change(lambda now: now.with_restored("agency_a"))
    assert restored == register(place).change(lambda now: now.with_restored("agency_a")) == Agencies()


def test_files_in_the_old_folder_belong_to_the_new_agency(place: Place) -> None:
    register(place).change(lambda now: now.with_renamed("agency_a", "agency_z", "ana", AT))
    done = place.ingest(place.drop(GOOD), EVENT)
    assert (done.outcome, done.report.agency) == (Outcome.ACCEPTED, "agency_z")


def test_names_are_followed_over_several_renamings() -> None:
    agencies = Agencies().with_renamed("a", "b", "ana", AT).with_renamed("b", "c", "ana", AT)
    assert [agencies.current_name(name) for name in "abcd"] == ["c", "c", "c", "d"]


def test_renaming_back_ends_the_first_renaming() -> None:
    agencies = Agencies().with_renamed("a", "b", "ana", AT).with_renamed("b", "a", "ana", AT)
    assert [agencies.current_name(name) for name in "ab"] == ["a", "a"]


def test_a_renaming_that_makes_no_sense_is_refused() -> None:
    renamed = Agencies().with_renamed("a", "b", "ana", AT)
    retired = Agencies().with_retired("a", "ana", AT)
    for refused in (
        lambda: Agencies().with_renamed("a", "a", "ana", AT),
        lambda: renamed.with_renamed("a", "c", "ana", AT),
        lambda: renamed.with_renamed("c", "a", "ana", AT),
        lambda: renamed.with_retired("a", "ana", AT),
        lambda: renamed.with_restored("a"),
        lambda: retired.with_renamed("a", "b", "ana", AT),
        lambda: retired.with_renamed("b", "a", "ana", AT),
    ):
        with pytest.raises(UsageError):
            refused()


def test_two_people_who_change_the_register_at_once_both_take_effect(tmp_path: Path) -> None:
    store = _ChangedMeanwhile(tmp_path)
    store.meanwhile = lambda: AgencyRegister(LocalStore(tmp_path), "b").change(
        lambda now: now.with_retired("b", "bo", AT)
    )

    agencies = AgencyRegister(store, "b").change(lambda now: now.with_retired("a", "ana", AT))

    assert agencies.changes.keys() == {"a", "b"}
    assert AgencyRegister(store, "b").read() == agencies


def test_a_register_that_cannot_be_read_is_an_error_with_its_key(place: Place) -> None:
    place.store.write("bucket", AGENCY_REGISTER, b"[]")
    with pytest.raises(ReportError, match=r"_agencies\.json"):
        register(place).read()


class _ChangedMeanwhile(LocalStore):
    meanwhile = staticmethod(lambda: None)

    def write(self, *arguments: object, **more: object) -> str:
        once, self.meanwhile = self.meanwhile, lambda: None
        once()
        return super().write(*arguments, **more)  # type: ignore[arg-type]


def test_an_overlay_of_an_agency_that_sends_nothing_is_listed_with_a_similar_name() -> None:
    sent = LastDelivery("training", "nm_albuquerque", "a", "from_client/x/T.csv", "accepted", AT, AT)
    found = overview([sent], Agencies(), ["nm_albuquerqe", "nm_albuquerque", "or_portland"])
    assert {one.agency: one.state for one in found} == {
        "nm_albuquerqe": "an overlay, but no file yet; did you mean nm_albuquerque?",
        "nm_albuquerque": "active",
        "or_portland": "an overlay, but no file yet",
    }
