"""What every pollution needs: the lines of a table, places in a line, and edits of rows, header or lines. No engine."""

import csv
from collections.abc import Callable, Sequence

from benchmarks.clean_tables import CleanTable, Rng

Pollution = Callable[[Rng, CleanTable], bytes | tuple[CleanTable, bytes]]


def written_lines(rng: Rng, table: CleanTable, delimiter: str = ",") -> list[str]:
    """The table's lines without their ends, in a random way of quoting."""
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC))
    return table.text(delimiter, "\n", quoting).splitlines()


def joined(rng: Rng, lines: Sequence[str]) -> bytes:
    end = rng.choice(("\n", "\n", "\r\n"))
    return (end.join(lines) + rng.choice((end, end, ""))).encode()


def any_row(rng: Rng, lines: Sequence[str]) -> int:
    return rng.randrange(1, len(lines))


def delimiter_places(line: str, delimiter: str = ",") -> list[int]:
    """Offsets of the delimiters outside quotes."""
    inside, found = False, []
    for offset, sign in enumerate(line):
        inside ^= sign == '"'
        if sign == delimiter and not inside:
            found.append(offset)
    return found


def edited_row(edit: Callable[[Rng, str], str]) -> Pollution:
    """A pollution of one to three rows."""

    def pollute(rng: Rng, table: CleanTable) -> bytes:
        lines = written_lines(rng, table)
        for row in rng.sample(range(1, len(lines)), rng.choice((1, 1, 1, 2, 3))):
            lines[row] = edit(rng, lines[row])
        return joined(rng, lines)

    return pollute


def edited_header(edit: Callable[[Rng, str], str]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        header, *rows = written_lines(rng, table)
        return joined(rng, [edit(rng, header), *rows])

    return pollute


def edited_lines(edit: Callable[[Rng, list[str], CleanTable], list[str]]) -> Pollution:
    def pollute(rng: Rng, table: CleanTable) -> bytes:
        return joined(rng, edit(rng, written_lines(rng, table), table))

    return pollute


def inserted(text: str, offset: int, added: str) -> str:
    return text[:offset] + added + text[offset:]
