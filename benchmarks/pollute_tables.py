"""Damage of the header and of the lines around rows, for ``benchmarks.pollute``. No engine."""

import unicodedata

from benchmarks.clean_tables import CleanTable, Rng, delimited
from benchmarks.pollute_lines import (
    delimiter_places,
)


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
    borders = [-1, *delimiter_places(header), len(header)]
    place = rng.randrange(len(borders) - 1)
    return header[: borders[place] + 1] + header[borders[place + 1] :]


def restyled_header(rng: Rng, header: str) -> str:
    changes = (
        str.upper,
        str.title,
        lambda text: text.replace("_", " "),
        lambda text: text.replace("_", "\u200b_"),
        lambda text: text.replace(",", " , "),
        lambda text: f"\ufeff{text}",
        lambda text: text.replace("_", "\u00a0"),
    )
    return rng.choice(changes)(header)
