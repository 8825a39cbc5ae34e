"""Rows that a stray line break cut in two, and headers that stand below rows of their table."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.reading.delimited import text_table

CONTRACT = parse_contract(
    """
apiVersion: v3.2.0
kind: DataContract
id: stops
version: 1.0.0
status: active
schema:
  - name: stops
    properties:
      - {name: stop_id, logicalType: string}
      - {name: place, logicalType: string}
      - {name: count, logicalType: integer}
      - {name: note, logicalType: string}
""",
    "stops.odcs.yaml",
)
ROWS = [(f"S-{n}", "North", n, f"note {n}") for n in range(1, 9)]


def check(folder: Path, lines: list[str]) -> tuple[list[tuple[object, ...]], dict[str, int], list[str]]:
    """The rows of silver, the reasons, and the codes of a rejection."""
    (folder / "stops.csv").write_text("\n".join(lines) + "\n")
    result = check_file(folder / "stops.csv", CONTRACT, folder)
    silver = pl.read_parquet(folder / "silver.parquet").rows() if not result.errors else []
    return silver, dict(result.reasons), [error.code for error in result.errors]


def written(rows: list[tuple[object, ...]]) -> list[str]:
    return ["stop_id,place,count,note", *(",".join(map(str, row)) for row in rows)]


@pytest.fixture(params=[text_table.CHUNK_BYTES, 40], ids=["one chunk", "many chunks"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", request.param)
    monkeypatch.setattr(text_table, "_MIN_CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("remark", ["# checked by hand", "// to do", "-- Page 2 --", "Page 2 of 3"])
@pytest.mark.parametrize("place", [1, 3, len(ROWS) + 1])
def test_a_remark_between_rows_costs_no_row(tmp_path: Path, remark: str, place: int) -> None:
    lines = written(ROWS)
    lines.insert(place, remark)

    silver, reasons, _ = check(tmp_path, lines)

    assert silver == ROWS
    assert reasons == {"row.too_few_fields": 1}


@pytest.mark.usefixtures("chunks")
def test_a_line_break_in_the_last_cell_costs_the_row_and_its_neighbour(tmp_path: Path) -> None:
    lines = written(ROWS)
    lines[3] = "S-3,North,3,no\nte 3"

    silver, reasons, _ = check(tmp_path, lines)

    assert silver == [row for row in ROWS if row[2] not in {3, 4}]
    assert reasons["row.cut_in_two"] == 2


@settings(max_examples=60, deadline=None)
@given(row=st.integers(0, 7), offset=st.integers(1, 18), data=st.data())
def test_a_line_break_anywhere_never_puts_half_a_row_into_silver(
    tmp_path_factory: pytest.TempPathFactory, row: int, offset: int, data: st.DataObject
) -> None:
    lines = written(ROWS)
    line = lines[row + 1]
    cut = data.draw(st.sampled_from([offset % len(line) or 1]))
    lines[row + 1] = f"{line[:cut]}\n{line[cut:]}"

    silver, _, _ = check(tmp_path_factory.mktemp("cut"), lines)

    assert set(silver) <= set(ROWS)
    assert len(silver) >= len(ROWS) - 3


@pytest.mark.usefixtures("chunks")
def test_a_total_below_the_last_row_cuts_no_row(tmp_path: Path) -> None:
    silver, reasons, _ = check(tmp_path, [*written(ROWS), "Total rows: 8"])

    assert silver == ROWS
    assert reasons == {}


def test_a_title_beside_blank_lines_cuts_no_row(tmp_path: Path) -> None:
    lines = written(ROWS)

    silver, reasons, _ = check(tmp_path, [*lines[:4], "", "Patrol", "", *lines[4:]])

    assert silver == ROWS
    assert "row.cut_in_two" not in reasons


@pytest.mark.parametrize("above", [1, 3, 8])
def test_a_header_below_rows_of_its_table_is_refused(tmp_path: Path, above: int) -> None:
    header, *rows = written(ROWS)

    _, _, codes = check(tmp_path, [*rows[:above], header, *rows])

    assert codes == ["rows_above_header"]


@pytest.mark.parametrize(
    "preamble", ["Springfield,,,", "Agency:,Springfield,From:,2026-01-01", "id,where,how many,text", "a,b,c,d"]
)
def test_a_preamble_of_the_width_of_the_table_stays_one(tmp_path: Path, preamble: str) -> None:
    silver, _, codes = check(tmp_path, [preamble, *written(ROWS)])

    assert codes == []
    assert silver == ROWS
