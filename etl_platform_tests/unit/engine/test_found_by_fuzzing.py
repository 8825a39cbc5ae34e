"""Files that once broke the engine or lost a row, found by a random search and reduced."""

import zipfile
from functools import partial
from itertools import count
from pathlib import Path

import openpyxl
import pytest

from benchmarks.mutate import CONTRACT as FUZZ_CONTRACT
from benchmarks.mutate import make_case
from etl_platform.engine.check import check_file
from etl_platform.engine.columns import LINE, TOO_FEW
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.errors import ContractError, UnreadableFileError
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.reading.delimited.split_rows import MAX_ROW_BYTES
from etl_platform.engine.reading.tables.headers import unique_names
from etl_platform.engine.reading.workbooks import sheet_rows
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, text, typed

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
FUZZED = parse_contract(FUZZ_CONTRACT, "fuzz.odcs.yaml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery"


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Springfield PD\r\r\nExported\r\r\nident,label,remark\r\r\n", id="CR CR LF"),
        pytest.param(b"Springfield PD\rExported\nident,label,remark\n", id="a lone CR above the header"),
        pytest.param(b'Springfield PD\r"a\nb"\rident,label,remark\r', id="a quoted LF among CR"),
        pytest.param(b"Springfield PD\n\rident,label,remark\r\n", id="LF CR"),
    ],
)
def test_no_row_is_lost_below_lines_with_different_line_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, block: int
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", block)
    line_end = head[-1:] if head.endswith(b"\r") else head[head.rindex(b"k") + 1 :]
    path.write_bytes(head + line_end.join([b"1,a,b", b"2,c,d", b""]))
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b"), ("2", "c", "d")]


@pytest.mark.parametrize("tail", [b"", b"3,g,h\r"])
def test_a_line_feed_without_quotes_ends_a_row_among_carriage_returns_too(path: Path, tail: bytes) -> None:
    path.write_bytes(b"ident,label,remark\r1,a,b\r" + tail + b'2,"c\nd",e\n4,5,6\r')
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame)[-2:] == [("2", "c\nd", "e"), ("4", "5", "6")]
    assert frame[LINE].to_list()[-1] == 5 + bool(tail)


def test_a_damaged_row_is_counted_under_a_contract_without_rules(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"ident,label,remark\n1,a,b\n2,c\n")
    result = check_file(path, CONTRACT, tmp_path)
    assert (result.accepted_rows, result.reasons) == (1, {TOO_FEW: 1})


def test_a_cell_longer_than_any_row_may_be_is_text_of_its_short_row(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"ident,label,remark\n1," + b"x" * (MAX_ROW_BYTES + (1 << 20)) + b"\n2,c,d\n")
    result = check_file(path, CONTRACT, tmp_path)
    assert (result.accepted_rows, result.reasons) == (1, {TOO_FEW: 1})


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(["1" + "0" * 308, "-1" + "0" * 308, "0"], id="as far apart as they can be"),
        pytest.param(["9007199254740993000", "9007199254740993000"], id="one number with more digits than a float has"),
        pytest.param(["9007199254740993000", "9007199254740995000"], id="as near as floats can be"),
    ],
)
def test_numbers_have_a_histogram(path: Path, tmp_path: Path, numbers: list[str]) -> None:
    path.write_text("n,label\n" + "".join(f"{number},a\n" for number in numbers), "utf-8")
    result = check_file(path, contract_of([typed("n", "number"), text("label")]), tmp_path)
    assert sum(part.rows for part in result.profile["n"].histogram or ()) == len(numbers)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", ["2026-01-05", "1/5/2026", "2026-01-06", "x", "x"]),
        ("integer", ["7", "007", "8", "x", "x"]),
        ("number", ["0.5", ".50", "0", "x", "x"]),
        ("boolean", ["true", "TRUE", "false", "x", "x"]),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_a_key_written_in_two_ways_is_one_key(
    path: Path, tmp_path: Path, kind: str, values: list[str], together: bool
) -> None:
    formats = custom(formats=["yyyy-MM-dd", "M/d/yyyy"]) if kind == "date" else []
    key = typed("key", kind, primaryKey=True, customProperties=formats)
    contract = contract_of([key, text("label", primaryKey=together)])
    path.write_text("key,label\n" + "".join(f"{value},a\n" for value in values), "utf-8")
    reason = "key+label.unique" if together else "key.unique"
    result = check_file(path, contract, tmp_path)
    assert result.accepted_rows == 1
    assert result.reasons == {"key.type": 2, reason: 2}


@pytest.mark.parametrize("pattern", ["HH:mm", "yyyy-MM-dd hh:mm", "yyyy-MM-dd HH:mm a"])
def test_a_format_that_no_value_can_have_is_an_error_of_the_contract(pattern: str) -> None:
    contract = contract_of([typed("at", "timestamp", logicalTypeOptions={"format": pattern})])
    with pytest.raises(ContractError, match="at: "):
        compile_contract(contract, {})


def test_a_workbook_is_detected_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["ident", "label", "remark"], ["1", "a", "b"]):
        book.active.append(row)
    path = tmp_path / "new format.xls"
    book.save(path)
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "a", "b")]


def test_a_cp1252_line_does_not_change_how_its_neighbours_are_read(path: Path) -> None:
    lines = [b"ident,label,remark", "1,Peña,a".encode(), "2,Peña,b".encode("cp1252"), "3,Peña,c".encode()]
    path.write_bytes(b"\r".join(lines) + b"\n4,x,y\r")
    _, frame = read_back(path, CONTRACT)
    assert [label for _, label, _ in cells_of(frame)] == ["Peña", "Peña", "Peña", "x"]


