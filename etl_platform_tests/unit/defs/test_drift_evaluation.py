"""The check ``like_last_time``: colour, text, and the trend of the series."""

from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.checks.drift_evaluation import drift_evaluation
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.drift.comparison import KEPT
from etl_platform_tests.unit.intake_place import Place
from etl_platform_tests.unit.making import contract_of, custom, text, typed

CONTRACT = contract_of(
    [text("ident", required=True), typed("size", "integer")], customs=custom(filePatterns=["things*"])
)
DAY_S = 86_400


def ingest(place: Place, number: int, rows: int, name: str = "Things") -> Report:
    content = "\n".join(["ident,size", *(f"i{row},{row or 'x'}" for row in range(rows)), ""]).encode()
    key = f"from_client/agency_a/{name}_{number}.csv"
    return place.ingest(place.drop(content, key, seconds=1_700_000_000 + number * 30 * DAY_S)).report


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.ERROR])
def test_the_trend_has_the_last_files_and_ends_with_the_unusual_one(tmp_path: Path, severity: Severity) -> None:
    place = Place(tmp_path, CONTRACT)
    reports = [ingest(place, number, rows) for number, rows in enumerate([40] * 14 + [100])]
    found = drift_evaluation(reports, severity)
    assert found is not None
    assert not found.passed
    assert found.severity.value == ("ERROR" if severity is Severity.ERROR else "WARN")
    assert (found.metadata["rows"], found.metadata["quarantined_percent"]) == (100, 1.0)
    trend = found.metadata["trend"]
    assert isinstance(trend, dg.TableMetadataValue)
    lines = [record.data for record in trend.records]
    assert [line["rows"] for line in lines] == ["40"] * KEPT + ["100"]
    assert [line["unusual"] for line in lines] == [""] * KEPT + ["rows"]
    assert lines[-1]["delivery_id"] == reports[-1].delivery_id
    assert {line["in quarantine"] for line in lines} == {"2.5 %", "1 %"}


def test_of_several_series_the_trend_is_that_of_the_unusual_file(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    reports = [ingest(place, 1, 40), ingest(place, 2, 90), ingest(place, 3, 40, "Things_north")]
    found = drift_evaluation(reports, Severity.WARNING)
    assert found is not None
    lines = [record.data for record in found.metadata["trend"].records]
    assert [line["file"] for line in lines] == ["Things_1.csv", "Things_2.csv"]
