"""Files of agencies with an overlay are checked as if the agency had written them in the contract's way."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.overlays.overlay_reader import apply_overlay
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform_tests.unit.making import contract_of, custom, row_rule, text, typed

COLUMNS = [
    text("ident", required=True, unique=True),
    typed("day", "date", logicalTypeOptions={"minimum": "2020-01-01"}),
    typed(
        "size",
        "number",
        logicalTypeOptions={"minimum": 0, "maximum": 5_000},
        customProperties=custom(nullTokens=["N.A.", "9.999"]),
    ),
    typed("cost", "number", customProperties=custom(formats=["money"])),
    text("kind", enum=[{"value": "OPEN"}, {"value": "CLOSED"}], customProperties=custom(nullTokens=["N/A"])),
    typed("done", "boolean", required=True),
]
RULES = [row_rule("closed_is_done", "kind <> 'CLOSED' OR done")]
CONTRACT = contract_of(COLUMNS, quality=RULES)
OVERLAY = """
delimiter: ';'
nullTokens: [keine]
columns:
  ident: {synonyms: [Nummer]}
  day: {formats: [d.M.yyyy]}
  size: {decimals: comma, nullTokens: ['0,00', -.-]}
  cost: {decimals: comma}
  kind: {values: {offen: OPEN, zu: CLOSED, OPEN: CLOSED}}
  done: {values: {Ja: 'true', Nein: 'false'}}
"""
AGENCY = apply_overlay(CONTRACT, OVERLAY, "agencies/aurora/things.yaml", "agencies/aurora/things.yaml")
HEAD = ["Nummer", "day", "size", "cost", "kind", "done"]
KINDS = {"offen": "OPEN", "zu": "CLOSED", "OPEN": "CLOSED"}
DONE = {"Ja": "true", "Nein": "false"}
SIZES = {"N.A.": "", "n.a.": "", "N,A,": "N", "9,999": "", "9.999": "9,999", "0,00": "", "-.-": "", "-,-": "-"}
"""Null tokens of the contract and of the agency, and what is like them, in the contract's way."""
CELLS = st.tuples(
    st.sampled_from(["a", "b", "c", "keine", ""]),
    st.sampled_from(["3.1.2026", "13.12.2019", "2026-01-05", "31.2.2026", "keine", "KEINE ", "", "1/5/2026"]),
    st.sampled_from(["1,5", "1.5", "-2", "1.234", "1234", "4.999,5", "7.000", "keine", "", "x", *SIZES]),
    st.sampled_from(["1,5", "1.5", "$1.234,50", "(12,5)", "1,234.5", "1.234", "keine", "", "1,2,3"]),
    st.sampled_from(["offen", "zu", " zu ", "OPEN", "CLOSED", "Zu", "keine", "N/A", "", "other"]),
    st.sampled_from(["Ja", "Nein", "ja", "true", "keine", ""]),
)


def in_the_way_of_the_contract(row: tuple[str, ...]) -> list[str]:
    """The row that the agency would have sent without habits of its own, cell by cell and without Polars."""
    ident, day, size, cost, kind, done = ("" if cell.strip().upper() == "KEINE" else cell for cell in row)
    parts = day.split(".")
    if len(parts) == 3:
        day = f"{parts[2]}-{parts[1].zfill(2)}-{parts[0].zfill(2)}"
    elif day:
        day = f"not {day}"
    exchanged = str.maketrans(",.", ".,")
    return [
        ident,
        day,
        SIZES.get(size, size.translate(exchanged)),
        cost.translate(exchanged),
        KINDS.get(kind.strip(), kind),
        DONE.get(done.strip(), done),
    ]


def check(folder: Path, header: list[str], rows: list[Any], contract: Contract, delimiter: str) -> CheckResult:
    folder.mkdir(exist_ok=True)
    with (folder / "file.csv").open("w", encoding="utf-8", newline="") as file:
        # A column more, so that a row of null tokens is not an empty row in the contract's way.
        lines = [[*header, "more"], *([*row, "x"] for row in rows)]
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(lines)
    return check_file(folder / "file.csv", contract, folder)


def rows_of(folder: Path, name: str, *columns: str) -> list[tuple[Any, ...]]:
    path = folder / name
    return pl.read_parquet(path).select(columns or "*").rows() if path.exists() else []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELLS, min_size=1, max_size=20))
