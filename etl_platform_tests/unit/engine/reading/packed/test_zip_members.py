"""Archives of several files: which members are read as one table, and which archives are refused."""

import gzip
import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import LINE, MEMBER, REASONS
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.packed import archives
from etl_platform.engine.reading.packed import zip_members as choosing
from etl_platform.engine.result import CheckResult, Example
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook, zipped
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, refusal, text, typed

CONTRACT = contract_of(
    [text("ident", primaryKey=True), typed("day", "date"), text("remark")],
    customs=custom(filePatterns=["things*"]),
)
HEAD = b"ident,day,remark\n"
MAY, JUNE = HEAD + b"1,2026-05-01,a\n2,2026-05-32,b\n", b"\n" + HEAD + b"3,2026-06-01,c\n1,x,d\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery.zip"


def checked(path: Path, content: bytes) -> CheckResult:
    path.write_bytes(content)
    return check_file(path, CONTRACT, path.parent)


def test_the_member_whose_name_matches_is_read_and_the_others_are_listed(path: Path) -> None:
    junk = {"__MACOSX/._things.csv": b"\0", ".DS_Store": b"\0", "a/Thumbs.db": b"\0", "desktop.ini": b"\0"}
    path.write_bytes(zipped({"readme.txt": b"hi", "2026/Things_May.csv": MAY, "other.csv": b"x,y\n", **junk}))
    table, frame = read_back(path, CONTRACT)
    described = table.describe()
    assert (described.member, described.ignored_members) == ("2026/Things_May.csv", ("readme.txt", "other.csv"))
    assert (frame.height, MEMBER in frame.columns) == (2, False)


def test_without_a_matching_name_the_only_table_is_read(path: Path) -> None:
    path.write_bytes(zipped({"export.csv": MAY, "readme.txt": b"hi", "logo.png": b"\x89PNG"}))
    assert read_back(path, CONTRACT)[0].describe().member == "export.csv"


def test_members_with_the_same_header_are_one_table_and_each_row_has_its_member(path: Path) -> None:
    result = checked(path, zipped({"things_may.csv": MAY, "things_june.csv": JUNE}))
    assert (result.rows, result.reasons) == (4, {"day.type": 2, "ident.unique": 2})
    assert result.examples["ident.unique"] == (
        Example(2, "1", "things_may.csv"),
        Example(4, "1", "things_june.csv"),
    )
    assert pl.read_parquet(path.parent / SILVER)["ident"].to_list() == ["3"]
    quarantine = pl.read_parquet(path.parent / QUARANTINE)
    assert quarantine.select(MEMBER, LINE, REASONS).rows() == [
        ("things_may.csv", 2, "ident.unique"),
        ("things_may.csv", 3, "day.type"),
        ("things_june.csv", 4, "ident.unique;day.type"),
    ]
    described = result.dialect
    assert [(part.name, part.rows, part.dialect.header_line) for part in described.members] == [
        ("things_may.csv", 2, 1),
        ("things_june.csv", 2, 2),
    ]
    said = verdict("delivery.zip", "things", result)
    assert "line 4 of things_june.csv" in said
    assert "read as one table: things_may.csv, things_june.csv" in said


def test_members_of_different_dialects_are_read_as_one_table(path: Path) -> None:
    semicolons = JUNE.replace(b",", b";").decode().encode("utf-16")
    book = workbook({"S": [["ident", "day", "remark"], ["9", "2026-01-01", "z"]]})
    path.write_bytes(zipped({"things1.csv": MAY, "things2.txt": semicolons}))
    assert [row[0] for row in cells_of(read_back(path, CONTRACT)[1])] == ["1", "2", "3", "1"]
    assert refusal(path, CONTRACT, zipped({"things1.csv": MAY, "things2.xlsx": book})).code == "zip_members"


