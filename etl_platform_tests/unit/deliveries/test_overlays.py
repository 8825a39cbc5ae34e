"""The overlay of an agency in intake: its own files alone, the hash of silver, replay, and files that wait."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.reconcile.expected_files import agency_cadence
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.routing import CONTRACT_ERROR, Router
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract_folder import load_contract
from etl_platform.engine.errors import ContractError
from etl_platform.object_keys import FROM_API
from etl_platform_tests.unit.intake_place import EVENT, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_data, text, typed, yaml_text

COLUMNS = [text("ident", required=True), typed("size", "integer"), text("note")]
OVERLAY = "columns:\n  size: {nullTokens: [none]}\n"
DAY = timedelta(days=1)
CONTENT = b"ident,size\na,1\nb,none\n"
A, B = "from_client/agency_a/Things.csv", "from_client/agency_b/Things.csv"


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "things.odcs.yaml").write_text(yaml_text(contract_data(COLUMNS)))
    return folder


@pytest.fixture
def here(tmp_path: Path, contracts: Path) -> Place:
    return Place(tmp_path / "bucket", load_contract(contracts / "things.odcs.yaml"))


def overlay(contracts: Path, source: str, agency: str = "agency_a") -> None:
    path = contracts / "agencies" / agency / "things.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def replay(here: Place, agency: str = "agency_a") -> list[DeliveryResult]:
    return list(here.intake.reprocess("things", agency, REPROCESS))


def test_the_report_names_the_overlay_of_the_agency_and_of_no_other(here: Place, contracts: Path) -> None:
    overlay(contracts, OVERLAY)
    one, other = (here.ingest(here.drop(CONTENT, key)).report for key in (A, B))
    assert one.check.overlay is not None
    assert one.check.overlay.file == "agencies/agency_a/things.yaml"
    assert one.check.overlay.changed_cells == {"size": 1}
    assert (one.check.quarantined_rows, other.check.quarantined_rows) == (0, 1)
    assert other.check.overlay is None
    assert one.contract is not None
    assert other.contract is not None
    assert one.contract.sha256 != other.contract.sha256
    assert Report.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_a_changed_overlay_is_read_again_and_an_unchanged_one_is_not(here: Place, contracts: Path) -> None:
    for key in (A, B):
        here.ingest(here.drop(CONTENT, key))
    overlay(contracts, OVERLAY)
    (first,) = replay(here)
    (again,) = replay(here)
    (other,) = replay(here, "agency_b")
    assert (first.repeated, first.report.check.quarantined_rows) == (False, 0)
    assert again.repeated
    assert other.report.check.overlay is None
    assert [row["size"] for row in here.silver()] == [1, None]
    overlay(contracts, "columns:\n  size: {nullTokens: [nothing]}\n")
    (third,) = replay(here)
    assert (third.repeated, third.report.check.quarantined_rows) == (False, 1)


def test_a_replay_without_a_change_of_its_own_overlay_is_the_arrival(here: Place, contracts: Path) -> None:
    overlay(contracts, OVERLAY)
    version = here.drop(CONTENT)
    arrival = here.ingest(version).report
    assert here.ingest(version).outcome is Outcome.DUPLICATE
    overlay(contracts, "encoding: utf-8\n", "agency_b")
    (result,) = replay(here)
    assert result.report.derived_from == arrival.derived_from


def test_files_of_an_agency_whose_overlay_is_in_error_wait_and_others_go_on(here: Place, contracts: Path) -> None:
    overlay(contracts, "encodng: utf-8\n")
    version = here.drop(CONTENT, A)
    waits = here.ingest(version)
    assert waits.outcome is Outcome.IGNORED
    (error,) = waits.report.check.errors
    assert error.code == CONTRACT_ERROR
    assert error.message.startswith("the file waits for the agency's overlay: ")
    assert error.message.endswith(
        "agencies/agency_a/things.yaml:1: an overlay has no field 'encodng' here; did you mean encoding?"
    )
    assert here.ingest(here.drop(CONTENT, B)).outcome is Outcome.ACCEPTED
    overlay(contracts, OVERLAY)
    assert here.ingest(version).outcome is Outcome.ACCEPTED


def test_a_replay_with_an_overlay_in_error_says_so_and_changes_nothing(here: Place, contracts: Path) -> None:
    here.ingest(here.drop(CONTENT))
    before = here.written()
    overlay(contracts, "encodng: utf-8\n")
    with pytest.raises(ContractError, match="did you mean encoding"):
        replay(here)
    assert here.written() == before


def test_no_overlay_applies_to_the_snapshot_of_an_api(here: Place, contracts: Path) -> None:
    overlay(contracts, "encodng: utf-8\n")
    contract = load_contract(contracts / "things.odcs.yaml")
    router = Router({"things": contract}, FROM_API, here.intake.router().agencies)
    routed = router.route(ObjectVersion("bucket", f"{FROM_API}agency_a/things.csv", None, None, 1, None))
    assert routed.route.contract is contract


def test_a_file_is_ingested_with_the_overlay_with_which_it_was_routed(here: Place, contracts: Path) -> None:
    overlay(contracts, OVERLAY)
    routed = here.intake.route(here.drop(CONTENT))
    overlay(contracts, "columns:\n  size: {nullTokens: [nothing]}\n")
    assert here.intake.ingest(routed, EVENT).report.check.quarantined_rows == 0


def test_an_agency_has_the_cadence_of_its_overlay_and_the_contracts_while_that_is_in_error(
    here: Place, contracts: Path
) -> None:
    contract = replace(here.intake.route(here.drop(CONTENT)).route.contract or things(), cadence=Cadence(DAY, DAY / 10))
    overlay(contracts, "frequency: {value: 14, unit: d}\n")
    overlay(contracts, "frequency: {value: 0}\n", "agency_b")
    found = [agency_cadence(contract, agency) for agency in ("agency_a", "agency_b", "agency_c")]
    assert [one.every / DAY for one in found if one is not None] == [14, 1, 1]


def test_the_limits_of_an_overlay_decide_what_is_unusual_about_files_of_its_agency(
    here: Place, contracts: Path
) -> None:
    overlay(contracts, "likeLastTime: {rowsPercent: 200, ignore: [note]}\n")

    def sent(key: str, rows: int, header: str, day: int) -> Report:
        content = "\n".join([header, *(f"{row},{row},{row}" for row in range(rows))]).encode()
        return here.ingest(here.drop(content, key, seconds=1_700_000_000 + day * 86_400)).report

    found = {}
    for key in (A, B):
        sent(key, 100, "ident,size,note", 0)
        drift = sent(key, 180, "ident,size,remark", 30).drift
        assert drift is not None
        found[key] = drift.unusual
    assert found == {A: ("column_new remark",), B: ("column_gone note", "column_new remark", "rows")}


def test_a_deleted_overlay_is_read_again_as_every_other_agency_is_read(here: Place, contracts: Path) -> None:
    overlay(contracts, OVERLAY)
    arrival = here.ingest(here.drop(CONTENT)).report
    (contracts / "agencies" / "agency_a" / "things.yaml").unlink()
    (without,) = replay(here)
    assert (arrival.check.quarantined_rows, without.report.check.quarantined_rows) == (0, 1)
    assert without.report.check.overlay is None
    overlay(contracts, OVERLAY)
    (with_it,) = replay(here)
    assert (with_it.repeated, with_it.report.check.quarantined_rows) == (False, 0)
