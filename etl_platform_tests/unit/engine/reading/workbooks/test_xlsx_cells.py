"""Cells of an .xlsx in every spelling of their XML: the same table, within bounds, and as Excel shows it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import LINE
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.workbooks.cell_texts import number_text, stored_moment
from etl_platform.engine.reading.workbooks.number_formats import NumberFormat, Shows
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN
from etl_platform_tests.unit.engine.reading.little_memory import read_in_little_memory
from etl_platform_tests.unit.engine.reading.workbooks.xlsx_writer import (
    SHEET,
    STRICT,
    Xlsx,
    number_cell,
    rows_xml,
    text_cell,
)
from etl_platform_tests.unit.making import cells_of, cells_read, contract_of, read_back, refusal, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
HEAD = ["ident", "label", "remark"]
QUIET = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def dialect_of(path: Path, book: Xlsx) -> FileDialect:
    path.write_bytes(book.content())
    return read_back(path, CONTRACT)[0].describe()


def table(*rows: list[str | None]) -> str:
    return rows_xml([HEAD, *rows])


ANY_TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=8)
BLANK = st.sampled_from(["", " ", "\n", "\t ", "\r\n  "])
FILLER = st.sampled_from(["", "", "\n", "<!-- <c r='XFD1048576'><v>1</v></c> -->", "<?pi r='Z9'?>", "  "])
OTHERS = st.lists(
    st.sampled_from(['x:r="XFD1048576"', 'spans="1:3"', 'ht=">"', 'x:t="e"', 'cm = "1"', f'x:y="{"9" * 300}"']),
    unique=True,
    max_size=3,
)


class Speller:
    """Writes tags in a drawn spelling."""

    def __init__(self, draw: Callable[[st.SearchStrategy[str]], str], others: Callable[[], list[str]]) -> None:
        self._draw, self._others = draw, others

    def attribute(self, name: str, value: str) -> str:
        quote = self._draw(st.sampled_from("\"'"))
        coded = self._draw(
            st.sampled_from([value, f"&#{ord(value[0])};{value[1:]}", f"&#x{ord(value[0]):X};{value[1:]}"])
        )
        return f"{name}{self._draw(BLANK)}={self._draw(BLANK)}{quote}{coded}{quote}"

    def tag(self, name: str, attributes: dict[str, str], body: str) -> str:
        written = [self.attribute(*pair) for pair in attributes.items()]
        listed = [*written, *self._others()]
        if self._draw(st.sampled_from("ab")) == "a":
            listed.reverse()
        head = "".join(f"\n{item}" for item in listed) + self._draw(BLANK)
        return f"<{name}{head}/>" if not body else f"<{name}{head}>{body}</{name}>"

    def text(self, value: str) -> str:
        if value and self._draw(st.sampled_from("abc")) == "a" and "]]>" not in value:
            return f"<![CDATA[{value}]]>"
        return (
            "".join(f"&#{ord(letter)};" for letter in value)
            if self._draw(st.sampled_from("ab")) == "a"
            else escape(value)
        )


@QUIET
@given(data=st.data(), rows=st.lists(st.lists(ANY_TEXT | st.none(), min_size=3, max_size=3), max_size=4))
def test_every_spelling_of_a_sheet_gives_the_same_table(
    path: Path, data: st.DataObject, rows: list[list[str | None]]
) -> None:
    speller = Speller(data.draw, lambda: data.draw(OTHERS))
    lines = []
    number = 0
    expected: list[tuple[str, ...]] = []
    for row in (HEAD, *rows):
        gap = data.draw(st.sampled_from([0, 0, 1, 5])) if number else 0
        filled = any(cell and cell.strip() for cell in row)
        number += 1 + gap
        named = gap > 0 or data.draw(st.booleans())
        cells = []
        place = 0
        for column, cell in enumerate(row):
            if cell is None and data.draw(st.booleans()):
                continue
            letters = data.draw(st.sampled_from(["ABC"[column], "abc"[column]]))
            attributes = {"r": f"{letters}{number}"} if place != column or data.draw(st.booleans()) else {}
            place = column + 1
            cells.append(cell_xml(speller, attributes, cell))
            cells.append(data.draw(FILLER))
        lines.append(data.draw(FILLER) + speller.tag("row", {"r": str(number)} if named else {}, "".join(cells)))
        if filled and row is not HEAD:
            expected.append((str(number), *((cell or "") if (cell or "").strip() else "" for cell in row)))
    sheet = f'<worksheet xmlns:x="urn:x">{data.draw(FILLER)}<sheetData>{"".join(lines)}</sheetData></worksheet>'
    path.write_bytes(Xlsx("", changed={SHEET: sheet}).content())
    frame = read_back(path, None)[1]
    found = (
        [(str(line), *cells) for line, cells in zip(frame[LINE], cells_of(frame), strict=True)] if frame.height else []
    )
    assert found == expected


def cell_xml(speller: Speller, attributes: dict[str, str], value: str | None) -> str:
    if not value:
        return speller.tag("c", attributes, "")
    inner = f"<t>{speller.text(value)}</t>"
    return speller.tag("c", attributes | {"t": "inlineStr"}, f"<is>{inner}</is>")


FAR_ROW, FAR = '<row r="1048576">', "XFD1048576"
LAST_CELL = f'<c r="{FAR}" {text_cell("x")}</c>'
DEEP = 'xmlns:a="urn:a" ' + " ".join(f'a:b{n}="{n}"' for n in range(500))


@pytest.mark.parametrize(
    ("sheet", "code"),
    [
        (table(["1", "a", "b"]) + f"{FAR_ROW}{LAST_CELL}</row>", "workbook_too_large"),
        (table(["1", "a", "b"]) + f"{FAR_ROW}<c {DEEP} r='{FAR}' t='n'><v>1</v></c></row>", "workbook_too_large"),
        (
            table(["1", "a", "b"]) + '<row r="1048576"><c t="n" r="&#88;FD1048576"><v>1</v></c></row>',
            "workbook_too_large",
        ),
        (table(["1", "a", "b"]) + '<row r="999999999999999999999"><c><v>1</v></c></row>', "workbook_too_large"),
        (table(["1", "a", "b"]) + '<row r="4"><c r="ZZZZZZZ4"><v>1</v></c></row>', "workbook_too_large"),
        (table(["1", "a", "b"]) + f"<row r='4'>{'<c/>' * 20_000}<c><v>1</v></c></row>", "workbook_too_large"),
        (table(["1", "a", "b"]) + "<row r='4'>" + "<x>" * 300_000, "workbook_damaged"),
        (table(["1", "a", "b"]) + "<row r='4'><c>" + "<v>" * 300_000, "workbook_damaged"),
        (table(["1", "a", "b"]) + f"<row r='{'9' * 9_000}'><c><v>1</v></c></row>", "workbook_too_large"),
        (table(["1", "a", f't="s"><v>{"9" * 9_000}</v>']), "workbook_damaged"),
        (table(["1", "a", "b"]) + f"<row r='4'><c x='{'y' * 5_000_000}'/></row>", "workbook_damaged"),
        (table(["1", "a", "b"]) + '<row r="2"><c r="A2"><v>1</v></c></row>', "workbook_damaged"),
        (table(["1", "a", "b"]) + '<row r="4"><c r="A5"><v>1</v></c></row>', "workbook_damaged"),
        (table(["1", "a", "b"]) + '<row r="4"><c r="4"><v>1</v></c></row>', "workbook_damaged"),
        (table(["1", "a", "b"]) + "<row><c><v>1</v></c><row/></row>", "workbook_damaged"),
        (table(["1", "a", 't="s"><v>99999999999</v>']), "workbook_damaged"),
        (table(["1", "a", 't="new"><v>1</v>']), "workbook_damaged"),
        (rows_xml([HEAD]) + "<row><c r='A2'><v>1</v></c><c r='A2'><v>2</v></c></row>", "workbook_damaged"),
    ],
    # The sheets are too long for an id, which pytest passes on in the environment.
    ids=lambda value: value[-40:],
)
def test_a_sheet_beyond_its_limits_is_refused_in_little_memory(path: Path, sheet: str, code: str) -> None:
    path.write_bytes(Xlsx(sheet).content())
    assert read_in_little_memory(path, gib=3) == code


def test_shared_texts_that_only_claim_to_be_many_ask_for_no_memory(path: Path) -> None:
    texts = '<sst count="99999999999999" uniqueCount="99999999999999"><si><t>shared</t></si></sst>'
    book = Xlsx(table(["1", 't="s"><v>0</v>', "b"]), changed={"xl/sharedStrings.xml": texts})
    assert cells_read(path, CONTRACT, book.content()) == [("1", "shared", "b")]


def test_cells_and_rows_that_hold_nothing_are_no_rows(path: Path) -> None:
    empty = (
        '<row r="4" s="1" customFormat="1"/><row r="5"><c r="A5" s="1"/><c r="XFD5" s="1"/></row>'
        f'<row r="900000"><c r="B900000" t="s"><v></v></c><c r="C900000" {text_cell(" ")}</c></row>'
        f'<row r="1048576" hidden="1"><c r="{FAR}" s="1"><f></f></c></row>'
    )
    book = Xlsx(table(["1", "a", "b"]) + empty.replace("<f></f>", ""), before='<dimension ref="A1:XFD1048576"/>')
    assert cells_read(path, CONTRACT, book.content()) == [("1", "a", "b")]


def test_text_beside_the_table_is_no_row_and_is_in_the_report(path: Path) -> None:
    note = f'<row r="9"><c r="F9" {text_cell("printed by hand")}</c></row>'
    path.write_bytes(Xlsx(table(["1", "a", "b"]) + note).content())
    found, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b")]
    assert [(line.line, line.text) for line in found.describe().dropped] == [(9, "printed by hand")]


def test_cells_out_of_order_stand_where_their_references_say(path: Path) -> None:
    row = (
        f'<row r="2"><c r="C2" {text_cell("b")}</c><c r="A2" {text_cell("1")}</c><c r="$b$2" {text_cell("a")}</c></row>'
    )
    assert cells_read(path, CONTRACT, Xlsx(rows_xml([HEAD]) + row).content()) == [("1", "a", "b")]


@pytest.mark.parametrize("kind", ["#SPILL!", "#BLOCKED!", "#CALC!", "#N/A", "#nonsense"])
def test_an_error_of_any_kind_costs_its_cell_only(path: Path, kind: str) -> None:
    book = Xlsx(table(["1", f't="e"><v>{kind}</v>', "b"], ["2", 't="e"><f>A1</f>', "c"]))
    assert cells_read(path, CONTRACT, book.content()) == [("1", kind, "b"), ("2", "#ERROR!", "c")]


def test_texts_of_runs_are_joined_without_their_pronunciation_and_escapes_are_characters(path: Path) -> None:
    plain, bold = "<r><t>Sam</t></r>", "<r><rPr><b/></rPr><t xml:space='preserve'>ple </t></r>"
    runs = f"<is>{plain}{bold}<rPh sb='0' eb='1'><t>x</t></rPh></is>"
    book = Xlsx(table([f't="inlineStr">{runs}', "line_x000D__x000A_two", "_x005F_x0041_ _xD83D__xDE00_ _xD83D_"]))
    assert cells_read(path, CONTRACT, book.content()) == [
        ("Sample ", "line\r\ntwo", "_x0041_ \N{GRINNING FACE} _xD83D_")
    ]


@pytest.mark.parametrize(
    ("stored", "code", "shown"),
    [
        ("1234.5600000000002", "General", "1234.56"),
        ("0.30000000000000004", "General", "0.3"),
        ("2.9999999999999996", "0.00", "3"),
        ("1E-7", "General", "0.0000001"),
        ("1.5E+20", "General", "150000000000000000000"),
        ("-0.1", "0.0", "-0.1"),
        ("0.28499999999999998", "0.0%", "0.285"),
        ("0.5", "0%", "0.5"),
        ("007", "General", "7"),
        ("7", "000", "007"),
        ("7", "0", "7"),
        ("nonsense", "General", "nonsense"),
        ("1_000", "General", "1_000"),
        ("nan", "General", "nan"),
        ("45000", "m/d/yyyy", "2023-03-15"),
        ("45000.75", "m/d/yy h:mm", "2023-03-15T18:00:00"),
        ("45000.7500057", "m/d/yy h:mm:ss.000", "2023-03-15T18:00:00.492"),
        ("45000", "[$-409]d-mmm-yy;@", "2023-03-15"),
        ("0.354166666666667", "h:mm AM/PM", "08:30:00"),
        ("0.99999999999", "h:mm", "24:00:00"),
        ("1", "h:mm", "24:00:00"),
        ("1.5", "[h]:mm", "36:00:00"),
        ("0.0625", "[mm]:ss", "1:30:00"),
        ("0.5208449", "h:mm:ss.00", "12:30:00.999"),
        ("1", "m/d/yyyy", "1900-01-01"),
        ("59", "m/d/yyyy", "1900-02-28"),
        ("60", "m/d/yyyy", "60"),
        ("61", "m/d/yyyy", "1900-03-01"),
        ("0", "m/d/yyyy", "0"),
        ("2958466", "m/d/yyyy", "2958466"),
        ("45000", "Standard", "45000"),
        ("45000", '0 "days"', "45000"),
        ("45000", "0 0/0", "45000"),
        ("7", "#000", "007"),
        ("45000", "#000", "45000"),
        ("45000", "#-00", "45000"),
        ("601", "[<=99999]00000;00000\\-0000", "00601"),
        ("99999", "[<=99999]00000;00000\\-0000", "99999"),
        ("99999", "[<99999]00000;00000\\-0000", "00009-9999"),
        ("6011234", "[<=99999]00000;00000\\-0000", "00601-1234"),
        ("5551234", "[<=9999999]###\\-####;\\(###\\)\\ ###\\-####", "5551234"),
        ("45000", "#,##0_);[Red](#,##0)", "45000"),
    ],
)
def test_a_number_reads_as_excel_shows_it(path: Path, stored: str, code: str, shown: str) -> None:
    book = Xlsx(table(["1", number_cell(stored, 1), "b"]), formats=[code])
    assert cells_read(path, CONTRACT, book.content()) == [("1", shown, "b")]


@pytest.mark.parametrize(("number", "shown"), [(14, "2023-03-15"), (22, "2023-03-15"), (0, "45000"), (49, "45000")])
def test_built_in_formats_have_no_code(path: Path, number: int, shown: str) -> None:
    styles = f'<styleSheet><cellXfs><xf/><xf numFmtId="{number}"/></cellXfs></styleSheet>'
    book = Xlsx(table(["1", number_cell(45_000, 1), "b"]), changed={"xl/styles.xml": styles})
    assert cells_read(path, CONTRACT, book.content()) == [("1", shown, "b")]


def test_dates_as_texts_and_truths_are_read(path: Path) -> None:
    book = Xlsx(table(['t="d"><v>2023-03-15T00:00:00</v>', 't="d"><v>2023-03-15T18:00:00</v>', 't="b"><v>1</v>']))
    assert cells_read(path, CONTRACT, book.content()) == [("2023-03-15", "2023-03-15T18:00:00", "true")]


@pytest.mark.parametrize(
    ("stored", "code", "shown"),
    [
        ("2023-03-15T11:01:02.00000024400651375", "m/d/yy h:mm", "2023-03-15T11:01:02"),
        ("2023-12-31T23:59:59.9999999999984025", "m/d/yy h:mm", "2024-01-01"),
        ("2023-03-15T11:01:02.2504", "m/d/yy h:mm:ss.000", "2023-03-15T11:01:02.250"),
        ("10:59:59.9999999999984025", "h:mm AM/PM", "11:00:00"),
        ("01:34:00.00000000000154875", "h:mm", "01:34:00"),
        ("PT24H0M0.000S", "[h]:mm", "24:00:00"),
        ("PT0H3M0.000S", "[h]:mm", "0:03:00"),
        ("2023-03-15", "m/d/yy", "2023-03-15"),
        ("2023-03-15T00:00:00.000Z", "m/d/yy", "2023-03-15"),
        ("2023-03-15T08:27:48.765Z", "m/d/yy", "2023-03-15T08:27:48.765Z"),
        ("2023-02-30T00:00:00", "m/d/yy", "2023-02-30T00:00:00"),
        ("P1D", "m/d/yy", "P1D"),
    ],
)
def test_dates_times_and_durations_of_a_strict_workbook_lose_their_noise(
    path: Path, stored: str, code: str, shown: str
) -> None:
    book = Xlsx(table(["1", f's="1" t="d"><v>{stored}</v>', "b"]), formats=[code], namespace=STRICT)
    assert cells_read(path, CONTRACT, book.content()) == [("1", shown, "b")]


@given(moment=st.datetimes(datetime(1900, 3, 1), datetime(9998, 1, 1)), noise=st.integers(-400_000, 400_000))  # noqa: DTZ001
def test_a_strict_and_a_usual_workbook_show_the_same_moment(moment: datetime, noise: int) -> None:
    form = NumberFormat(Shows.MOMENT)
    noisy = moment.replace(microsecond=0) + timedelta(microseconds=noise)
    days = (noisy - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001
    assert stored_moment(noisy.isoformat(), form) == number_text(days, form, EXCEL_ORIGIN)


EXCEL = '<fileVersion appName="xl"/>'
TO_CALCULATE = '<calcPr fullCalcOnLoad="1"/>'
EMPTY, ZERO, RESULT = 't="str"><f>A1</f><v></v>', "><f>A1</f><v>0</v>", 't="str"><f>A1</f><v>x</v>'
INLINE = 't="inlineStr"><f>A1</f><is><t></t></is>'


@pytest.mark.parametrize(
    ("book", "cells", "refused"),
    [
        ("", ["><f>A1</f>"], True),
        ("", ['t="str"><f>A1</f>'], True),
        (EXCEL, ["><f>A1</f><v></v>"], True),
        ("", [EMPTY], True),
        ("", [EMPTY, RESULT], False),
        ("", [INLINE], True),
        ("", [INLINE, RESULT], False),
        (EXCEL, [EMPTY], False),
        (EXCEL + TO_CALCULATE, [EMPTY, ZERO], True),
        (TO_CALCULATE, [ZERO], True),
        (TO_CALCULATE, [ZERO, "><f>A1</f><v>7</v>"], False),
        ("", [ZERO], False),
    ],
)
def test_a_formula_that_was_never_calculated_is_refused(path: Path, book: str, cells: list[str], refused: bool) -> None:
    content = Xlsx(table(*(["1", cell, "b"] for cell in cells)), book=book).content()
    if refused:
        assert refusal(path, CONTRACT, content).code == "workbook_uncalculated"
    else:
        assert len(cells_read(path, CONTRACT, content)) == len(cells)


def test_merged_cells_and_what_excel_hides_are_in_the_report(path: Path) -> None:
    rows = table(["1", "a", "b"], ["2", None, "c"], ["3", None, "d"], ["4", "x", "e"])
    for number in (2, 3, 5):
        rows = rows.replace(f'<row r="{number}">', f'<row r="{number}" hidden="1">')
    columns = '<cols><col min="2" max="2" width="9"/><col min="3" max="16384" hidden="true"/></cols>'
    merged = '<mergeCells><mergeCell ref="A1:C1"/><mergeCell ref="B2:B4"/><mergeCell ref="nonsense"/></mergeCells>'
    dialect = dialect_of(path, Xlsx(rows, before=columns, after=merged))
    assert dialect.merged_cells == ("B2:B4",)
    assert dialect.hidden_rows == ("2-3", "5")
    assert dialect.hidden_columns == ("C (remark)",)
    assert FileDialect.from_json(dialect.to_json()) == dialect


def test_many_hidden_rows_are_counted(path: Path) -> None:
    rows = table(*([str(n), "a", "b"] for n in range(60)))
    for number in range(2, 62, 2):
        rows = rows.replace(f'<row r="{number}">', f'<row r="{number}" hidden="1">')
    hidden = dialect_of(path, Xlsx(rows)).hidden_rows
    assert hidden is not None
    assert (hidden[0], len(hidden), hidden[-1]) == ("2", 21, "10 more")


def test_a_hidden_sheet_that_is_read_is_in_the_report(path: Path) -> None:
    book = Xlsx(table(["1", "a", "b"]))
    assert dialect_of(path, book).sheet_is_hidden is None
    listed = str(book.parts()["xl/workbook.xml"]).replace('name="S"', 'name="S" state="veryHidden"')
    assert dialect_of(path, Xlsx(table(["1", "a", "b"]), changed={"xl/workbook.xml": listed})).sheet_is_hidden
