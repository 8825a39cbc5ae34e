"""Faults that a file may have although it keeps every rule, planted in files of ``habits``. No engine."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from random import Random

from benchmarks.habits import Agency, Column, Row, SentFile

_ALL_ROWS = 0.6
"""A fault of one column is planted where so many cells are filled."""
Fault = Callable[[Agency, SentFile, Random], SentFile | None]


def _columns(agency: Agency, *kinds: str, filled: float = _ALL_ROWS) -> list[Column]:
    return [one for one in agency.columns if (not kinds or one.kind in kinds) and one.filled >= filled]


def _chosen(random: Random, columns: Iterable[Column]) -> str | None:
    names = [one.name for one in columns]
    return random.choice(names) if names else None


def _with_cells(file: SentFile, name: str | None, change: Callable[[str], str]) -> SentFile | None:
    """None if there is no such column, or nothing changes."""
    if name is None:
        return None
    rows = [row | {name: change(row[name]) if row[name] else ""} for row in file.rows]
    return None if rows == file.rows else replace(file, rows=rows)


def _with_rows(file: SentFile, rows: list[Row]) -> SentFile | None:
    return replace(file, rows=rows) if rows and rows != file.rows else None


def _column_gone(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    gone = _chosen(random, _columns(agency, filled=0.2)[1:])
    return replace(file, header=[name for name in file.header if name != gone])


def _two_renamed(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    names = {one.name: f"new_{one.name}" for one in random.sample(_columns(agency, filled=0.2)[1:], 2)}
    rows = [{names.get(name, name): cell for name, cell in row.items()} for row in file.rows]
    return replace(file, header=[names.get(name, name) for name in file.header], rows=rows)


def _shifted(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    """From one column on, the cells are one column further right."""
    texts = {one.name for one in _columns(agency, "code", "text", "name", "phone", "case")}
    header = file.header
    places = [i for i in range(1, len(header) - 1) if header[i] in texts or header[i + 1] in texts]
    place = random.choice(places)
    moved = header[place:]
    came_from = dict(zip(moved[1:], moved[:-1], strict=True))
    rows = [row | {moved[0]: ""} | {name: row[left] for name, left in came_from.items()} for row in file.rows]
    return replace(file, rows=rows)


def _thousandfold(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    return _with_cells(file, _chosen(random, _columns(agency, "number")), lambda cell: _times(cell, 1000))


def _minutes_as_hours(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    names = [one for one in _columns(agency, "number") if one.contract["logicalType"] == "number"]
    return _with_cells(file, _chosen(random, names), lambda cell: f"{float(cell) / 60:.2f}")


def _cents(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    return _with_cells(file, _chosen(random, _columns(agency, "number")), lambda cell: _times(cell, 100))


def _comma_misread(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    """12.5 read as 125: the decimal sign was taken for a separator of groups."""
    name = _chosen(random, [one for one in _columns(agency, "number") if one.contract["logicalType"] == "number"])
    return _with_cells(file, name, lambda cell: str(int(cell.replace(".", ""))))


def _times(cell: str, factor: int) -> str:
    return f"{float(cell) * factor:.2f}" if "." in cell else str(int(cell) * factor)


def _half(_agency: Agency, file: SentFile, _random: Random) -> SentFile | None:
    return _with_rows(file, file.rows[: len(file.rows) // 2])


def _doubled(_agency: Agency, file: SentFile, _random: Random) -> SentFile | None:
    again = [row | {"event_no": str(int(row["event_no"]) + 500_000)} for row in file.rows]
    return _with_rows(file, [*file.rows, *again])


def _codes_renamed(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    names = [one for one in agency.columns if one.weights and one.filled >= _ALL_ROWS]
    how = random.choice((lambda cell: cell.upper(), lambda cell: cell.split()[-1], lambda cell: f"X-{cell[:2]}"))
    return _with_cells(file, _chosen(random, names), how)


def _precinct_missing(_agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    counts = {row["precinct"]: 0 for row in file.rows}
    for row in file.rows:
        counts[row["precinct"]] += 1
    # Nobody can miss a precinct that has few events.
    likely = [name for name, rows in counts.items() if rows >= 25 and rows >= 0.04 * len(file.rows)]
    if len(counts) < 2 or not likely:
        return None
    gone = random.choice(likely)
    return _with_rows(file, [row for row in file.rows if row["precinct"] != gone])


def _a_year_off(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    days = random.choice((-365, 365, 36_525))
    return _with_cells(file, _chosen(random, _columns(agency, "event date")), lambda cell: _moved(cell, days))


def _a_century_off(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    names = _columns(agency, "static date", "birth date")
    return _with_cells(file, _chosen(random, names), lambda cell: _moved(cell, random.choice((36_525,))))


def _moved(cell: str, days: int) -> str:
    return (date.fromisoformat(cell) + timedelta(days)).isoformat()


def _emptied(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    return _with_cells(file, _chosen(random, _columns(agency, filled=0.2)[1:]), lambda _: "")


def _default_filled(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    """Cells that were empty have a default value."""
    columns = [one for one in agency.columns if 0.02 < one.filled <= 0.75]
    if not columns:
        return None
    column = random.choice(columns)
    default = {"date": "1900-01-01", "number": "0", "integer": "0"}.get(column.contract.get("logicalType", ""), "NONE")
    return _with_rows(file, [row | {column.name: row[column.name] or default} for row in file.rows])


def _one_value(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    """All cells of a column have the value of the first row, as a formula that was filled down."""
    columns = [one for one in _columns(agency)[1:] if one.kind not in {"constant", "period"}]
    name = _chosen(random, columns)
    value = next((row[name] for row in file.rows if name and row[name]), "")
    return _with_cells(file, name, lambda _: value)


def _truncated(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    name = _chosen(random, _columns(agency, "text", "name", "phone"))
    return _with_cells(file, name, lambda cell: cell[:5])


def _letters_lost(_agency: Agency, file: SentFile, _random: Random) -> SentFile | None:
    """As ASCII, with a question mark for each other letter. Text that was encoded twice is decoded by the reader."""
    rows = [{name: cell.replace("é", "?") for name, cell in row.items()} for row in file.rows]
    return _with_rows(file, rows)


def _deduplicated(_agency: Agency, file: SentFile, _random: Random) -> SentFile | None:
    """One row of each case is left, as if only the first person of an incident counted."""
    rows = list({row["case_no"]: row for row in reversed(file.rows)}.values())
    return _with_rows(file, rows) if len(rows) < 0.85 * len(file.rows) else None


def _columns_swapped(agency: Agency, file: SentFile, random: Random) -> SentFile | None:
    """Two text columns have each other's cells."""
    names = [one.name for one in _columns(agency, "code", "name", "text", "phone")]
    if len(names) < 2:
        return None
    one, other = random.sample(names, 2)
    return _with_rows(file, [row | {one: row[other], other: row[one]} for row in file.rows])


FAULTS: dict[str, Fault] = {
    "a column gone": _column_gone,
    "two columns renamed": _two_renamed,
    "cells shifted": _shifted,
    "columns swapped": _columns_swapped,
    "numbers times 1000": _thousandfold,
    "minutes as hours": _minutes_as_hours,
    "cents": _cents,
    "decimal comma misread": _comma_misread,
    "half a file": _half,
    "a doubled file": _doubled,
    "a code list renamed": _codes_renamed,
    "a precinct missing": _precinct_missing,
    "dates a year off": _a_year_off,
    "dates a century off": _a_century_off,
    "a column emptied": _emptied,
    "a default filled in": _default_filled,
    "one value everywhere": _one_value,
    "texts truncated": _truncated,
    "letters lost": _letters_lost,
    "one row per case": _deduplicated,
}