def test_a_damaged_member_is_refused_with_its_name_and_line(path: Path) -> None:
    error = refusal(path, CONTRACT, zipped({"things1.csv": MAY, "things2.csv": HEAD + b"1,Jos\x82,y\n"}))
    assert (error.code, error.line, error.message.startswith("things2.csv: ")) == ("encoding_undecidable", 2, True)
    error = refusal(path, CONTRACT, zipped({"things1.csv": MAY, "things_readme.txt": b"Dear all,\nsee the file.\n"}))
    assert (error.code, error.message.startswith("things_readme.txt: ")) == ("no_header_match", True)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"a.csv": MAY, "b.csv": MAY}, id="none fits and two are tables"),
        pytest.param({"a.pdf": b"%PDF", "b.docx": b"x"}, id="no table at all"),
        pytest.param({"things1.csv": MAY, "things2.csv": b"ident,remark,day\n1,x,2026-01-01\n"}, id="another order"),
        pytest.param({"things1.csv": MAY, "things2.csv": b"ident,day\n1,2026-01-01\n"}, id="a column less"),
        pytest.param({".DS_Store": b"\0"}, id="only junk"),
    ],
)
def test_ambiguous_members_are_refused_with_their_names(path: Path, members: dict[str, bytes]) -> None:
    error = refusal(path, CONTRACT, zipped(members))
    assert error.code == "zip_members"
    assert all(name in error.message for name in members if not name.startswith("."))


def test_two_members_with_the_same_name_are_refused(path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("things.csv", MAY)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("things.csv", JUNE)
    assert refusal(path, CONTRACT, sink.getvalue()).code == "zip_members"


@pytest.mark.parametrize(
    "name", ["../things.csv", "/etc/things.csv", "a/../../things.csv", "..\\things.csv", "C:/x.csv"]
)
def test_a_path_that_leads_out_of_the_archive_is_refused(path: Path, name: str) -> None:
    assert refusal(path, CONTRACT, zipped({name: MAY})).code == "zip_unsafe"


def test_an_archive_of_too_many_members_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MAX_MEMBERS", 3)
    assert refusal(path, CONTRACT, zipped({f"things{i}.csv": MAY for i in range(4)})).code == "zip_members"


@pytest.mark.parametrize(
    "content",
    [
        zipped({"things.zip": zipped({"things.csv": MAY})}),
        zipped({"things.csv.gz": gzip.compress(MAY)}),
        gzip.compress(zipped({"things.csv": MAY})),
        gzip.compress(gzip.compress(MAY)),
    ],
    ids=["zip in zip", "gzip in zip", "zip in gzip", "gzip in gzip"],
)
def test_an_archive_in_an_archive_is_refused(path: Path, content: bytes) -> None:
    assert refusal(path, CONTRACT, content).code == "archive_nested"


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: zipped({"things.xlsx": body})], ids=["gzip", "zip"])
def test_a_packed_workbook_is_read(path: Path, pack: Any) -> None:
    path.write_bytes(pack(workbook({"S": [["ident", "day", "remark"], ["007", "2026-01-01", "z"]]})))
    table, frame = read_back(path, CONTRACT)
    assert cells_of(frame) == [("007", "2026-01-01", "z")]
    assert (table.describe().format, table.describe().compression) == (
        "excel",
        pack.__name__.replace("compress", "gzip").replace("<lambda>", "zip"),
    )


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}, "Word"),
        ({"[Content_Types].xml": b"<x/>", "ppt/presentation.xml": b"<x/>"}, "PowerPoint"),
        ({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}, "OpenDocument"),
        ({"[Content_Types].xml": b"<x/>", "xl/workbook.bin": b"x"}, "xlsb"),
    ],
)
def test_an_office_file_that_is_not_a_workbook_is_refused_with_its_format(
    path: Path, members: dict[str, bytes], what: str
) -> None:
    error = refusal(path, CONTRACT, zipped(members))
    assert (error.code, what in error.message) == ("not_tabular", True)


def test_all_members_count_for_the_size_limit_and_one_file_can_break_the_ratio(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = HEAD + b"1,2026-01-01,a\n" * 5_000
    packed = zipped({f"things{i}.csv": body for i in range(4)})
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 2 * len(body))
    assert refusal(path, CONTRACT, packed).code == "zip_bomb"
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 40)
    monkeypatch.setattr(archives, "_ALLOWED_AT_ANY_RATIO_BYTES", 1_000)
    monkeypatch.setattr(archives, "MAX_RATIO", 20)
    assert refusal(path, CONTRACT, packed).code == "zip_bomb"
    assert refusal(path, CONTRACT, gzip.compress(body)).code == "zip_bomb"


def test_a_member_without_a_name_is_read_or_refused(path: Path) -> None:
    packed = zipped({"nameless.csv": MAY}).replace(b"nameless", b"\0ameless")
    path.write_bytes(packed)
    with suppress(UnreadableFileError):
        assert read_back(path, CONTRACT)[1].height == 2
