"""Archives and workbooks: decompressed on the fly, bounded, and refused with a code if damaged."""

import gzip
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from etl_platform.engine.columns import LINE
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.packed import archives
from etl_platform.engine.reading.workbooks import sheets as sheet_reader
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook, zipped
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
BODY = b"ident,label,remark\n001,a,b\n2,c,d\n"
CELLS = [("001", "a", "b"), ("2", "c", "d")]


def code_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError) as caught:
        read_back(path, CONTRACT)
    return caught.value.code


def test_gzip_and_a_zip_of_one_file_read_like_the_file(path: Path) -> None:
    for packed, name in ((gzip.compress(BODY), "gzip"), (zipped({"d/x.csv": BODY}), "zip")):
        path.write_bytes(packed)
        table, frame = read_back(path, CONTRACT)
        assert cells_of(frame) == CELLS
        assert table.describe().compression == name


def test_files_that_macs_add_to_a_zip_do_not_count(path: Path) -> None:
    path.write_bytes(zipped({"x.csv": BODY, "__MACOSX/._x.csv": b"\0\5", "empty/": b""}))
    assert cells_of(read_back(path, CONTRACT)[1]) == CELLS


def test_a_zip_of_two_files_or_without_files_is_refused(path: Path) -> None:
    assert code_of(path, zipped({"a.csv": BODY, "b.csv": BODY})) == "zip_members"
    assert code_of(path, zipped({"empty/": b""})) == "zip_members"


def test_a_truncated_gzip_is_damaged(path: Path) -> None:
    assert code_of(path, gzip.compress(BODY * 1_000)[:-9]) == "archive_damaged"


def test_a_gzip_with_a_wrong_checksum_is_damaged(path: Path) -> None:
    packed = bytearray(gzip.compress(BODY * 1_000))
    packed[-6] ^= 0xFF
    assert code_of(path, bytes(packed)) == "archive_damaged"


@pytest.mark.parametrize(
    "method",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    ids=["stored", "deflated", "bzip2", "lzma"],
)
def test_a_zip_with_a_damaged_member_is_damaged_with_every_compression(path: Path, method: int) -> None:
    packed = bytearray(zipped({"x.csv": BODY * 1_000}, method))
    middle = len(packed) // 2
    packed[middle : middle + 8] = bytes(byte ^ 0xFF for byte in packed[middle : middle + 8])
    assert code_of(path, bytes(packed)) == "archive_damaged"


def test_a_truncated_zip_is_damaged(path: Path) -> None:
    assert code_of(path, zipped({"x.csv": BODY * 100})[:-30]) == "archive_damaged"


def test_an_encrypted_zip_is_refused_as_encrypted(path: Path) -> None:
    packed = bytearray(zipped({"x.csv": BODY}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert code_of(path, bytes(packed)) == "encrypted"


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: zipped({"x.csv": body})], ids=["gzip", "zip"])
def test_an_archive_that_unpacks_beyond_the_limit_is_a_bomb(
    path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any
) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 50_000)
    assert code_of(path, pack(BODY + b"1,a,b\n" * 20_000)) == "zip_bomb"


def test_a_zip_that_declares_a_wrong_size_is_still_a_bomb(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 50_000)
    body = BODY + b"1,a,b\n" * 20_000
    packed = zipped({"x.csv": body})
    small = packed.replace(len(body).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert small != packed
    assert code_of(path, small) in {"zip_bomb", "archive_damaged"}


def test_a_workbook_reads_as_the_text_that_a_sender_would_have_typed(path: Path) -> None:
    rows = [
        ["ident", "label", "remark"],
        ["0012", 123.0, date(2026, 1, 5)],
        ["7", 1.5, datetime(2026, 1, 5, 14, 30)],  # noqa: DTZ001 - a cell has no time zone
        ["8", True, 1_234_567],
    ]
    path.write_bytes(workbook({"Sheet1": rows}))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [
        ("0012", "123", "2026-01-05"),
        ("7", "1.5", "2026-01-05T14:30:00"),
        ("8", "true", "1234567"),
    ]
    assert frame[LINE].to_list() == [2, 3, 4]
    assert table.describe().format == "excel"


def test_the_sheet_and_the_row_with_the_header_are_found(path: Path) -> None:
    notes = [["Read me"], ["This workbook holds the export"]]
    data = [
        ["Springfield PD"],
        [None, "as of", "today"],
        ["ident", "label", "remark"],
        ["1", "a", "b"],
        [None],
        ["2", "c"],
    ]
    path.write_bytes(workbook({"Notes": notes, "Data": data}))
    table, frame = read_back(path, CONTRACT)
    assert (table.describe().sheet, table.describe().header_line) == ("Data", 3)
    assert (cells_of(frame), frame[LINE].to_list()) == ([("1", "a", "b"), ("2", "c", "")], [4, 6])


def test_a_workbook_without_the_header_is_refused(path: Path) -> None:
    assert code_of(path, workbook({"S": [["x", "y"], [1, 2]]})) == "no_header_match"


def test_a_workbook_without_cells_is_empty(path: Path) -> None:
    assert code_of(path, workbook({"S": []})) == "empty_file"


def test_a_cut_off_workbook_is_refused(path: Path) -> None:
    whole = workbook({"S": [["ident", "label", "remark"], ["1", "a", "b"]]})
    assert code_of(path, whole[: len(whole) // 2]) in {"archive_damaged", "workbook_damaged"}


def test_small_and_large_numbers_of_a_workbook_are_plain_digits(path: Path) -> None:
    path.write_bytes(workbook({"S": [["ident", "label", "remark"], ["1", 0.00001, 1e15], ["2", 2.5e-7, 1e16]]}))
    _, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [
        ("1", "0.00001", "1000000000000000"),
        ("2", "0.00000025", "10000000000000000"),
    ]


def test_a_workbook_beyond_the_size_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_reader, "MAX_WORKBOOK_BYTES", 100)
    assert code_of(path, workbook({"S": [["ident", "label", "remark"]]})) == "workbook_too_large"
