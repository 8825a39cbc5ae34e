"""Other dialects, encodings and spellings of values, for ``benchmarks.pollute``. No engine."""

import codecs
import csv
from collections.abc import Sequence

from benchmarks.clean_tables import CleanTable, Rng, delimited
from benchmarks.pollute_lines import (
    Pollution,
    inserted,
    joined,
    written_lines,
)
from benchmarks.pollute_tables import header_rows


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
    return "".join(line + rng.choice(("\n", "\r\n", "\r\n")) for line in written_lines(rng, table)).encode()


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


INVISIBLE = ("\u200b", "\ufeff", "\u00ad", "\u2060", "\u200e", "\u202c")
CONTROLS = ("\x00", "\x08", "\x1b", "\x85", "\x93", "\x9d")


def signs_in_cells(signs: Sequence[str]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        rows = [list(row) for row in table.rows]
        for _ in range(rng.choice((1, 2, 5))):
            row = rng.choice(rows)
            place = rng.randrange(len(row))
            row[place] = inserted(row[place], rng.randrange(len(row[place]) + 1), rng.choice(signs))
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
    return joined(rng, header_rows(rng, written_lines(rng, table), table))


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
