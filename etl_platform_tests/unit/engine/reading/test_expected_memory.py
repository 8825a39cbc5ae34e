"""The expected memory of a file: what is measured is not more, and no file that a check refuses stops it."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from etl_platform.engine.reading.expected_memory import expected_memory_bytes
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook, zipped
from etl_platform_tests.unit.engine.reading.test_machine_errors import FILES
from etl_platform_tests.unit.making import PROJECT

MIB = 1 << 20
ROW = b"A%07d,Surname of somebody,2026-01-05,12345.67,some more text\n"
LARGE = b"ident,name,day,pay,note\n" + b"".join(ROW % number for number in range(500_000))
_PEAK = """
import re, sys
from pathlib import Path
from etl_platform.engine.check import profile_file

def peak_kib():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

profile_file(Path(sys.argv[1]))
before = peak_kib()
result = profile_file(Path(sys.argv[2]))
print(result.rows, peak_kib() - before)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "delivery"


def expected(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    return expected_memory_bytes(path)


def test_packed_files_are_expected_to_need_what_their_content_needs(path: Path) -> None:
    plain = expected(path, LARGE)
    assert 100 * MIB < plain < 300 * MIB
    assert expected(path, gzip.compress(LARGE, 1)) == plain
    assert expected(path, zipped({"x.csv": LARGE})) == plain
    assert expected(path, zipped({"x.csv": LARGE, "y.csv": LARGE})) == plain


def test_workbooks_are_expected_to_need_memory_for_all_their_cells(path: Path) -> None:
    book = workbook({"S": [[f"text {row}", row, row * 2] for row in range(20_000)]})
    alone = expected(path, book)
    assert alone > 16 * MIB + len(book)
    both = expected(path, zipped({"a.xlsx": book, "b.xlsx": book}))
    assert both - 16 * MIB == 2 * (expected(path, zipped({"a.xlsx": book})) - 16 * MIB)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_small_file_needs_little_whatever_its_format(path: Path, content: bytes) -> None:
    assert 16 * MIB <= expected(path, content) < 17 * MIB
    for cut in range(0, len(content), max(1, len(content) // 20)):
        assert expected(path, content[:cut]) < 64 * MIB


def test_an_encrypted_archive_is_left_to_the_check(path: Path) -> None:
    packed = bytearray(zipped({"x.csv": b"a,b\n"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert expected(path, bytes(packed)) == 16 * MIB


@pytest.mark.parametrize("kind", ["csv", "zip", "xlsx"])
def test_the_measured_peak_is_not_above_what_was_expected(path: Path, tmp_path: Path, kind: str) -> None:
    content = {
        "csv": lambda: LARGE,
        "zip": lambda: zipped({"x.csv": LARGE}),
        "xlsx": lambda: workbook({"S": [[f"text {row}", "b", row, row * 2, "c"] for row in range(60_000)]}),
    }[kind]()
    (tmp_path / "small").write_bytes(FILES["xlsx" if kind == "xlsx" else "csv"])
    wanted = expected(path, content)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path / "small"), str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rows, peak_kib = map(int, done.stdout.split())
    assert rows > 50_000
    assert 16 * MIB < peak_kib << 10 <= wanted
