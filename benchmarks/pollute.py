"""Pollutes clean tables for ``benchmarks.pollution``: one kind of damage in each file. No engine.

The kinds follow Pollock (Vitagliano et al., VLDB 2023, section 3), and add what agencies' exports and spreadsheets do.
A pollution changes how a table is written, or damages some of its rows; a right reader gives rows of the clean table or
none. ``UNDECIDABLE`` names the kinds in which a person who sees only the file could not tell either.
"""

import codecs
import csv
import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.clean_tables import DATASETS, CleanTable, Rng, clean_table, delimited

BASE_TABLES = 40
"""Clean tables of each dataset; every polluted file is made from one of them."""
UNDECIDABLE = {
    "a quote after a digit": "it is an inch mark as often as a stray quote, so the text keeps it",
    "a line break in a quoted text": "texts of several lines are written so",
    "a delimiter lost and another one added": "the row has its usual width, and only the types of its cells can differ",
    "a text cell overwritten by its neighbour": "nothing in the file shows it",
}


@dataclass(frozen=True)
class Polluted:
    """A polluted file.

    Attributes:
        table: what a right reader may find in it, and nothing else.
        base: the number of the clean table that it was made from; ``table`` may write other values.
    """

    kind: str
    table: CleanTable
    base: int
    content: bytes


Pollution = Callable[[Rng, CleanTable], bytes | tuple[CleanTable, bytes]]


def make_file(seed: int, number: int, only: str | None = None) -> Polluted:
    """The same numbers give the same file; ``only`` fixes the kind."""
    rng = random.Random(f"pollute:{seed}:{number}")
    base = rng.randrange(BASE_TABLES)
    table = clean_table(seed, base, rng.choice(DATASETS))
    kind = only or rng.choice(list(KINDS))
    made = KINDS[kind](rng, table)
    truth, content = made if isinstance(made, tuple) else (table, made)
    return Polluted(kind, truth, base, content)


def _lines(rng: Rng, table: CleanTable, delimiter: str = ",") -> list[str]:
    """The table's lines without their ends, in a random way of quoting."""
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC))
    return table.text(delimiter, "\n", quoting).splitlines()


def _joined(rng: Rng, lines: Sequence[str]) -> bytes:
    end = rng.choice(("\n", "\n", "\r\n"))
    return (end.join(lines) + rng.choice((end, end, ""))).encode()


def _row(rng: Rng, lines: Sequence[str]) -> int:
    return rng.randrange(1, len(lines))


def _borders(line: str, delimiter: str = ",") -> list[int]:
    """Offsets of the delimiters outside quotes."""
    inside, found = False, []
    for offset, sign in enumerate(line):
        inside ^= sign == '"'
        if sign == delimiter and not inside:
            found.append(offset)
    return found


def _edited_row(edit: Callable[[Rng, str], str]) -> Pollution:
    """A pollution of one to three rows."""

    def pollute(rng: Rng, table: CleanTable) -> bytes:
        lines = _lines(rng, table)
        for row in rng.sample(range(1, len(lines)), rng.choice((1, 1, 1, 2, 3))):
            lines[row] = edit(rng, lines[row])
        return _joined(rng, lines)

    return pollute


