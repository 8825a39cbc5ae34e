"""Damaged .xls files are read or refused within bounds of memory and time; none ends the process."""

import json
import random
import resource
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from io import BytesIO

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.workbooks.workbook import WorkbookTable
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import (
    EMPTY_RESULT,
    TEXT_RESULT,
    Book,
    Cell,
    Formula,
    Number,
    SheetOf,
    workbook,
)
from etl_platform_tests.unit.making import PROJECT

FILES = 3_000
MEMORY_BYTES = 2 << 30
LONGEST_S = 5
MARKS = (0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF)


def sources() -> list[bytes]:
    rows: list[list[Cell]] = [["ident", "label", "note"]]
    rows += [[f"A{n}", Number(n / 4, n % 4), Formula(TEXT_RESULT, "Peña")] for n in range(40)]
    rows += [[Number(7, packed=True), True, Formula(EMPTY_RESULT)]]
    books = [
        Book(
            [SheetOf(rows), SheetOf(rows[:3], "Two", hidden=1)],
            version=version,
            formats=("00000", 14, "[h]:mm"),
            piece=90,
        )
        for version in (5, 8)
    ]
    return [workbook(book, small=small) for book in books for small in (True, False)]


def damaged(whole: bytes, dice: random.Random) -> bytes:
    """The file with bytes, numbers or blocks changed; mostly near its beginning, where the tables of the file are."""
    content = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        place = dice.randrange(1 + min(len(content), dice.choice((600, 2_048, len(content)))))
        match dice.randrange(6):
            case 0 | 1:
                content[place : place + 1] = bytes([dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))])
            case 2:
                number = dice.choice((*MARKS, len(content), dice.randrange(1 << 32)))
                content[place : place + 4] = struct.pack("<I", number)
            case 3:
                del content[place : place + dice.randrange(1, 600)]
            case 4:
                content[place:place] = content[max(0, place - dice.randrange(700)) : place]
            case 5:
                del content[max(100, place) :]
    return bytes(content)


def read_damaged_files() -> None:
    """Print the outcomes and the longest time; run in a process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    dice, whole, outcomes, longest = random.Random(4), sources(), Counter[str](), 0.0
    for _ in range(FILES):
        content = damaged(dice.choice(whole), dice)
        started = time.process_time()
        outcomes[outcome(content)] += 1
        longest = max(longest, time.process_time() - started)
    print(json.dumps({"outcomes": outcomes, "longest_s": longest}))


def outcome(content: bytes) -> str:
    try:
        with suppress(StopIteration):
            next(WorkbookTable(BytesIO(b"\xd0\xcf\x11\xe0" + content[4:]), None).batches())
    except UnreadableFileError as error:
        return error.code
    return "read"


def test_damaged_workbooks_are_read_or_refused_within_bounds() -> None:
    script = f"from {__name__} import read_damaged_files; read_damaged_files()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["longest_s"] < LONGEST_S
    assert {"read", "workbook_damaged"} <= set(found["outcomes"])