def test_an_overlay_gives_what_a_file_in_the_contracts_way_gives(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    with_overlay = check(theirs, HEAD, rows, AGENCY, ";")
    plain = check(ours, ["ident", *HEAD[1:]], [in_the_way_of_the_contract(row) for row in rows], CONTRACT, ",")
    assert with_overlay.reasons == plain.reasons
    assert [error.code for error in with_overlay.errors] == [error.code for error in plain.errors]
    assert rows_of(theirs, SILVER) == rows_of(ours, SILVER)
    assert rows_of(theirs, QUARANTINE, "_line", "reasons") == rows_of(ours, QUARANTINE, "_line", "reasons")


def edited(data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A column of the contract, edited by hand."""
    return data | fields


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(CELLS, min_size=1, max_size=20), formats=st.sampled_from([["d.M.yyyy"], ["M/d/yyyy", "yyyy-MM-dd"]])
)
def test_an_overlay_is_equal_to_the_contract_edited_by_hand(
    tmp_path: Path, rows: list[tuple[str, ...]], formats: list[str]
) -> None:
    tokens = custom(nullTokens=["N/A", "keine"])
    by_hand = contract_of(
        [
            edited(COLUMNS[0], synonyms=[{"synonym": "Nummer"}], customProperties=custom(nullTokens=["keine"])),
            edited(COLUMNS[1], customProperties=custom(formats=formats)),
            COLUMNS[2],
            COLUMNS[3],
            edited(COLUMNS[4], customProperties=tokens),
            COLUMNS[5],
        ],
        quality=RULES,
        servers=[{"server": "drop", "type": "s3", "location": "s3://b", "format": "csv", "delimiter": ";"}],
    )
    source = f"""
delimiter: ';'
columns:
  ident: {{synonyms: [Nummer], nullTokens: [keine]}}
  day: {{formats: {formats}}}
  kind: {{nullTokens: [keine]}}
"""
    overlaid = apply_overlay(CONTRACT, source, "o.yaml", "o.yaml")
    assert [replace(column, overlay=None) for column in overlaid.columns] == [
        replace(column, line=overlaid.column(column.name).line) for column in by_hand.columns
    ]
    assert overlaid.reading_overrides == by_hand.reading_overrides
    one, other = tmp_path / "one", tmp_path / "other"
    found, expected = (
        check(one, HEAD, rows, overlaid, ";"),
        check(other, HEAD, rows, by_hand, ";"),
    )
    # Messages name what says how the files are written.
    errors = tuple(replace(one, message=one.message.replace("overlay", "contract")) for one in found.errors)
    assert replace(found, overlay=None, errors=errors) == expected
    assert rows_of(one, SILVER) == rows_of(other, SILVER)
    assert rows_of(one, QUARANTINE) == rows_of(other, QUARANTINE)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELLS, min_size=1, max_size=20))
def test_no_row_of_silver_breaks_a_rule_of_the_contract(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    check(tmp_path, HEAD, rows, AGENCY, ";")
    for ident, day, size, _, kind, done in rows_of(tmp_path, SILVER):
        assert ident in {"a", "b", "c"}
        assert day is None or day.year >= 2020
        assert size is None or 0 <= size <= 5_000
        assert kind in {None, "OPEN", "CLOSED"}
        assert done is True or (done is False and kind != "CLOSED")


def test_the_result_names_the_overlay_and_counts_the_cells_that_it_changed(tmp_path: Path) -> None:
    rows = [
        ("a", "3.1.2026", "1,5", "", " zu ", "Ja"),
        ("b", "keine", "", "", "offen", "Nein"),
        ("c", "x", "", "", "x", "x"),
    ]
    result = check(tmp_path, HEAD, rows, AGENCY, ";")
    assert result.overlay is not None
    assert result.overlay.file == "agencies/aurora/things.yaml"
    assert result.overlay.changed_cells == {"day": 1, "kind": 2, "done": 2}
    assert CheckResult.from_json(result.to_json()) == result


def test_a_file_that_cannot_be_read_names_the_overlay_too(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"")
    result = check_file(path, AGENCY, tmp_path)
    assert result.errors
    assert result.overlay is not None
    assert result.overlay.sha256 == (AGENCY.overlay and AGENCY.overlay.sha256)


def test_an_example_shows_the_number_as_it_was_sent(tmp_path: Path) -> None:
    result = check(tmp_path, HEAD, [("a", "", "1.234,5x", "", "", "Ja"), ("b", "", "", "", "", "Ja")], AGENCY, ";")
    assert [example.value for example in result.examples["size.type"]] == ["1.234,5x"]


def test_numbers_of_a_workbook_keep_their_point_and_what_is_undecided_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    rows = [(1.5, 2.5), ("1,5", "$1.234,50"), (1.234, 0.125), ("1.234", "1.234"), (1_234, 1_234.5)]
    sheet.append(HEAD)
    for number, (size, cost) in enumerate(rows):
        sheet.append([f"k{number}", "", size, cost, "", "Ja"])
    book.save(tmp_path / "file.xlsx")
    contract = apply_overlay(CONTRACT, OVERLAY.replace("delimiter: ';'", ""), "o.yaml", "o.yaml")
    result = check_file(tmp_path / "file.xlsx", contract, tmp_path)
    assert rows_of(tmp_path, SILVER, "size", "cost") == [(1.5, 2.5), (1.5, 1_234.5), (1_234, 1_234.5)]
    assert result.reasons == {"cost.type": 1, "size.type": 2}


@pytest.mark.parametrize("cells", [["1.5", "2.5", "1.234"]])
def test_a_file_with_points_where_commas_are_announced_is_refused(tmp_path: Path, cells: list[str]) -> None:
    rows = [(f"k{number}", "", "", cell, "", "Ja") for number, cell in enumerate(cells * 3)]
    result = check(tmp_path, HEAD, rows, AGENCY, ";")
    (error,) = (error for error in result.errors if error.code == "ambiguous_numbers")
    assert "can be read with a decimal comma or with a decimal point" in error.message
    assert "send numbers with a decimal comma" in error.message


def test_labels_lookups_and_bounds_see_the_values_of_the_contract(tmp_path: Path) -> None:
    columns = [
        text("ident", required=True),
        text("code", enum=[{"value": "1", "label": "one"}], customProperties=custom(useLabels=True)),
        typed("until", "date", logicalTypeOptions={"maximum": "2026-12-31"}),
    ]
    contract = contract_of(columns)
    source = "columns: {code: {values: {eins: '1'}}, until: {formats: [yyyy-dd-MM]}}"
    overlaid = apply_overlay(contract, source, "o.yaml", "o.yaml")
    check(
        tmp_path, ["ident", "code", "until"], [("a", "eins", "2026-31-12"), ("b", "zwei", "2027-01-12")], overlaid, ","
    )
    assert [row[:2] for row in rows_of(tmp_path, SILVER)] == [("a", "one")]
    assert rows_of(tmp_path, QUARANTINE, "reasons") == [("code.allowed;until.range",)]


@pytest.mark.parametrize("sent", ["Pe\u00f1a", "Pen\u0303a", "Pe\u00f1a\u200b", "\u00a0Pe\u00f1a"])
@pytest.mark.parametrize("written", ["Pe\u00f1a", "Pen\u0303a", "Pe\u200b\u00f1a", "Pe\u00f1a\u00a0"])
def test_a_text_is_found_however_unicode_writes_it(tmp_path: Path, written: str, sent: str) -> None:
    source = f"columns: {{kind: {{values: {{'{written}': OPEN}}}}, ident: {{nullTokens: ['{written}']}}}}\n"
    contract = apply_overlay(contract_of([text("ident"), COLUMNS[4]]), source, "aurora.yaml", "aurora.yaml")
    result = check(tmp_path / "sent", ["ident", "kind"], [(sent, sent)], contract, ",")
    assert not result.reasons
    assert rows_of(tmp_path / "sent", SILVER) == [(None, "OPEN")]
    assert result.overlay is not None
    assert result.overlay.changed_cells == {"ident": 1, "kind": 1}


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        ("delimiter: '|'", "the delimiter '|', but"),
        ("encoding: utf-16", "the encoding utf-16, but"),
        ("headerLine: 9", "line 9 as the header, but"),
    ],
)
def test_a_file_that_contradicts_an_overlay_names_the_overlay(tmp_path: Path, sets: str, found: str) -> None:
    name = "agencies/aurora/things.yaml"
    contract = contract_of([text("ident")])
    result = check(tmp_path / "one", ["ident"], [("a",)], apply_overlay(contract, f"{sets}\n", name, name), ",")
    (error,) = result.errors
    assert error.code == "not_as_pinned"
    assert error.message.startswith(f"the overlay {name} sets {found}")
    assert error.message.endswith("; send the file that way, or have the overlay changed")


def test_a_file_that_contradicts_the_contract_names_the_contract_whatever_an_overlay_sets(tmp_path: Path) -> None:
    contract = contract_of([text("ident"), text("more")], customs=custom(header="none"))
    adapted = apply_overlay(contract, "encoding: utf-8\n", "aurora.yaml", "aurora.yaml")
    result = check(tmp_path / "one", ["a", "b", "c"], [("a", "b", "c")], adapted, ",")
    (error,) = result.errors
    assert error.message.startswith("the contract sets no header and 2 columns")


def test_dates_in_another_order_than_an_overlay_says_are_refused_with_its_name(tmp_path: Path) -> None:
    days = [(name, day, "1", "", "offen", "Ja") for name, day in (("a", "3.1.2026"), ("b", "1.13.2026"))]
    (error,) = check(tmp_path / "one", HEAD, days, AGENCY, ";").errors
    assert error.code == "ambiguous_dates"
    assert "day first, as the overlay has it" in error.message
    assert "change the overlay's formats" in error.message
