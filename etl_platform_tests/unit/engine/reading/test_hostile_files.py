"""Random bytes and damaged good files: the reader gives a table or raises UnreadableFileError."""

import gzip
import io
import random
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited import text_table
from etl_platform_tests.unit.engine.reading.little_memory import read_in_little_memory
from etl_platform_tests.unit.making import contract_of, read_back, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
BODY = 'ident,label,remark\n1,"Peña, A",b\n2,"two\nlines",\n3,"say ""hi""",d\n'
QUIET = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])


def packed(body: bytes, method: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        archive.writestr("x.csv", body)
    return sink.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (["ident", "label", "remark"], ["1", 2.5, True], ["2", None, "x"]):
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


GOOD = {
    "utf-8": BODY.encode(),
    "utf-16": BODY.encode("utf-16"),
    "cp1252": BODY.replace("\n", "\r\n").encode("cp1252"),
    "gzip": gzip.compress(BODY.encode() * 20),
    "zip": packed(BODY.encode() * 20, zipfile.ZIP_DEFLATED),
    "bzip2": packed(BODY.encode() * 20, zipfile.ZIP_BZIP2),
    "lzma": packed(BODY.encode() * 20, zipfile.ZIP_LZMA),
    "xlsx": workbook(),
}


def read_or_refuse(path: Path) -> None:
    for contract in (CONTRACT, None):
        refusal = None
        try:
            table, frame = read_back(path, contract)
        except UnreadableFileError as error:
            refusal = error
        if refusal is not None:
            assert refusal.code
            assert refusal.message
        else:
            assert len(table.names) == len(set(table.names)) == len(table.header)
            assert frame.height >= 0


@QUIET
@given(content=st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "delivery"
    path.write_bytes(content)
    read_or_refuse(path)


@QUIET
@given(content=st.text(st.sampled_from('ab1,;|\t"\n\r \0é'), max_size=200), head=st.booleans())
def test_random_text_is_read_or_refused(tmp_path: Path, content: str, head: bool) -> None:
    path = tmp_path / "delivery"
    path.write_text(("ident,label,remark\n" if head else "") + content, "utf-8", newline="")
    read_or_refuse(path)


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_a_good_file_with_bytes_changed_cut_or_doubled_is_read_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 50)
    path, dice = tmp_path / "delivery", random.Random(kind)
    for _ in range(60):
        content = bytearray(GOOD[kind])
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(content))
            match dice.randrange(4):
                case 0:
                    content[place] = dice.randrange(256)
                case 1:
                    del content[place : place + dice.randint(1, 30)]
                case 2:
                    content[place:place] = content[: dice.randint(1, 30)]
                case 3:
                    content[place:place] = dice.choice([b'"', b"\0", b"\n", b"\r", b"\xff", b","])
            if not content:
                content = bytearray(b"x")
        path.write_bytes(bytes(content))
        read_or_refuse(path)


@pytest.mark.parametrize("cells", [1, 5_000, 200_000])
def test_a_header_of_many_columns_is_read_or_refused(tmp_path: Path, cells: int) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes(b",".join(b"c%d" % i for i in range(cells)) + b"\n" + b"," * (cells - 1) + b"\n")
    if cells > 10_000:
        # The header alone is longer than what is looked at to find it.
        with pytest.raises(UnreadableFileError):
            read_back(path, CONTRACT)
    else:
        read_or_refuse(path)


def test_one_forgotten_cell_far_away_does_not_exhaust_memory(tmp_path: Path) -> None:
    """A blank typed into the last cell of a sheet makes its grid 17 billion cells; the file has 5 KB."""
    book = openpyxl.Workbook()
    for row in (["ident", "label", "remark"], ["1", "a", "b"]):
        book.active.append(row)
    book.active.cell(1_048_576, 16_384, " ")
    path = tmp_path / "far.xlsx"
    book.save(path)
    assert read_in_little_memory(path, gib=4) in {"1", "2", "workbook_too_large"}
