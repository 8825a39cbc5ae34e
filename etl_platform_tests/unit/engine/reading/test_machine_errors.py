"""An error of the machine while a good file is read is never a verdict on the file, and the next try succeeds."""

import errno
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.parsers import expat

import pytest

from etl_platform.deliveries.check_errors import verdict_on
from etl_platform.engine.check import check_file
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.packed import archives
from etl_platform.engine.reading.workbooks import office_xml
from etl_platform_tests.unit.engine.reading.failing_machine import FailingMachine
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook, zipped
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import Book, SheetOf
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import workbook as xls
from etl_platform_tests.unit.making import contract_of, text

CONTRACT = contract_of([text("ident", unique=True), text("label"), text("remark")])
ROWS: Sequence[list[str]] = [["ident", "label", "remark"], *([f"A{row}", "b", "c"] for row in range(50))]
CSV = "".join(",".join(row) + "\n" for row in ROWS).encode()
XLSX = workbook({"Notes": [["as of", "today"]], "Data": [list(row) for row in ROWS]})
XLS = xls(Book([SheetOf(ROWS)]))
OTHERS = {"note.txt": b"read me"}
FILES = {
    "csv": CSV,
    "csv.gz": gzip.compress(CSV),
    "stored.zip": zipped({"x.csv": CSV}, zipfile.ZIP_STORED),
    "deflated.zip": zipped({"x.csv": CSV}),
    "bzip2.zip": zipped({"x.csv": CSV}, zipfile.ZIP_BZIP2),
    "lzma.zip": zipped({"x.csv": CSV}, zipfile.ZIP_LZMA),
    "zip with a note": zipped({"x.csv": CSV, **OTHERS}),
    "xlsx": XLSX,
    "xlsx in zip": zipped({"x.xlsx": XLSX}),
    "xlsx.gz": gzip.compress(XLSX),
    "xls": XLS,
    "xls in zip": zipped({"x.xls": XLS}),
}
ERRORS: Sequence[Callable[[], BaseException]] = [
    lambda: OSError(errno.EIO, "Input/output error"),
    lambda: OSError(errno.EMFILE, "Too many open files"),
    lambda: RuntimeError("can't start new thread"),
    MemoryError,
    lambda: OSError(errno.ENFILE, "Too many open files in system"),
    lambda: OSError(errno.ESTALE, "Stale file handle"),
    lambda: OSError(errno.ENOMEM, "Cannot allocate memory"),
    lambda: TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
]


def counts(path: Path, out: Path) -> tuple[int | None, tuple[object, ...]]:
    result = check_file(path, CONTRACT, out)
    return result.accepted_rows, result.errors


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_an_error_at_any_call_fails_the_check_and_the_next_check_succeeds(
    path: Path, tmp_path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    watched = FailingMachine(path)
    with watched.running():
        assert counts(path, tmp_path) == (50, ())
    assert watched.calls > 5
    for at in range(watched.calls):
        error = ERRORS[at % len(ERRORS)]()
        failing = FailingMachine(path, at, error)
        with failing.running(), pytest.raises((OSError, RuntimeError, MemoryError)) as caught:
            counts(path, tmp_path)
        assert type(caught.value) is type(error), f"call {at}"
        assert verdict_on(caught.value, 20) is None, f"call {at}"
    assert counts(path, tmp_path) == (50, ())


def test_zlib_without_memory_is_no_damage(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(gzip.compress(CSV))

    def read(_: object, _size: int | None = -1, /) -> bytes:
        raise zlib.error("Error -4 while decompressing data")

    monkeypatch.setattr(gzip.GzipFile, "read", read)
    with pytest.raises(zlib.error) as caught:
        counts(path, tmp_path)
    assert verdict_on(caught.value, 20) is None


def test_a_parser_without_memory_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = office_xml.xml_parser()
    monkeypatch.setattr(office_xml, "_NO_MEMORY", expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS])
    with pytest.raises(MemoryError):
        list(office_xml.feed(parser, io.BytesIO(b""), "xl/workbook.xml"))


@pytest.mark.parametrize(
    "error",
    [
        OSError("Invalid data stream"),
        gzip.BadGzipFile("CRC check failed"),
        OSError(errno.EINVAL, "Invalid argument"),
        zipfile.BadZipFile("File name in directory 'os error' and header 'too many open files' differ."),
        zlib.error("Error -3 while decompressing data: invalid distance too far back"),
        UnicodeDecodeError("utf-8", b"shutdown", 0, 1, "out of memory"),
        KeyError("There is no item named 'new thread' in the archive"),
        NotImplementedError("compressed patched data (flag bit 5)"),
        OverflowError("Python int too large to convert to C long"),
        EOFError(),
    ],
    ids=repr,
)
def test_errors_that_the_bytes_prove_are_damage_whatever_they_quote(error: Exception) -> None:
    with pytest.raises(UnreadableFileError) as caught, archives.unpacking():
        raise error
    assert caught.value.code == "archive_damaged"