def test_many_cp1252_lines_after_many_ascii_lines_take_linear_time(path: Path) -> None:
    """Each was once found a number by counting all the lines before it: hours for this file."""
    rows = [b"%d,%s,a" % (number, b"plain" if number < 50_000 else b"Pe\xf1a") for number in range(100_000)]
    path.write_bytes(b"\r\n".join([b"ident,label,remark", *rows, b""]))
    table, frame = read_back(path, CONTRACT)
    assert frame["1"].value_counts().sort("1").rows() == [("Peña", 50_000), ("plain", 50_000)]
    assert table.describe().encoding == "cp1252"


def test_many_columns_of_one_name_take_linear_time(path: Path) -> None:
    assert len(set(unique_names(["1"] * 16_384))) == 16_384


def test_a_header_wider_than_a_table_is_refused(path: Path) -> None:
    path.write_bytes(b"ident,label,remark" + b",x" * 20_000 + b"\n1,a,b\n")
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "too_many_columns"


@pytest.mark.parametrize(("sign", "code"), [(b"x", "row_too_long"), (b'"x', "unclosed_quote")])
def test_a_very_long_line_is_refused_as_too_long_or_as_an_unclosed_quote(
    path: Path, monkeypatch: pytest.MonkeyPatch, sign: bytes, code: str
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 50)
    monkeypatch.setattr(text_table, "MAX_ROW_BYTES", 400)
    path.write_bytes(b"ident,label,remark\n1,a,b\n2," + sign + b"x" * 2_000)
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    assert (caught.value.code, caught.value.line) == (code, 3)


@pytest.mark.parametrize(
    "edit",
    [
        (b'r="91"', b"r='1048576'"),
        (b'r="91"', b"hidden = '0' \nr = '1048576'"),
        (b'r="91"', b'xmlns:x="urn:x" x:r="3" spans="1:3" ht="15" customHeight="1" x:y="0.25" r="1048576"'),
    ],
)
def test_a_far_cell_is_found_in_every_notation(path: Path, edit: tuple[bytes, bytes]) -> None:
    book = openpyxl.Workbook()
    for row in (["ident", "label", "remark"], ["1", "a", "b"]):
        book.active.append(row)
    book.active.cell(91, 91, "x")
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(*edit).replace(b"CM91", b"CM1048576")
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "workbook_too_large"


def test_a_workbook_of_several_batches_is_read_completely(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_rows, "_BATCH_CELLS", 28)
    monkeypatch.setattr(sheet_rows, "FOOTER_ROWS", 2)
    rows = [(str(n), "a" * (n % 3), "b") for n in range(40)]
    book = openpyxl.Workbook()
    for row in (("ident", "label", "remark"), *rows, ("Total rows: 40",)):
        book.active.append([None, *row])
    book.save(path)
    table, frame = read_back(path, CONTRACT)
    assert [row[1:] for row in cells_of(frame)] == rows
    assert [item.line for item in table.describe().dropped] == [42]


def test_an_old_workbook_whose_directory_is_cut_off_is_damaged(path: Path) -> None:
    case = next(case for case in map(partial(make_case, 8), count()) if case.story == "xls")
    path.write_bytes(case.content)
    assert cells_of(read_back(path, FUZZED)[1])
    path.write_bytes(case.content[: 512 + 512 + 2])
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, FUZZED)
    assert caught.value.code == "workbook_damaged"


def test_a_byte_order_mark_before_the_first_row_is_in_no_cell(path: Path) -> None:
    path.write_bytes(b"ident,label,remark\n\xef\xbb\xbf1,a,b\n")
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("1", "a", "b")]


def test_a_zip_member_without_a_name_is_damage(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"ident,label,remark\n1,a,b\n")
    packed = bytearray(path.read_bytes())
    place = packed.index(b"PK\1\2")
    packed[place + 46] = 0
    path.write_bytes(bytes(packed))
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "archive_damaged"


@pytest.mark.parametrize(
    "cell", ["x" * 300_000, " " * 300_000, '"' + "y\n" * 150_000 + '"'], ids=["x", "blank", "lines"]
)
def test_a_header_that_continues_beyond_the_sample_is_not_read_as_a_row(path: Path, cell: str) -> None:
    path.write_text(f"ident,label,remark,{cell}\n1,a,b,\n", "utf-8")
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    assert caught.value.code == "no_header_match"
    path.write_text(f"ident,label,remark\n1,a,{cell.strip() or 'b'}\n", "utf-8")
    _, frame = read_back(path, CONTRACT)
    assert frame.height == 1


@pytest.mark.parametrize("amount", ["9" * 400, "$" + "9" * 400, "(" + "9" * 400 + ")", "-" + "9" * 400])
@pytest.mark.parametrize("formats", [[], ["money"]])
def test_an_amount_beyond_every_float_breaks_its_type_and_is_not_infinity(
    path: Path, tmp_path: Path, amount: str, formats: list[str]
) -> None:
    contract = contract_of([text("ident"), typed("pay", "number", customProperties=custom(formats=formats))])
    path.write_bytes(f"ident,pay\n1,12.50\n2,{amount}\n".encode())
    result = check_file(path, contract, tmp_path)
    assert (result.accepted_rows, result.reasons) == (1, {"pay.type": 1})
