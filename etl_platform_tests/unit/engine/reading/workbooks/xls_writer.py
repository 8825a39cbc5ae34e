"""Writes .xls workbooks record by record, as Excel 5 to 2003 and other programs do: [MS-XLS]. No tests."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from etl_platform_tests.unit.engine.reading.workbooks.ole_writer import MINI_CUTOFF, ole

ERRORS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36, "#N/A": 42}


class Number(NamedTuple):
    """A number in a style, as a double, or as 30 bits where ``packed``."""

    value: float
    style: int = 0
    packed: bool = False


class ErrorValue(NamedTuple):
    name: str


class Formula(NamedTuple):
    """A formula; ``result`` has 8 bytes, ``text`` follows in a record of its own, ``cache`` is 0 for other programs."""

    result: bytes
    text: str | None = None
    flags: int = 0
    cache: int = 0xFF000001
    style: int = 0


Cell = str | float | bool | Number | ErrorValue | Formula | None
TEXT_RESULT, EMPTY_RESULT = (bytes([kind, 0, 0, 0, 0, 0, 255, 255]) for kind in (0, 3))


def record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


@dataclass
class SheetOf:
    """A sheet: its rows, and records before and after their cells."""

    rows: Sequence[Sequence[Cell]]
    name: str = "Sheet1"
    hidden: int = 0
    kind: int = 0
    before: bytes = b""
    after: bytes = b""
    end: bytes = field(default_factory=lambda: record(0x0A))


@dataclass
class Book:
    """How a workbook is written.

    Attributes:
        version: 5 or 8, the BIFF version.
        encoding: of texts in version 5; ``code_page`` is what the file says of it, None for nothing.
        formats: code of each style beyond the first, or the number of a built-in one.
        charsets: of the font of each style in version 5.
        first: records directly after the first one.
        piece: bytes of shared texts in one record.
    """

    sheets: Sequence[SheetOf]
    version: int = 8
    since_1904: bool = False
    encoding: str = "cp1252"
    code_page: int | None = 1252
    formats: Sequence[str | int] = ()
    charsets: Sequence[int] = ()
    first: bytes = b""
    last: bytes = b""
    piece: int = 8_224

    def stream(self) -> bytes:
        """The records of the workbook, as a stream of an OLE file holds them."""
        texts: dict[str, int] = {}
        bodies = [self._sheet(sheet, texts) for sheet in self.sheets]
        start = self._beginning(5) + self.first
        start += record(0x42, struct.pack("<H", self.code_page)) if self.code_page is not None else b""
        start += record(0x22, struct.pack("<H", self.since_1904)) + self._fonts() + self._styles()
        shared = shared_texts(list(texts), self.piece) if self.version == 8 else b""
        size = len(start) + sum(len(self._listed(sheet, 0)) for sheet in self.sheets) + len(shared + self.last) + 4
        listed = b""
        for sheet, body in zip(self.sheets, bodies, strict=True):
            listed += self._listed(sheet, size)
            size += len(body)
        return start + listed + shared + self.last + record(0x0A) + b"".join(bodies)

    def _beginning(self, kind: int) -> bytes:
        if self.version == 5:
            return record(0x809, struct.pack("<HHHH", 0x500, kind, 0x0DBB, 0x07CC))
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0, 6))

    def _fonts(self) -> bytes:
        """Fonts 0 to 3 of character set 0, then one for each style; number 4 does not exist."""
        heads = [
            struct.pack("<HHHHHBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, set_, 0) for set_ in (0, 0, 0, 0, *self.charsets)
        ]
        name = b"\5Arial" if self.version == 5 else b"\5\0Arial"
        return b"".join(record(0x31, head + name) for head in heads)

    def _styles(self) -> bytes:
        codes = [(164 + place, code) for place, code in enumerate(self.formats) if isinstance(code, str)]
        written = b"".join(record(0x41E, struct.pack("<H", number) + self._short(code)) for number, code in codes)
        numbers = [0, *(code if isinstance(code, int) else 164 + place for place, code in enumerate(self.formats))]
        fonts = [5 + place for place in range(len(self.charsets))]
        for place, number in enumerate(numbers):
            font = fonts[place] if place < len(fonts) else 0
            written += record(0xE0, struct.pack("<HH", font, number).ljust(16 if self.version == 5 else 20, b"\0"))
        return written

    def _short(self, text: str) -> bytes:
        """A format's code: its length in one byte, or in two with flags."""
        if self.version == 5:
            raw = text.encode(self.encoding)
            return bytes([len(raw)]) + raw
        return struct.pack("<H", len(text)) + flagged(text)

    def _listed(self, sheet: SheetOf, place: int) -> bytes:
        if self.version == 5:
            raw = sheet.name.encode(self.encoding)
            return record(0x85, struct.pack("<IBBB", place, sheet.hidden, sheet.kind, len(raw)) + raw)
        return record(
            0x85, struct.pack("<IBBB", place, sheet.hidden, sheet.kind, len(sheet.name)) + flagged(sheet.name)
        )

    def _sheet(self, sheet: SheetOf, texts: dict[str, int]) -> bytes:
        cells = b"".join(
            self._cell(row, column, value, texts)
            for row, values in enumerate(sheet.rows)
            for column, value in enumerate(values)
        )
        kind = {0: 0x10, 1: 0x40, 2: 0x20}[sheet.kind]
        return self._beginning(kind) + sheet.before + cells + sheet.after + sheet.end

    def _cell(self, row: int, column: int, value: Cell, texts: dict[str, int]) -> bytes:
        place = struct.pack("<HH", row, column)
        match value:
            case None:
                return b""
            case bool():
                return record(0x205, place + struct.pack("<HBB", 0, value, 0))
            case str() if self.version == 5:
                raw = value.encode(self.encoding)
                return record(0x204, place + struct.pack("<HH", 0, len(raw)) + raw)
            case str():
                return record(0xFD, place + struct.pack("<HI", 0, texts.setdefault(value, len(texts))))
            case Number(number, style, packed=True):
                return record(0x27E, place + struct.pack("<HI", style, packed_number(number)))
            case Number(number, style):
                return record(0x203, place + struct.pack("<Hd", style, number))
            case ErrorValue(name):
                return record(0x205, place + struct.pack("<HBB", 0, ERRORS[name], 1))
            case Formula():
                return self._formula(place, value)
            case _:
                return record(0x203, place + struct.pack("<Hd", 0, value))

    def _formula(self, place: bytes, formula: Formula) -> bytes:
        head = place + struct.pack("<H", formula.style) + formula.result
        written = record(0x06, head + struct.pack("<HIH", formula.flags, formula.cache, 3) + b"\x1e\1\0")
        if formula.text is None:
            return written
        if self.version == 5:
            raw = formula.text.encode(self.encoding)
            return written + record(0x207, struct.pack("<H", len(raw)) + raw)
        return written + record(0x207, struct.pack("<H", units(formula.text)) + flagged(formula.text))


