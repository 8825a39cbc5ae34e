"""Rules about whole files as Dagster shows them: one check each, red or amber, with what was found."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from etl_platform.definitions import build_defs
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.unit.making import contract_data, custom, text, typed

SILVER = dg.AssetKey(["silver", "things"])
SEVERITY = dg.AssetCheckSeverity


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    ask(workshop, least=2)
    return workshop


def ask(place: Workshop, *, least: int, **more: Any) -> None:
    """Write the contract: at least so many rows, few empty notes if possible, and days of this century."""
    amber = {"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 40, "severity": "warning"}
    fresh = {"property": "freshness", "value": 36_500, "unit": "d", "element": "things.day"}
    data = contract_data(
        [text("ident"), text("note", quality=[amber]), typed("day", "date")],
        quality=[{"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": least, "description": "Not few."}],
        customs=custom(filePatterns=["things*"]),
        slaProperties=[fresh | more],
    )
    (place.contracts_dir / "things.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def checks(place: Workshop, result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = {item.check_name: item for item in place.evaluations(result) if item.asset_key == SILVER}
    assert {item.partition for item in found.values()} <= {AGENCY}
    return found


def test_each_dataset_rule_is_declared_as_a_check_of_silver(place: Workshop) -> None:
    graph = build_defs(place.settings).resolve_asset_graph()
    specs = {key.name: graph.get_check_spec(key) for key in graph.get_check_keys_for_assets({SILVER})}
    assert specs.keys() >= {"enough", "note__null_share", "day__freshness"}
    assert specs["enough"].description == "Not few."
    assert specs["note__null_share"].description == "note is empty in at most 40 % of the rows."


def test_kept_rules_are_green_and_say_what_was_found(place: Workshop) -> None:
    result = place.ingest(place.drop("Things.csv", b"ident,note,day\na,x,2026-01-05\nb,y,2026-01-04\n"))

    assert place.outcomes == ["accepted"]
    found = checks(place, result)
    assert all(found[name].passed for name in ("enough", "note__null_share", "day__freshness"))
    assert value_of(found["enough"].metadata, "found") == 2
    assert value_of(found["enough"].metadata, "allowed") == "at least 2 rows"
    assert value_of(found["note__null_share"].metadata, "found") == 0.0
    assert value_of(found["day__freshness"].metadata, "found") == "2026-01-05"


def test_a_broken_rule_is_red_and_a_broken_warning_amber(place: Workshop) -> None:
    result = place.ingest(place.drop("Things.csv", b"ident,note,day\na,,1901-01-05\n"))

    assert result.success
    assert place.outcomes == ["rejected"]
    found = checks(place, result)
    told = {name: (found[name].passed, found[name].severity) for name in ("enough", "note__null_share")}
    assert told == {"enough": (False, SEVERITY.ERROR), "note__null_share": (False, SEVERITY.WARN)}
    assert not found["day__freshness"].passed
    assert "the newest day is 1901-01-05" in (found["day__freshness"].description or "")
    assert "row_count: enough: the file has 1 row;" in (found["file_is_readable_and_complete"].description or "")
    assert place.materializations("silver", "things") == []
    assert place.written("silver") == []


def test_a_warning_alone_lets_the_file_in(place: Workshop) -> None:
    result = place.ingest(place.drop("Things.csv", b"ident,note,day\na,,2026-01-05\nb,,2026-01-05\n"))

    assert place.outcomes == ["accepted"]
    found = checks(place, result)
    assert {name for name, item in found.items() if not item.passed} == {"note__null_share"}
    assert found["note__null_share"].severity is SEVERITY.WARN
    assert value_of(found["note__null_share"].metadata, "found") == 100.0


def test_one_file_that_breaks_a_rule_turns_its_partition_s_check(place: Workshop) -> None:
    """Files are held against a rule one by one; the check speaks of the partition."""
    few = place.drop("Things_a.csv", b"ident,note,day\na,x,2026-01-05\n")
    many = place.drop("Things_b.csv", b"ident,note,day\na,x,2026-01-05\nb,x,2026-01-05\n")
    place.ingest(few, many)
    assert place.outcomes == ["accepted", "rejected"]

    found = checks(place, place.reprocess(dataset="things"))

    assert not found["enough"].passed
    assert value_of(found["enough"].metadata, "found") == 1
    refused = {str(item.outcome): item.report.delivery_id for item in place.platforms[-1].finished}["rejected"]
    assert value_of(found["enough"].metadata, "delivery_id") == refused
    assert found["note__null_share"].passed


def test_a_file_without_a_header_is_held_against_no_dataset_rule(place: Workshop) -> None:
    found = checks(place, place.ingest(place.drop("Things.csv", b"")))
    assert {name for name, item in found.items() if not item.passed} == {"file_is_readable_and_complete"}
    assert "was refused before this rule was evaluated" in (found["enough"].description or "")


def test_a_report_that_is_older_than_a_rule_leaves_it_amber_until_the_partition_is_read_again(place: Workshop) -> None:
    key = place.drop("Things.csv", b"ident,note,day\na,x,2026-01-05\nb,x,2026-01-05\n")
    place.ingest(key)
    ask(place, least=2, customProperties=custom(name="new_rule"))

    again = checks(place, place.ingest(key, message_id="m-1", receive_count=2))

    assert not again["new_rule"].passed
    assert again["new_rule"].severity is dg.AssetCheckSeverity.WARN
    assert "Materialize the partition" in (again["new_rule"].description or "")
    assert again["enough"].passed
    assert checks(place, place.reprocess(dataset="things"))["new_rule"].passed
