"""Random sheets, written as Excel and other programs write .xls files, are read back as Excel shows them."""

import io
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.reading.workbooks.xls_sheets import open_xls
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import (
    EMPTY_RESULT,
    ERRORS,
    TEXT_RESULT,
    Book,
    Cell,
    ErrorValue,
    Formula,
    Number,
    SheetOf,
    record,
    workbook,
)

FORMATS = ("00000", "[Red]0.00", 14, "[h]:mm", '0.0" days"', "[$-409]d/m/yyyy;@", "0.00;[Red]-0.00")
PADDED, RED, DAY, ELAPSED, DAYS, LOCAL_DAY = range(1, 7)
THEME = record(0x896, b"PK\3\4" + bytes(40) + b"PK\5\6" + bytes(18))
"""A theme is a zip inside of the workbook: with it, the whole file looks like a zip."""

ANY_TEXT = st.text(st.characters(categories=("L", "N", "S", "P")), min_size=1, max_size=40)
WORDS = st.lists(st.sampled_from(("Peña", "López", "Müller", "Brown", "João", "12-B", "Noël")), min_size=1, max_size=5)
WESTERN = WORDS.map(" ".join)
HUNDREDTHS = st.integers(-(2**28), 2**28).map(lambda number: number / 100)


def shown_numbers() -> st.SearchStrategy[tuple[Cell, str]]:
    """Cells of numbers with the text that Excel shows."""
    return st.one_of(
        st.integers(-(2**29), 2**29 - 1).map(lambda n: (Number(n, packed=True), str(n))),
        HUNDREDTHS.map(lambda n: (Number(n, RED, packed=True), f"{n:.2f}".rstrip("0").rstrip("."))),
        HUNDREDTHS.map(lambda n: (Number(n), f"{n:.2f}".rstrip("0").rstrip("."))),
        st.integers(0, 99_999).map(lambda n: (Number(n, PADDED, packed=True), f"{n:05}")),
        st.integers(0, 99_999).map(lambda n: (Number(n, DAYS), str(n))),
        st.sampled_from((DAY, LOCAL_DAY)).map(lambda style: (Number(45_000, style), "2023-03-15")),
        st.integers(0, 500).map(lambda n: (Number(n / 24, ELAPSED), f"{n}:00:00")),
        st.sampled_from(sorted(ERRORS)).map(lambda name: (ErrorValue(name), name)),
        st.booleans().map(lambda truth: (truth, str(truth).lower())),
    )


def cells(texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Cell, str]]:
    formulas = texts.map(lambda text: (Formula(TEXT_RESULT, text), text))
    blank = st.sampled_from([(None, ""), (Formula(EMPTY_RESULT), "")])
    return st.one_of(texts.map(lambda text: (text, text)), shown_numbers(), formulas, blank)


def sheets(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[tuple[Cell, str]]]]:
    return st.lists(st.lists(cells(texts), min_size=1, max_size=6), min_size=1, max_size=8)


def read(content: bytes) -> dict[str, list[list[str]]]:
    return {sheet.name: [row.cells for row in sheet.rows()] for sheet in open_xls(io.BytesIO(content)).sheets}


def without_blank_end(cells: Sequence[str]) -> list[str]:
    shown = list(cells)
    while shown and not shown[-1]:
        shown.pop()
    return shown


def expected(rows: Sequence[Sequence[tuple[Cell, str]]]) -> list[list[str]]:
    return [shown for row in rows if (shown := without_blank_end([text for _, text in row]))]


@settings(max_examples=150)
@given(
    rows=sheets(ANY_TEXT),
    small=st.booleans(),
    theme=st.booleans(),
    piece=st.integers(60, 300) | st.just(8_224),
    code_page=st.sampled_from([1_200, 1_252, 1_251, None]),
)
def test_a_workbook_of_excel_97_reads_back(
    rows: list[list[tuple[Cell, str]]], small: bool, theme: bool, piece: int, code_page: int | None
) -> None:
    sheet = SheetOf([[cell for cell, _ in row] for row in rows], name="Día Ω")
    book = Book([sheet], formats=FORMATS, piece=piece, code_page=code_page, last=THEME if theme else b"")
    found = read(workbook(book, small=small))
    assert found["Día Ω"] == expected(rows)


@settings(max_examples=100)
@given(rows=sheets(WESTERN), small=st.booleans())
def test_a_workbook_of_excel_95_reads_back(rows: list[list[tuple[Cell, str]]], small: bool) -> None:
    sheet = SheetOf([[cell for cell, _ in row] for row in rows], name="Día")
    found = read(workbook(Book([sheet], version=5, formats=FORMATS), small=small))
    assert found["Día"] == expected(rows)
