"""Damage of single rows: delimiters, quotes and line breaks, for ``benchmarks.pollute``. No engine."""

from benchmarks.clean_tables import CleanTable, Rng
from benchmarks.pollute_lines import (
    any_row,
    delimiter_places,
    inserted,
)


def add_delimiter(rng: Rng, line: str) -> str:
    borders = [0, *delimiter_places(line), len(line)]
    return inserted(line, rng.choice(borders), rng.choice((",", ",", ",,")))


def add_delimiter_in_cell(rng: Rng, line: str) -> str:
    places = [
        o for o in range(1, len(line)) if line[o - 1].isalnum() and line[o].isalnum() and line[:o].count('"') % 2 == 0
    ]
    return inserted(line, rng.choice(places or [0]), ",")


def lose_delimiter(rng: Rng, line: str) -> str:
    offset = rng.choice(delimiter_places(line))
    return line[:offset] + rng.choice(("", "", " ", ";", "|", "\t")) + line[offset + 1 :]


def other_delimiter(rng: Rng, line: str) -> str:
    delimiter = rng.choice((";", "|", "\t", " ", ", ", ",,"))
    parts, start = [], 0
    for offset in delimiter_places(line):
        parts.append(line[start:offset])
        start = offset + 1
    return delimiter.join([*parts, line[start:]])


def lose_and_add_delimiter(rng: Rng, line: str) -> str:
    return add_delimiter(rng, lose_delimiter(rng, line)).replace(",,,", ",,")


def quote_before_cell(rng: Rng, line: str) -> str:
    starts = [o for o in [0, *(b + 1 for b in delimiter_places(line))] if line[o : o + 1] not in {'"', ""}]
    return inserted(line, rng.choice(starts or [0]), '"')


def quote_after_cell(rng: Rng, line: str) -> str:
    ends = [o for o in [*delimiter_places(line), len(line)] if o and line[o - 1].isalpha()]
    return inserted(line, rng.choice(ends), '"') if ends else line


def quote_after_digit(rng: Rng, line: str) -> str:
    places = [o for o in range(1, len(line) + 1) if line[o - 1].isdigit() and line[:o].count('"') % 2 == 0]
    return inserted(line, rng.choice(places), '"') if places else line


def quote_in_quoted_cell(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2 and line[o - 1].isalnum() and line[o].isalnum()]
    return inserted(line, rng.choice(inner), '"') if inner else quote_before_cell(rng, line)


def quote_in_unquoted_cell(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2 == 0 and line[o - 1 : o + 1].isalpha()]
    return inserted(line, rng.choice(inner), '"') if inner else line


def lose_quote(rng: Rng, line: str) -> str:
    quotes = [o for o, sign in enumerate(line) if sign == '"']
    if not quotes:
        return quote_before_cell(rng, line)
    offset = rng.choice(quotes)
    return line[:offset] + line[offset + 1 :]


def broken_line(rng: Rng, line: str) -> str:
    return inserted(line, rng.choice([o for o in range(1, len(line)) if line[:o].count('"') % 2 == 0]), "\n")


def broken_quoted_text(rng: Rng, line: str) -> str:
    inner = [o for o in range(1, len(line)) if line[:o].count('"') % 2]
    return inserted(line, rng.choice(inner), "\n") if inner else line


def cut_line(rng: Rng, line: str) -> str:
    return line[: rng.choice(delimiter_places(line)[1:] or [1])]


def spilled_cells(rng: Rng, line: str) -> str:
    return rng.choice((",", ",,", "x,", ",x,")) + line


def two_quotes(rng: Rng, line: str) -> str:
    return quote_in_unquoted_cell(rng, quote_after_cell(rng, line))


def stray_pair(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    """A quote opens a cell of one row and closes one of a later row."""
    first = any_row(rng, lines)
    last = min(len(lines) - 1, first + rng.choice((1, 1, 2, 5)))
    lines[first] = quote_before_cell(rng, lines[first])
    if last > first:
        lines[last] = quote_after_cell(rng, lines[last])
    return lines


def joined_rows(rng: Rng, lines: list[str], _table: CleanTable) -> list[str]:
    row = any_row(rng, lines)
    return [*lines[:row], rng.choice(("", ",", " ")).join(lines[row : row + 2]), *lines[row + 2 :]]
