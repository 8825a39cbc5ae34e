"""Contracts with many rules: those of one kind share a check, which names the ones that are broken."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_groups import MAX_RULES_SHOWN, group_results
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.unit.making import contract_data, contract_of, custom, row_rule, text, typed

COLUMNS = [f"c{number:02}" for number in range(60)]
KINDS = {"columns_required", "columns_type"}
OTHERS = {"file_is_readable_and_complete", "c00_is_small", "enough"}
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    data = contract_data(
        [typed(name, "integer", required=True) for name in COLUMNS],
        quality=[row_rule("c00_is_small", "c00 < 9"), {"name": "enough", "metric": "rowCount", "mustBeGreaterThan": 0}],
        customs=custom(filePatterns=["things*"]),
    )
    (workshop.contracts_dir / "things.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return workshop


def csv(**cells: str) -> bytes:
    """Rows of ones, the last one with ``cells``."""
    rows = [COLUMNS, *[["1"] * len(COLUMNS)] * 5, [cells.get(name, "1") for name in COLUMNS]]
    return "\n".join(map(",".join, rows)).encode()


def checks(place: Workshop, content: bytes) -> Mapping[str, dg.AssetCheckEvaluation]:
    result = place.ingest(place.drop("Things.csv", content), datasets=["things"])
    return {item.check_name: item for item in place.evaluations(result)}


def test_a_good_file_logs_one_result_for_each_kind_of_rule(place: Workshop) -> None:
    found = checks(place, csv())
    assert found.keys() >= KINDS | OTHERS
    assert not {name for name in found if name.startswith(("c01", "c59"))}
    assert all(item.passed for item in found.values())
    assert found["columns_required"].metadata["rules"].value == 60


def test_a_shared_check_fails_for_one_rule_and_names_it(place: Workshop) -> None:
    found = checks(place, csv(c07="many", c59="few"))
    assert {name for name, item in found.items() if not item.passed} == {"columns_type"}
    failed = found["columns_type"]
    assert (failed.severity, failed.metadata["rules_failed"].value) == (WARN, 2)
    assert "2 of 60 rules failed: c07.type, c59.type." in (failed.description or "")
    table = failed.metadata["failed_rules"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["rule"] for record in table.records] == ["c07.type", "c59.type"]


VERDICTS = st.lists(st.sampled_from([None, WARN, ERROR]), min_size=101, max_size=101)


@given(VERDICTS)
def test_a_shared_check_passes_only_if_all_rules_do_and_has_the_worst_severity(
    verdicts: list[dg.AssetCheckSeverity | None],
) -> None:
    contract = contract_of([text(f"c{number}", required=True) for number in range(len(verdicts))])
    (one,) = group_results([CheckEvaluation("x", found is None, found or WARN) for found in verdicts], contract)
    failed = [found for found in verdicts if found is not None]
    assert (one.name, one.passed) == ("columns_required", not failed)
    assert one.severity is (ERROR if ERROR in failed else WARN)
    assert one.metadata["rules_failed"] == len(failed)
    assert len(one.metadata["failed_rules"].records) == min(len(failed), MAX_RULES_SHOWN) if failed else True