def _edited_header(edit: Callable[[Rng, str], str]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        header, *rows = _lines(rng, table)
        return _joined(rng, [edit(rng, header), *rows])

    return pollute


def _edited_lines(edit: Callable[[Rng, list[str], CleanTable], list[str]]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        return _joined(rng, edit(rng, _lines(rng, table), table))

    return pollute


def _insert(text: str, offset: int, added: str) -> str:
    return text[:offset] + added + text[offset:]


def add_delimiter(rng: Rng, line: str) -> str:
    borders = [0, *_borders(line), len(line)]
    return _insert(line, rng.choice(borders), rng.choice((",", ",", ",,")))


def add_delimiter_in_cell(rng: Rng, line: str) -> str:
    places = [
        o for o in range(1, len(line)) if line[o - 1].isalnum() and line[o].isalnum() and line[:o].count('"') % 2 == 0
    ]
    return _insert(line, rng.choice(places or [0]), ",")


def lose_delimiter(rng: Rng, line: str) -> str:
    offset = rng.choice(_borders(line))
    return line[:offset] + rng.choice(("", "", " ", ";", "|", "\t")) + line[offset + 1 :]


def other_delimiter(rng: Rng, line: str) -> str:
    delimiter = rng.choice((";", "|", "\t", " ", ", ", ",,"))
    parts, start = [], 0
    for offset in _borders(line):
        parts.append(line[start:offset])
        start = offset + 1
    return delimiter.join([*parts, line[start:]])


def lose_and_add_delimiter(rng: Rng, line: str) -> str:
    return add_delimiter(rng, lose_delimiter(rng, line)).replace(",,,", ",,")


def quote_before_cell(rng: Rng, line: str) -> str:
    starts = [o for o in [0, *(b + 1 for b in _borders(line))] if line[o : o + 1] not in {'"', ""}]
    return _insert(line, rng.choice(starts or [0]), '"')


def quote_after_cell(rng: Rng, line: str) -> str:
    ends = [o for o in [*_borders(line), len(line)] if o and line[o - 1].isalpha()]
    return _insert(line, rng.choice(ends), '"') if ends else line


def quote_after_digit(rng: Rng, line: str) -> str:
    places = [o for o in range(1, len(line) + 1) if line[o - 1].isdigit() and line[:o].count('"') % 2 == 0]
    return _insert(line, rng.choice(places), '"') if places else line


def quote_in_quoted_cell(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2 and line[o - 1].isalnum() and line[o].isalnum()]
    return _insert(line, rng.choice(inner), '"') if inner else quote_before_cell(rng, line)


def quote_in_unquoted_cell(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2 == 0 and line[o - 1 : o + 1].isalpha()]
    return _insert(line, rng.choice(inner), '"') if inner else line


def lose_quote(rng: Rng, line: str) -> str:
    quotes = [o for o, sign in enumerate(line) if sign == '"']
    if not quotes:
        return quote_before_cell(rng, line)
    offset = rng.choice(quotes)
    return line[:offset] + line[offset + 1 :]


def broken_line(rng: Rng, line: str) -> str:
    return _insert(line, rng.choice([o for o in range(1, len(line)) if line[:o].count('"') % 2 == 0]), "\n")


def broken_quoted_text(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2]
    return _insert(line, rng.choice(inner), "\n") if inner else line


def cut_line(rng: Rng, line: str) -> str:
    return line[: rng.choice(_borders(line)[1:] or [1])]


def spilled_cells(rng: Rng, line: str) -> str:
    return rng.choice((",", ",,", "x,", ",x,")) + line


def two_quotes(rng: Rng, line: str) -> str:
    return quote_in_unquoted_cell(rng, quote_after_cell(rng, line))


def stray_pair(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    """A quote opens a cell of one row and closes one of a later row."""
    first = _row(rng, lines)
    last = min(len(lines) - 1, first + rng.choice((1, 1, 2, 5)))
    lines[first] = quote_before_cell(rng, lines[first])
    if last > first:
        lines[last] = quote_after_cell(rng, lines[last])
    return lines


def joined_rows(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    row = _row(rng, lines)
    return [*lines[:row], rng.choice(("", ",", " ")).join(lines[row : row + 2]), *lines[row + 2 :]]


def _preamble(rng: Rng, table: CleanTable) -> list[str]:
    padding = "," * rng.choice((0, len(table.header) - 1))
    return [f"{text}{padding}" for text in ("Springfield Police", "Report of 2026-02-01", "")][: rng.randrange(1, 4)]


def preamble(rng: Rng, lines: list[str], table: CleanTable) -> list[str]:
    return [*_preamble(rng, table), *lines]


def preamble_with_a_quote(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return [rng.choice(('Report "Roster', 'Screen 21"', '"Springfield')), *lines]


def footer(rng: Rng, lines: list[str], table: CleanTable) -> list[str]:
    total = rng.choice(
        (
            f"Total rows: {len(table.rows)}",
            f"{len(table.rows)} rows",
            f"Total,{len(table.rows)}",
            "*** End of report ***",
        )
    )
    return [*lines, *rng.choice(([], [""])), total]


def repeated_header(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    header = lines[0]
    written = rng.choice((
        header, header.upper(), header.title(), f"\f{header}", header.replace(",", " , "), header.replace("_", " "),
        unicodedata.normalize("NFD", header), f"\ufeff{header}",
    ))  # fmt: skip
    row = rng.randrange(1, len(lines) + 1)
    return [*lines[:row], *rng.choice(([], [""], ["", ""])), written, *lines[row:]]


def header_rows(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return [lines[0]] * rng.choice((1, 2)) + lines


def split_header(_rng: Rng, lines: list[str], table: CleanTable) -> list[str]:
    """Names of two words over two rows."""
    upper, lower = [], []
    for name in table.header:
        above, _, below = name.rpartition("_")
        upper.append(above)
        lower.append(below)
    return [",".join(upper), ",".join(lower), *lines[1:]]


def row_below_header(rng: Rng, lines: list[str], table: CleanTable) -> list[str]:
    """Units, a ruler, numbers or types of the columns, or nothing."""
    width = len(table.header)
    row = rng.choice((
        ["-" * 8] * width,
        ["=" * len(name) for name in table.header],
        [str(n) for n in range(1, width + 1)],
        ["(text)"] * width,
        ["" if n % 3 else "(yyyy-mm-dd)" for n in range(width)],
        [""] * width,
    ))  # fmt: skip
    return [lines[0], ",".join(row), *lines[1:]]


def second_table(rng: Rng, lines: list[str], table: CleanTable) -> list[str]:
    width = len(table.header) + rng.choice((-3, -1, 0, 0, 1, 3))
    names = [
        "shift",
        "car",
        "area",
        "beat",
        "zone",
        "hours_worked",
        "sergeant",
        "fuel",
        "radio",
        "plate",
        "town",
        "sector",
    ]
    header = [names[n % len(names)] + ("" if n < len(names) else str(n)) for n in range(max(2, width))]
    rows = [[f"{name[:2].upper()}{n}" for name in header] for n in range(rng.choice((1, 3, 10)))]
    title = rng.choice(([], ["Vehicles"]))
    return [*lines, *rng.choice(([""], ["", ""], [])), *title, *delimited([header, *rows], ",", "\n").splitlines()]


def header_once_more_and_rows(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    """Two exports one below the other: every row is of the table."""
    row = rng.randrange(1, len(lines))
    return [*lines[:row], "", lines[0], *lines[row:]]


def extra_column_without_name(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return [lines[0], *(f"{line}," for line in lines[1:])] if rng.random() < 0.5 else [f"{line}," for line in lines]


def short_rows(_rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return [lines[0], *(line.rstrip(",") for line in lines[1:])]


def blank_lines(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return [part for line in lines for part in (line, *rng.choice(((), ("",), ("  ",), ("", ""))))]


def no_header(_rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return lines[1:]


def header_only(_rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    return lines[:1]


def no_lines(_rng: Rng, _whole: list[str], _table: CleanTable) -> list[str]:
    return []


def lost_name(rng: Rng, header: str) -> str:
    borders = [-1, *_borders(header), len(header)]
    place = rng.randrange(len(borders) - 1)
    return header[: borders[place] + 1] + header[borders[place + 1] :]


def restyled_header(rng: Rng, header: str) -> str:
    changes: tuple[Callable[[str], str], ...] = (
        str.upper,
        str.title,
        lambda text: text.replace("_", " "),
        lambda text: text.replace("_", "\u200b_"),
        lambda text: text.replace(",", " , "),
        lambda text: f"\ufeff{text}",
        lambda text: text.replace("_", "\u00a0"),
    )
    return rng.choice(changes)(header)


def rewritten(delimiter: str, end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> Pollution:
    """Another delimiter or line end throughout."""

    def pollute(_rng: Rng, table: CleanTable) -> bytes:
        if len(delimiter) == 1:
            return table.text(delimiter, end, quoting).encode()
        text = table.text("\x01", end, csv.QUOTE_ALL if quoting == csv.QUOTE_ALL else csv.QUOTE_MINIMAL)
        return (
            _quoted_for(table, delimiter, end).encode()
            if "," in delimiter
            else text.replace("\x01", delimiter).encode()
        )

    return pollute


def _quoted_for(table: CleanTable, delimiter: str, end: str) -> str:
    """Cells with a comma or quote are quoted; between cells stands the longer delimiter."""
    rows = [table.header, *table.rows]
    cells = [['"' + c.replace('"', '""') + '"' if "," in c or '"' in c else c for c in row] for row in rows]
    return end.join(delimiter.join(row) for row in cells) + end


def apostrophes(rng: Rng, table: CleanTable) -> bytes:
    """Apostrophes around cells that need quotes; one with a comma shows that they are quotes."""
    if not any("," in cell for row in table.rows for cell in row):
        return all_apostrophes(rng, table)
    rows = [table.header, *table.rows]
    cells = [["'" + c.replace("'", "''") + "'" if "," in c or "'" in c else c for c in row] for row in rows]
    return "\n".join(",".join(row) for row in cells).encode()


def all_apostrophes(_rng: Rng, table: CleanTable) -> bytes:
    cells = [["'" + c.replace("'", "''") + "'" for c in row] for row in [table.header, *table.rows]]
    return "\n".join(",".join(row) for row in cells).encode()


def backslashes(_rng: Rng, table: CleanTable) -> bytes:
    rows = [table.header, *table.rows]
    cells = [
        ['"' + c.replace("\\", "\\\\").replace('"', '\\"') + '"' if "," in c or '"' in c else c for c in row]
        for row in rows
    ]
    return "\n".join(",".join(row) for row in cells).encode()


def escaped_delimiters(_rng: Rng, table: CleanTable) -> bytes:
    rows = [table.header, *table.rows]
    return "\n".join(",".join(c.replace("\\", "\\\\").replace(",", "\\,") for c in row) for row in rows).encode()


def without_quotes(_rng: Rng, table: CleanTable) -> bytes:
    """Tabs between cells, and quotes as part of the texts."""
    return "\n".join("\t".join(row) for row in [table.header, *table.rows]).encode()


def mixed_line_ends(rng: Rng, table: CleanTable) -> bytes:
    return "".join(line + rng.choice(("\n", "\r\n", "\r\n")) for line in _lines(rng, table)).encode()


def concatenated(rng: Rng, table: CleanTable) -> bytes:
    """Two files in one, each with its byte order mark."""
    row = rng.randrange(1, len(table.rows))
    parts = (table.rows[:row], table.rows[row:])
    return b"".join(codecs.BOM_UTF8 + delimited([table.header, *part], ",", "\r\n").encode() for part in parts)


_NAMES = {
    "Peña Núñez García López Muñoz Pérez Ibáñez Ramírez Sánchez": (
        "cp1252",
        "iso8859_15",
        "mac_roman",
        "cp437",
        "utf-16",
    ),
    "Hélène Lefèvre François Benoît Noël Gérard Agnès Bélanger": ("cp1252", "iso8859_15", "mac_roman", "cp850"),
    "Müller Schäfer Jäger Köhler Böhm Krüger Schröder Weiß Groß": ("cp1252", "mac_roman", "cp850", "cp1250"),
    "Łukasz Gałązka Świątek Michał Kościół Jabłoński Woźniak": ("cp1250", "iso8859_2", "cp852"),
    "Dvořák Říha Šťastný Žižka Kučera Němec Hruška Růžička Kovář": ("cp1250", "iso8859_2", "cp852"),
    "Szőke Kőszegi Erdős Hegedűs Győri Szűcs Csörgő Dörnyei": ("cp1250", "iso8859_2", "cp852"),
    "Şahin Yıldız Öztürk Kılıç Doğan Güneş Işık Çağlar": ("cp1254", "iso8859_9", "cp857"),  # noqa: RUF001
    "Žukauskas Šimkus Mažeika Čiurlionis Kęstutis Jūratė Šarūnas": ("cp1257", "iso8859_13", "cp775"),
    "Смирнов Кузнецов Попова Васильев Соколова Морозов": ("cp1251", "koi8_r", "cp866", "iso8859_5"),
    "Παπαδόπουλος Γεωργίου Νικολάου Δημητρίου Καραγιάννη": ("cp1253", "iso8859_7"),
}
"""Usual surnames of a language, and the code pages in which they are written."""
_HANDFUL = 12
"""Words in a foreign code page that a reader may mistake for Windows-1252."""
_TEXT_COLUMNS = ("last_name", "stop_location", "employer", "course_name", "allegation", "reason")


def _with_names(rng: Rng, table: CleanTable, names: str) -> CleanTable:
    """Every text of one column begins with one of the names."""
    place = next(p for name in _TEXT_COLUMNS if (p := table.place(name)) is not None)
    return table.with_column(place, [f"{rng.choice(names.split())} {row[place]}" for row in table.rows])


def code_page(rng: Rng, table: CleanTable) -> tuple[CleanTable, bytes]:
    names, pages = rng.choice(list(_NAMES.items()))
    written = _with_names(rng, table, names)
    page = rng.choice(pages) if len(table.rows) > _HANDFUL else "utf-8"
    return written, written.text(end="\r\n").encode(page)


def utf8_letter_cut(rng: Rng, table: CleanTable) -> tuple[CleanTable, bytes]:
    written = _with_names(rng, table, next(iter(_NAMES)))
    content = written.text().encode()
    offset = rng.choice([o for o, byte in enumerate(content) if byte >= 0xC0])
    return written, content[: offset + 1] + content[offset + 2 :]


def encoded_twice(rng: Rng, table: CleanTable) -> tuple[CleanTable, bytes]:
    written = _with_names(rng, table, next(iter(_NAMES)))
    return written, written.text().encode().decode("latin-1").encode()


_INVISIBLE = ("\u200b", "\ufeff", "\u00ad", "\u2060", "\u200e", "\u202c")
_CONTROLS = ("\x00", "\x08", "\x1b", "\x85", "\x93", "\x9d")


def _signs_in_cells(signs: Sequence[str]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        rows = [list(row) for row in table.rows]
        for _ in range(rng.choice((1, 2, 5))):
            row = rng.choice(rows)
            place = rng.randrange(len(row))
            row[place] = _insert(row[place], rng.randrange(len(row[place]) + 1), rng.choice(signs))
        return delimited([table.header, *rows], ",", "\n").encode()

    return pollute


def blanks_around(rng: Rng, table: CleanTable) -> bytes:
    blank = rng.choice((" ", "\u00a0", "\u2009", "\u3000", "  "))
    rows = [[blank + cell + blank if cell else cell for cell in row] for row in table.rows]
    return delimited([table.header, *rows], ",", "\n").encode()


def _dated(table: CleanTable) -> int | None:
    return next(
        (
            p
            for name in ("hire_date", "stop_date", "start_date", "completed_on", "received_date")
            if (p := table.place(name)) is not None
        ),
        None,
    )


def day_first(rng: Rng, table: CleanTable) -> bytes:
    """Dates as day/month/year, at least one of them with a day above 12."""
    place = _dated(table)
    if place is None:
        return blanks_around(rng, table)
    cells = []
    for row in table.rows:
        year, month, day = _parts(row[place])
        cells.append(f"{day}/{month}/{year}")
    if not any(int(cell.partition("/")[0]) > 12 for cell in cells):
        return header_rows_bytes(rng, table)
    return table.with_column(place, cells).text().encode()


def header_rows_bytes(rng: Rng, table: CleanTable) -> bytes:
    return _joined(rng, header_rows(rng, _lines(rng, table), table))


def _parts(text: str) -> tuple[int, int, int]:
    if "/" in text:
        month, day, year = map(int, text.split("/"))
    else:
        year, month, day = map(int, text.split("-"))
    return year, month, day


def decimal_commas(rng: Rng, table: CleanTable) -> bytes:
    """Amounts of other countries: points between thousands and a decimal comma, at least one with cents."""
    place = next((p for name in ("salary", "hours") if (p := table.place(name)) is not None), None)
    if place is None:
        return blanks_around(rng, table)
    cells = [row[place].replace(",", "x").replace(".", ",").replace("x", ".") for row in table.rows]
    return table.with_column(place, [f"{cells[0].partition(',')[0]},50", *cells[1:]]).text().encode()


def excel_texts(_rng: Rng, table: CleanTable) -> bytes:
    rows = [(f'="{row[0]}"', *row[1:]) for row in table.rows]
    return delimited([table.header, *rows], ",", "\r\n").encode()


def excel_texts_unquoted(_rng: Rng, table: CleanTable) -> bytes:
    lines = table.text(header=True).splitlines()
    rows = [f'="{line.partition(",")[0]}",{line.partition(",")[2]}' for line in lines[1:]]
    return "\n".join([lines[0], *rows]).encode()


def overwritten_text(rng: Rng, table: CleanTable) -> bytes:
    rows = [list(row) for row in table.rows]
    row, place = rng.choice(rows), rng.randrange(1, len(table.header))
    row[place] = row[place - 1]
    return delimited([table.header, *rows], ",", "\n").encode()


KINDS: dict[str, Pollution] = {
    # Pollock: the whole file
    "no payload": _edited_lines(no_lines),
    "no header": _edited_lines(no_header),
    "header only": _edited_lines(header_only),
    "the header two or three times": _edited_lines(header_rows),
    "a preamble": _edited_lines(preamble),
    "a preamble with a stray quote": _edited_lines(preamble_with_a_quote),
    "a second table below": _edited_lines(second_table),
    "CR as line end": rewritten(",", "\r"),
    "CRLF as line end": rewritten(",", "\r\n"),
    "line ends mixed": mixed_line_ends,
    "semicolons": rewritten(";"),
    "tabs": rewritten("\t"),
    "pipes": rewritten("|"),
    "blanks as delimiter": rewritten(" "),
    "comma and blank": rewritten(", "),
    "two commas": rewritten(",,"),
    "two pipes": rewritten("||"),
    "apostrophes as quotes": apostrophes,
    "apostrophes around all": all_apostrophes,
    "backslash before quotes": backslashes,
    "backslash before delimiters": escaped_delimiters,
    "no quoting": without_quotes,
    # Pollock: single rows
    "a surplus delimiter": _edited_row(add_delimiter),
    "a delimiter in a cell": _edited_row(add_delimiter_in_cell),
    "a lost delimiter": _edited_row(lose_delimiter),
    "another delimiter in a row": _edited_row(other_delimiter),
    "a quote before a cell": _edited_row(quote_before_cell),
    "a quote after a cell": _edited_row(quote_after_cell),
    "a quote in a quoted cell": _edited_row(quote_in_quoted_cell),
    "a quote in an unquoted text": _edited_row(quote_in_unquoted_cell),
    "a quote after a digit": _edited_row(quote_after_digit),
    "a lost quote": _edited_row(lose_quote),
    # rows, as exports damage them
    "a quote before and one after later cells": _edited_lines(stray_pair),
    "two quotes in texts": _edited_row(two_quotes),
    "a line break in a row": _edited_row(broken_line),
    "a line break in a quoted text": _edited_row(broken_quoted_text),
    "a row cut off": _edited_row(cut_line),
    "cells before a row": _edited_row(spilled_cells),
    "two rows in one line": _edited_lines(joined_rows),
    "a delimiter lost and another one added": _edited_row(lose_and_add_delimiter),
    "empty last cells left out": _edited_lines(short_rows),
    "a delimiter after each row": _edited_lines(extra_column_without_name),
    "blank lines": _edited_lines(blank_lines),
    "a text cell overwritten by its neighbour": overwritten_text,
    # header and the lines around the table
    "a delimiter lost in the header": _edited_header(lose_delimiter),
    "a delimiter too many in the header": _edited_header(add_delimiter),
    "a name lost in the header": _edited_header(lost_name),
    "a quote in the header": _edited_header(quote_before_cell),
    "a header in another style": _edited_header(restyled_header),
    "a header over two rows": _edited_lines(split_header),
    "the header once more": _edited_lines(repeated_header),
    "the table in two parts": _edited_lines(header_once_more_and_rows),
    "two files in one": concatenated,
    "a row below the header": _edited_lines(row_below_header),
    "a footer": _edited_lines(footer),
    # texts and values
    "another code page": code_page,
    "a letter of UTF-8 cut": utf8_letter_cut,
    "UTF-8 encoded twice": encoded_twice,
    "invisible characters": _signs_in_cells(_INVISIBLE),
    "control characters": _signs_in_cells(_CONTROLS),
    "blanks around cells": blanks_around,
    "days before months": day_first,
    "decimal commas": decimal_commas,
    "Excel texts": excel_texts,
    "Excel texts without quotes around": excel_texts_unquoted,
}
