"""Refused rows as a workbook: what is marked, that nothing is a formula, and that corrections come back from it."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from etl_platform.deliveries.replay.quarantine import Quarantine
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.quarantine_files import read_corrections
from etl_platform.engine.result import CheckResult
from etl_platform.engine.spreadsheets import text_sheet
from etl_platform.engine.spreadsheets.refused_rows import RefusedRows, write_workbook
from etl_platform_tests.unit.engine.pages.page_parts import csv_bytes, facts_of
from etl_platform_tests.unit.engine.pages.test_html_page import CONTRACT, FILE
from etl_platform_tests.unit.intake_place import Place
from etl_platform_tests.unit.making import contract_of, text

_WRONG = "FFFCE4D6"
OPEN = contract_of([text("ident", logicalTypeOptions={"maxLength": 1}), text("note")])


def workbook_of(folder: Path, content: bytes) -> Any:
    result = facts_of(folder, CONTRACT, content).result
    out = folder / "fix.xlsx"
    write_workbook({"": RefusedRows(folder / "quarantine.parquet", result)}, CONTRACT, out)
    return load_workbook(out)


def marked(sheet: Any) -> dict[str, str]:
    """The notes of the coloured cells."""
    cells = (cell for row in sheet.iter_rows() for cell in row if cell.fill.start_color.rgb == _WRONG)
    return {cell.coordinate: cell.comment.text.partition(":\n")[2] or cell.comment.text for cell in cells}


def test_wrong_cells_are_marked_with_their_rules(tmp_path: Path) -> None:
    sheet = workbook_of(tmp_path, FILE)["Rows"]
    assert [cell.value for cell in sheet[1]] == ["_line", "Ident", "name", "size", "kind", "_overflow", "reasons"]
    notes = marked(sheet)
    assert notes.keys() == {"C2", "D2", "E2", "B3", "D3"}
    assert notes["E2"] == "kind must be one of A, B."
    assert notes["D3"] == "double must not be empty; it is calculated from size * 2."
    assert sheet["A2"].value == "3"


def test_a_damaged_row_is_marked_at_its_line(tmp_path: Path) -> None:
    sheet = workbook_of(tmp_path, FILE + b"9,Al,1,A,surplus\r\n")["Rows"]
    assert marked(sheet)["A4"] == "The row has more cells than the header."
    assert sheet["F4"].value == "surplus"


def test_columns_with_listed_values_have_a_drop_down(tmp_path: Path) -> None:
    workbook = workbook_of(tmp_path, FILE)
    (validation,) = workbook["Rows"].data_validations.dataValidation
    assert (str(validation.sqref), validation.formula1) == ("E2:E3", "Lists!$A$1:$A$2")
    assert [row[0].value for row in workbook["Lists"].iter_rows()] == ["A", "B"]
    assert workbook["Lists"].sheet_state == "hidden"


def test_no_cell_is_a_formula_a_link_or_a_number(tmp_path: Path) -> None:
    header = ("ident", '=HYPERLINK("http://a")', "note", "@SUM(1)")
    attacks = ("=1+1", "+1", "-1", "@a", "http://a.example", "mailto:a@b", "007", "1e5", "2019-02-30", "{=1}", "'=1")
    content = csv_bytes(header, *(("xx", attack, attack, attack) for attack in attacks))
    result = facts_of(tmp_path, OPEN, content).result
    write_workbook({"": RefusedRows(tmp_path / "quarantine.parquet", result)}, OPEN, tmp_path / "fix.xlsx")
    workbook = load_workbook(tmp_path / "fix.xlsx")
    for sheet in workbook:
        for row in sheet.iter_rows():
            assert {cell.data_type for cell in row if cell.value is not None} <= {"s"}
            assert [cell.hyperlink for cell in row if cell.hyperlink] == []
    # As in the CSV, so that a sheet which is saved as CSV does not run them either.
    assert workbook["Rows"]["C2"].value == "'=1+1"
    assert [row.cells[header[3]] for row in read_corrections(tmp_path / "fix.xlsx")] == list(attacks)


TEXTS = st.text(st.sampled_from("aZ0149éñ漢🙂'\"=+-@,;_x &<>\n\t"), max_size=12).filter(
    lambda text: text == text.strip()
)
"""Without blanks at the ends: a cell of blanks is empty in any sheet."""


@settings(max_examples=30)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_what_is_not_corrected_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    frame = pl.DataFrame(
        {
            "ident": pl.Series([one or None for one, _ in rows], dtype=pl.String),
            "=note": pl.Series([other or None for _, other in rows], dtype=pl.String),
            "_line": pl.Series(range(2, len(rows) + 2), dtype=pl.UInt32),
            "_overflow": pl.Series([None] * len(rows), dtype=pl.String),
            "reasons": ["ident.length"] * len(rows),
        }
    )
    frame.write_parquet(folder / "quarantine.parquet")
    refused = RefusedRows(folder / "quarantine.parquet", CheckResult(reasons={"ident.length": len(rows)}))
    assert write_workbook({"": refused}, None, folder / "fix.xlsx") == len(rows)
    given_rows = read_corrections(folder / "fix.xlsx")
    assert [row.place for row in given_rows] == [(None, line) for line in frame["_line"]]
    assert [row.cells for row in given_rows] == frame.select("ident", "=note").rows(named=True)


def test_a_corrected_workbook_is_replayed(tmp_path: Path) -> None:
    place = Place(tmp_path, CONTRACT)
    report = place.ingest(place.drop(FILE)).report
    quarantine = Quarantine(place.store, "bucket", "things", "agency_a")
    out = tmp_path / "fix.xlsx"
    assert quarantine.export(quarantine.replayable(), out, CONTRACT) == 2
    workbook = load_workbook(out)
    sheet = workbook["Rows"]
    # What a corrected sheet holds need not be text.
    sheet["E2"], sheet["F2"] = 7, "A"
    sheet["F3"] = None
    workbook.save(out)
    corrected = quarantine.compare(read_corrections(out), None)
    assert corrected.deliveries.keys() == {report.delivery_id}
    assert corrected.changed == {"kind": 2, "size": 1}


def test_a_text_that_is_too_long_for_excel_leaves_no_workbook(tmp_path: Path) -> None:
    content = csv_bytes(("ident", "note"), ("xx", "ä" * 40_000), ("a", "b"))
    result = facts_of(tmp_path, OPEN, content).result
    with pytest.raises(UsageError, match="too many for a workbook"):
        write_workbook({"": RefusedRows(tmp_path / "quarantine.parquet", result)}, OPEN, tmp_path / "fix.xlsx")
    assert not (tmp_path / "fix.xlsx").exists()


def test_a_sheet_has_few_enough_notes_to_open_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_sheet, "MAX_NOTES", 3)
    sheet = workbook_of(tmp_path, FILE)["Rows"]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert len([cell for cell in cells if cell.comment]) == 3
    assert len([cell for cell in cells if cell.fill.start_color.rgb == _WRONG]) == 5