def packed_number(number: float) -> int:
    """A whole number, or one with at most two decimals, in 30 bits."""
    hundredths = round(number * 100)
    whole, flags = (int(number), 2) if number == int(number) else (hundredths, 3)
    return (whole << 2 | flags) & 0xFFFFFFFF


def units(text: str) -> int:
    """Characters, of which those beyond U+FFFF count twice."""
    return len(text.encode("utf-16-le")) // 2


def flagged(text: str) -> bytes:
    """Flags, then one byte for each character where all fit, else two."""
    narrow = all(character < "\u0100" for character in text)
    return b"\0" + text.encode("latin-1") if narrow else b"\1" + text.encode("utf-16-le")


def shared_texts(texts: Sequence[str], piece: int) -> bytes:
    """The table of texts in records of at most ``piece`` bytes; a text that goes on in the next one has flags there."""
    parts = [struct.pack("<II", len(texts), len(texts))]
    for text in texts:
        if len(parts[-1]) + 3 > piece:
            parts.append(b"")
        narrow = all(character < "\u0100" for character in text)
        parts[-1] += struct.pack("<HB", units(text), not narrow)
        rest = text.encode("latin-1" if narrow else "utf-16-le")
        step = 1 if narrow else 2
        while True:
            room = max(0, piece - len(parts[-1])) // step * step
            parts[-1] += rest[:room]
            rest = rest[room:]
            if not rest:
                break
            # What is left is written in two bytes from here on, as Excel may do.
            parts.append(b"\1")
            rest, step = (rest.decode("latin-1").encode("utf-16-le"), 2) if step == 1 else (rest, 2)
    first, *others = parts
    return record(0xFC, first) + b"".join(record(0x3C, part) for part in others)


def workbook(book: Book, *, small: bool = False) -> bytes:
    """An .xls file; ``small`` leaves a short stream in the mini stream, as LibreOffice does."""
    stream = book.stream()
    name = "Workbook" if book.version == 8 else "Book"
    return ole({name: stream if small else stream.ljust(MINI_CUTOFF, b"\0")})
