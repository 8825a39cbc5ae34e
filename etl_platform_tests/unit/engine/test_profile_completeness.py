"""Empty cells and null tokens in a profile, date ranges and histograms, and the stated error of estimates."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_platform.engine.check import check_file
from etl_platform.engine.column_state import SKETCH_SIZE
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.profile import DISTINCT_ERROR
from etl_platform.engine.reading.delimited import text_table
from etl_platform_tests.unit.making import contract_of, custom, text, typed

CELLS = ["x", "", "N/A", "n/a ", "   ", "\t", "y", " z "]


def profiled(folder: Path, content: str, contract: Contract) -> dict[str, Any]:
    """The profile of each column, as the report has it."""
    path = folder / "delivery.csv"
    path.write_text(content, "utf-8", newline="")
    result = check_file(path, contract, folder)
    return {name: column.to_json() for name, column in result.profile.items()}


def cells(folder: Path, values: list[str], **more: Any) -> dict[str, Any]:
    """The profile of one column of texts, beside one that keeps blank lines from being left out."""
    contract = contract_of([text("ident"), text("word", **more)])
    content = "ident,word\n" + "".join(f'i{n},"{value}"\n' if value else f"i{n},\n" for n, value in enumerate(values))
    found: dict[str, Any] = profiled(folder, content, contract)["word"]
    return found


# Empty cells


READINGS = pytest.mark.parametrize(
    ("customs", "nulls", "empty"),
    [
        ({}, 1, 1),
        ({"trim": True}, 3, 3),
        ({"nullTokens": ["N/A"]}, 3, 1),
        ({"trim": True, "nullTokens": ["N/A"]}, 5, 3),
        ({"nullTokens": ["N/A", ""]}, 5, 3),
    ],
    ids=["as it is", "trim", "tokens", "both", "an empty token"],
)


@READINGS
def test_nulls_are_blank_cells_and_null_tokens(tmp_path: Path, customs: dict[str, Any], nulls: int, empty: int) -> None:
    assert cells(tmp_path, CELLS * 5, customProperties=custom(**customs))["nulls"] == nulls * 5
    assert empty <= nulls


@READINGS
@pytest.mark.parametrize("chunk_bytes", [64, 1 << 24])
def test_empty_cells_are_the_nulls_with_only_white_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, customs: dict[str, Any], nulls: int, empty: int
) -> None:
    """Null tokens are told apart from them. White space that a column keeps as a value is not empty."""
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    assert cells(tmp_path, CELLS * 5, customProperties=custom(**customs))["empty"] == empty * 5


def test_a_column_that_the_file_does_not_have_is_empty_in_every_row(tmp_path: Path) -> None:
    contract = contract_of([text("ident"), text("more"), text("word", customProperties=custom(nullTokens=["-"]))])
    profile = profiled(tmp_path, "ident,more\na,1\nb,2\n", contract)
    assert (profile["word"]["nulls"], profile["word"]["empty"]) == (2, 2)


def test_the_empty_cells_of_a_masked_column_are_counted_too(tmp_path: Path) -> None:
    """A count gives no value away."""
    column = cells(tmp_path, ["Ann", "", "-"], classification="restricted", customProperties=custom(nullTokens=["-"]))
    assert (column["nulls"], column["empty"]) == (2, 1)
    assert column.keys() <= {"nulls", "empty", "distinct", "distinct_error", "min_length", "max_length"}


# Dates

DAYS = [date(2019, 12, 30) + timedelta(days=11 * n) for n in range(200)]


def dated(folder: Path, moments: list[str], kind: str, **more: Any) -> dict[str, Any]:
    contract = contract_of([text("ident"), typed("at", kind, **more)])
    content = "ident,at\n" + "".join(f"i{n},{moment}\n" for n, moment in enumerate(moments))
    found: dict[str, Any] = profiled(folder, content, contract)["at"]
    return found


def test_a_range_of_dates_is_iso_in_every_date_format(tmp_path: Path) -> None:
    written = [f"{day.month}/{day.day}/{day.year}" for day in reversed(DAYS)]
    column = dated(tmp_path, [*written, "soon", ""], "date", logicalTypeOptions={"format": "M/d/yyyy"})
    assert (column["min"], column["max"]) == (DAYS[0].isoformat(), DAYS[-1].isoformat())


def test_a_range_of_timestamps_is_iso(tmp_path: Path) -> None:
    column = dated(tmp_path, ["2026-01-05 10:00:00", "2026-01-04T23:59:59"], "timestamp")
    assert (column["min"], column["max"]) == ("2026-01-04T23:59:59", "2026-01-05T10:00:00")


@pytest.mark.parametrize("kind", ["date", "timestamp"])
@pytest.mark.parametrize("chunk_bytes", [300, 1 << 24])
def test_the_bins_of_a_date_histogram_count_the_dates_between_their_edges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, chunk_bytes: int
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    moments = [day.isoformat() + ("" if kind == "date" else "T12:30:00") for day in DAYS]
    column = dated(tmp_path, [*moments, "", "soon"], kind)
    bins = column["histogram"]
    assert 1 < len(bins) <= 30
    assert sum(part["rows"] for part in bins) == len(moments)
    json.dumps(bins)
    for part in bins:
        # Edges are ISO texts, or nothing at the two open ends, and ISO texts are ordered as dates are.
        low, high = part["from"] or "0000", part["to"] or "9999"
        for edge in (part["from"], part["to"]):
            assert edge is None or datetime.fromisoformat(edge)
        assert sum(low < moment < high for moment in moments) <= part["rows"]
        assert part["rows"] <= sum(low[:10] <= moment[:10] <= high[:10] for moment in moments)


def test_one_day_alone_is_one_bin(tmp_path: Path) -> None:
    column = dated(tmp_path, ["2026-01-05"] * 7, "date")
    assert [part["rows"] for part in column["histogram"]] == [7]


def test_the_dates_of_a_masked_column_are_not_shown(tmp_path: Path) -> None:
    column = dated(tmp_path, [day.isoformat() for day in DAYS], "date", classification="restricted")
    assert not {"min", "max", "histogram", "top"} & column.keys()


# Distinct values


def test_the_error_of_a_distinct_count_is_stated_where_it_is_an_estimate(tmp_path: Path) -> None:
    few = cells(tmp_path, [f"w{n % (SKETCH_SIZE - 1)}" for n in range(3_000)])
    assert (few["distinct"], few["distinct_error"]) == (SKETCH_SIZE - 1, 0.0)
    many = cells(tmp_path, [f"w{n}" for n in range(5_000)])
    assert many["distinct_error"] == DISTINCT_ERROR
    assert round(SKETCH_SIZE**-0.5, 2) <= DISTINCT_ERROR, "the sketch's own error"


def test_an_exact_count_agrees_with_a_naive_one_for_dates_too(tmp_path: Path) -> None:
    moments = [DAYS[n % 50].isoformat() for n in range(200)]
    column = dated(tmp_path, moments, "date")
    assert (column["distinct"], column["distinct_error"]) == (len(Counter(moments)), 0.0)
