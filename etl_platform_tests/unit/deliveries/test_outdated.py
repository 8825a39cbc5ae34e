"""Which files another contract or overlay has read, and how the rows of an agency would change."""

from pathlib import Path

import pytest

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.replay.agency_changes import AgencyChanges
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contract
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.intake_place import EVENT, GOOD, NOW, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_data, contract_of, listing, text, typed, yaml_text

BAD = GOOD + b"c,many\n,4\n"
OTHER_KEY = "from_client/agency_a/2/Things.csv"


def strict() -> Contract:
    return things(logicalTypeOptions={"maximum": 1})


def unreadable() -> Contract:
    """The files lack a column."""
    return contract_of([text("ident", required=True), typed("size", "integer"), text("rank", required=True)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "root", things())


def replay(place: Place, *, dry_run: bool = False) -> list[DeliveryResult]:
    return list(place.intake.reprocess("things", "agency_a", REPROCESS, dry_run=dry_run, only_outdated=True))


def changes(place: Place, *, dry_run: bool = True) -> AgencyChanges:
    outdated = place.intake.outdated("things", "agency_a")
    return AgencyChanges.of("agency_a", outdated, replay(place, dry_run=dry_run))


def test_what_this_contract_has_read_is_not_read_again(place: Place) -> None:
    place.ingest(place.drop(BAD))
    assert changes(place) == AgencyChanges("agency_a", 0)
    assert replay(place) == []


def test_rows_are_counted_by_their_new_verdict_and_the_dry_run_writes_nothing(place: Place) -> None:
    place.ingest(place.drop(BAD))
    place.use(contract_of([text("ident"), typed("size", "integer", logicalTypeOptions={"maximum": 3}), text("note")]))
    before = listing(place.root)
    would = changes(place)
    assert would == AgencyChanges("agency_a", 1, now_good=0, now_bad=0, same_verdict=4)
    assert listing(place.root) == before
    place.use(things(size_type="string"))
    assert changes(place) == AgencyChanges("agency_a", 1, now_good=1, same_verdict=3)
    place.use(strict())
    assert changes(place) == AgencyChanges("agency_a", 1, now_bad=1, same_verdict=3)


def test_a_dry_run_says_what_the_replay_does_and_then_all_is_up_to_date(place: Place) -> None:
    place.ingest(place.drop(BAD))
    place.ingest(place.drop(GOOD, OTHER_KEY))
    place.use(strict())
    would = changes(place)
    assert would.files == 2
    assert changes(place, dry_run=False) == would
    assert changes(place) == AgencyChanges("agency_a", 0)


def test_only_files_of_another_contract_are_read(place: Place) -> None:
    place.ingest(place.drop(BAD))
    place.use(strict())
    place.ingest(place.drop(GOOD, OTHER_KEY))
    (result,) = replay(place)
    assert result.report.source.key != OTHER_KEY


def test_a_contract_that_is_put_back_finds_its_own_silver(place: Place) -> None:
    place.ingest(place.drop(GOOD))
    place.use(unreadable())
    assert [one.outcome for one in replay(place)] == [Outcome.REJECTED]
    assert replay(place) == []
    place.use(things())
    assert replay(place) == []
    place.use(strict())
    replay(place)
    place.use(things())
    assert changes(place, dry_run=False) == AgencyChanges("agency_a", 1, now_good=1, same_verdict=1)


def test_a_file_that_would_be_rejected_is_counted_and_keeps_its_rows(place: Place) -> None:
    place.ingest(place.drop(GOOD))
    place.use(unreadable())
    assert changes(place, dry_run=False) == AgencyChanges("agency_a", 1, now_rejected=1)
    assert len(place.silver()) == 2


def test_a_rejected_file_that_the_contract_accepts_now_has_new_rows_only(place: Place) -> None:
    place.use(unreadable())
    assert place.ingest(place.drop(BAD)).outcome is Outcome.REJECTED
    assert changes(place).files == 0
    place.use(things())
    assert changes(place) == AgencyChanges("agency_a", 1, now_good=2, same_verdict=2)


def test_a_rejected_newest_file_does_not_hide_an_older_one_of_another_contract(place: Place) -> None:
    place.ingest(place.drop(GOOD, sequencer="00A"))
    place.use(strict())
    assert place.ingest(place.drop(b"nothing\nof this\n", seconds=2_000, sequencer="00B")).outcome is Outcome.REJECTED
    would = AgencyChanges("agency_a", 1, now_bad=1, same_verdict=1, still_rejected=1)
    assert changes(place, dry_run=False) == would
    assert changes(place).files == 0


def test_an_overlay_makes_the_files_of_its_own_agency_outdated(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    columns = [text("ident", required=True), typed("size", "integer"), text("note")]
    path = contracts / "things.odcs.yaml"
    path.write_text(yaml_text(contract_data(columns)))
    place = Place(tmp_path / "root", load_contract(path))
    for agency in ("agency_a", "agency_b"):
        place.ingest(place.drop(BAD, f"from_client/{agency}/Things.csv"))
    overlay = contracts / "agencies" / "agency_a" / "things.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text("columns:\n  size: {nullTokens: [many]}\n")
    assert place.intake.outdated("things", "agency_b").number == 0
    assert changes(place) == AgencyChanges("agency_a", 1, now_good=1, same_verdict=3)


def test_an_agency_that_is_up_to_date_costs_two_requests_however_many_files_it_sent() -> None:
    store, contract = CountedStore(), things()
    intake = Intake(store, {"things": contract}, "bucket", "from_client/", NOW)
    for number in range(40):
        key = f"from_client/agency_a/{number}/Things.csv"
        store.write("bucket", key, GOOD)
        head = store.head("bucket", key)
        version = ObjectVersion("bucket", key, head.version_id, None, head.size_bytes, "00A")
        intake.ingest(intake.route(version), EVENT)
    intake.outdated("things", "agency_a")
    store.counted()
    assert intake.outdated("things", "agency_a").number == 0
    assert store.counted() == {"LIST": 1, "GET": 1}
