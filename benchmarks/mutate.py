"""Generates damaged files for ``benchmarks.fuzz``: valid tables in every format, and mutations. No engine.

A case depends only on seed and number, so a failure can be repeated with its number.
"""

import codecs
import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.workbooks import HEADER, Rng, Rows, xls_bytes, xlsx_bytes, zip_bytes

CONTRACT = r"""
apiVersion: v3.2.0
kind: DataContract
id: fuzz
version: 1.0.0
status: active
schema:
  - name: fuzz
    customProperties: [{property: trim, value: true}, {property: nullTokens, value: ['N/A']}]
    properties:
      - {name: ident, logicalType: string, primaryKey: true, logicalTypeOptions: {pattern: '^A[0-9]+$'}}
      - {name: name, logicalType: string, required: true, logicalTypeOptions: {maxLength: 60}}
      - {name: day, logicalType: date, customProperties: [{property: formats, value: [yyyy-MM-dd, M/d/yyyy]}]}
      - {name: pay, logicalType: number, customProperties: [{property: formats, value: [money]}]}
      - {name: visits, logicalType: integer, logicalTypeOptions: {minimum: 0}}
      - name: active
        logicalType: boolean
        customProperties: [{property: trueValues, value: [Y]}, {property: falseValues, value: [N]}]
      - {name: note, logicalType: string}
    quality:
      - {name: seen_if_active, type: custom, engine: rowRule, implementation: NOT active OR visits IS NOT NULL}
"""
_NAMES = ("Sample, Ana", "Peña", 'Al "Bo" Roe', "O'Neil", "de la X", "Zoë; Q", "A|B", "Tab\tbed")
_NOTES = ("", "", "x", "two\nlines", "5'10\" tall", "1,234", "N/A", "naïve", " pad ", "=1+1", "¿qué?")
_DAYS = ("2026-01-05", "1/5/2026", "1999-12-31", "N/A", "")
_PAY = ("$1,500.00", "(12.50)", "0", "1234.5", "N/A", "")
_SIGNS = (
    b'"',
    b"\0",
    b"\n",
    b"\r",
    b"\r\n",
    b",",
    b";",
    b"\t",
    b"\xff",
    b"\x81",
    b"\x1a",
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_BE,
)
_BOMS = {"utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
_HUGE = (b"x", b"9", b",", b"\n", b'"', b'""', b" ", b"\0", b"1,", b'"a"')


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
        rows: the rows as cells, before any change.
        changed: whether the file was changed.
        lines: how the header and each row are written in the unchanged file; empty where they cannot be found again in
            a changed one, as in workbooks, archives and UTF-16.
        unpacked: bytes of text in it.
        story: its format and its changes, for people.
    """

    content: bytes
    unpacked: int
    rows: Rows
    changed: bool
    lines: tuple[bytes, ...]
    story: str


def make_case(seed: int, number: int) -> Case:
    rng = random.Random(f"{seed}:{number}")
    rows = _rows(rng, rng.choice((1, 3, 12, 40, 400)))
    kind = rng.choices(("text", "gzip", "zip", "xlsx", "xls"), (60, 8, 12, 14, 6))[0]
    changes: list[str] = []
    unpacked, lines = 0, ()
    if kind == "xlsx":
        content = xlsx_bytes(rng, rows, changes)
    elif kind == "xls":
        content = xls_bytes(rows)
    else:
        content, lines = _text(rng, rows)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            change = rng.choice(_TEXT_CHANGES)
            content = change(rng, content)
            changes.append(change.__name__)
        unpacked = len(content)
        if kind != "text":
            content = _packed(rng, content, kind, changes)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 4))):
        change = rng.choice(_BYTE_CHANGES)
        content = change(rng, content)
        changes.append(change.__name__)
    return Case(
        content=content,
        unpacked=max(unpacked, len(content)),
        rows=rows,
        changed=bool(changes),
        lines=lines if kind == "text" else (),
        story=" ".join([kind, *changes]),
    )


def _rows(rng: Rng, count: int) -> Rows:
    return [
        [f"A{n:05}", *map(rng.choice, (_NAMES, _DAYS, _PAY, ("0", "7", "98"), ("Y", "N", "true", ""), _NOTES))]
        for n in range(count)
    ]


def _text(rng: Rng, rows: Rows) -> tuple[bytes, tuple[bytes, ...]]:
    """A text file, and the bytes of its header and rows; none for UTF-16, where one byte changes all that follow."""
    delimiter, end = rng.choice(",,,;\t|"), rng.choice(("\n", "\n", "\r\n", "\r\n", "\r"))
    # Python quotes a line feed in a cell only where rows end in one.
    quoting = csv.QUOTE_ALL if end == "\r" else rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "cp1252", "mixed", "utf-16-le", "utf-16-be"))
    above = rng.choice(("", "", "", f"Springfield{end}{end}as of 2026{end}"))
    extra = [""] * rng.choice((0, 0, 0, 2))

    def line(cells: Sequence[str]) -> str:
        sink = io.StringIO(newline="")
        csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=quoting).writerow([*cells, *extra])
        return sink.getvalue()

    def encoded(text: str) -> bytes:
        one = rng.choice(("utf-8", "cp1252")) if encoding == "mixed" else encoding.removesuffix("-sig")
        return text.encode(one)

    header, *lines = (encoded(line(row)) for row in (HEADER, *rows))
    blank_lines = [encoded(end) if rng.random() < 0.03 else b"" for _ in rows]
    below = rng.choice(("", "", f"Total rows: {len(rows)}{end}"))
    top = _BOMS.get(encoding, b"") + encoded(above) + header
    body = b"".join(part for pair in zip(lines, blank_lines, strict=True) for part in pair)
    return top + body + encoded(below), () if encoding.startswith("utf-16") else (header, *lines)


def _packed(rng: Rng, content: bytes, kind: str, changes: list[str]) -> bytes:
    if kind == "gzip":
        cut = rng.randrange(len(content) + 1)
        parts = [content] if rng.random() < 0.7 else [content[:cut], content[cut:]]
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    members = {"data.csv": content, "__MACOSX/._data.csv": b"\0", "folder/": b""}
    if rng.random() < 0.15:
        members["other.csv"] = content
        changes.append("two members")
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    return zip_bytes(members, rng.choice(methods))


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True) or [b""]


def drop_line(rng: Rng, content: bytes) -> bytes:
    lines = _lines(content)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def double_line(rng: Rng, content: bytes) -> bytes:
    lines = _lines(content)
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return b"".join(lines)


def move_lines(rng: Rng, content: bytes) -> bytes:
    lines = _lines(content)
    cut = rng.randrange(len(lines))
    return b"".join(lines[cut:] + lines[:cut])


def swap_signs(rng: Rng, content: bytes) -> bytes:
    old, new = rng.sample(_SIGNS, 2)
    return content.replace(old, new, rng.choice((1, 3, -1)))


def insert_sign(rng: Rng, content: bytes) -> bytes:
    offset = rng.randrange(len(content) + 1)
    return content[:offset] + rng.choice(_SIGNS) * rng.choice((1, 1, 2, 50)) + content[offset:]


def insert_huge(rng: Rng, content: bytes) -> bytes:
    offset = rng.randrange(len(content) + 1)
    return content[:offset] + rng.choice(_HUGE) * rng.choice((300, 70_000, 300_000)) + content[offset:]


def open_quotes(rng: Rng, content: bytes) -> bytes:
    offset = rng.randrange(len(content) + 1)
    return content[:offset] + content[offset:].replace(b",", rng.choice((b'"', b',"', b'",')), rng.choice((1, 2)))


def recode(rng: Rng, content: bytes) -> bytes:
    return content.decode("latin-1").encode(rng.choice(("utf-8", "utf-16", "utf-32", "utf-16-le", "utf-7")))


def splice(rng: Rng, content: bytes) -> bytes:
    other, _ = _text(rng, _rows(rng, 5))
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]


def flip(rng: Rng, content: bytes) -> bytes:
    data = bytearray(content or b"x")
    for _ in range(rng.choice((1, 2, 10))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def cut_out(rng: Rng, content: bytes) -> bytes:
    offset = rng.randrange(len(content) + 1)
    return content[:offset] + content[offset + rng.choice((1, 2, 40, 700)) :]


def double(rng: Rng, content: bytes) -> bytes:
    offset = rng.randrange(len(content) + 1)
    return content[:offset] + content[max(0, offset - rng.choice((1, 30, 900))) :]


def truncate(rng: Rng, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def edit_zip_header(rng: Rng, content: bytes) -> bytes:
    """Change a field of a local, central or end record of a zip, or bytes near the start of other files."""
    offsets = [i for i in range(len(content) - 3) if content[i : i + 2] == b"PK" and content[i + 2] < 9] or [0]
    data, offset = bytearray(content or b"x"), rng.choice(offsets) + rng.randrange(4, 46)
    value = rng.choice((0, 1, 255, rng.randrange(256)))
    data[offset : offset + rng.choice((1, 2, 4))] = bytes([value]) * rng.choice((1, 2, 4))
    return bytes(data)


Change = Callable[[Rng, bytes], bytes]
_TEXT_CHANGES: tuple[Change, ...] = (
    drop_line, double_line, move_lines, swap_signs, insert_sign, insert_sign, insert_huge, open_quotes, recode, splice,
    cut_out,
)  # fmt: skip
_BYTE_CHANGES: tuple[Change, ...] = (flip, cut_out, double, truncate, insert_sign, edit_zip_header)
