"""Checks one file with the engine for ``benchmarks.fuzz``: its outcome, its counts, and the rows before the damage."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.mutate import CONTRACT, Case
from benchmarks.workbooks import HEADER

SILVER, QUARANTINE = "silver.parquet", "quarantine.parquet"

_REFUSALS = Path(__file__).parents[1] / "docs" / "send" / "refusals.md"
CODES = frozenset(
    code
    for line in _REFUSALS.read_text("utf-8").splitlines()
    if line.startswith("| `")
    for code in re.findall("`([a-z_]+)`", line.split("|")[1])
)
"""The codes that are documented."""
_LINE_END = re.compile(rb"[\r\n]+")
_CHUNKS = ((1_500, 50), (30_000, 700), (1 << 40, 12 << 20))
"""Pairs of file size and chunk size: the first pair with a larger file size applies."""


def examine(case: Case, number: int, folder: Path) -> tuple[str, bool]:
    """Run one file through ``check_file`` and ``profile_file``.

    Returns:
        The outcome or rejection's code, and whether the rows were compared with those before the damage.

    Raises:
        AssertionError: the result is inconsistent.
    """
    from etl_platform.engine.check import check_file, profile_file
    from etl_platform.engine.check_output import write_report
    from etl_platform.engine.reading.delimited import text_table

    contract = _contract()
    # Tiny chunks are slow, so use them only for small files.
    text_table.CHUNK_BYTES = next(size for limit, size in _CHUNKS[min(number % 5, 2) :] if case.unpacked < limit)
    path = folder / "case"
    path.write_bytes(case.content)
    result = check_file(path, contract, folder)
    _sums_add_up(result, folder)
    write_report(result, folder)
    if not case.changed:
        assert result.accepted_rows == len(case.rows), f"{len(case.rows)} good rows, {result.accepted_rows} accepted"
    profiled = profile_file(path)
    assert not profiled.errors or profiled.errors[0].code in CODES, profiled.errors
    compared = _rows_agree(case, result, folder)
    return (result.errors[0].code if result.errors else str(result.outcome)), compared


@cache
def _contract() -> Any:
    from etl_platform.engine.contract.contract_reader import parse_contract

    return parse_contract(CONTRACT, "fuzz.odcs.yaml")


def _sums_add_up(result: Any, folder: Path) -> None:
    import polars as pl

    codes = {error.code for error in result.errors}
    assert codes <= CODES, f"unknown codes {codes - CODES}"
    assert bool(codes) == (str(result.outcome) == "rejected")
    assert result.rows == result.accepted_rows + result.quarantined_rows
    assert (folder / SILVER).exists() == (not codes)
    assert (folder / QUARANTINE).exists() == (result.quarantined_rows > 0)
    if not codes:
        assert pl.read_parquet(folder / SILVER).height == result.accepted_rows
    if result.quarantined_rows:
        reasons = pl.read_parquet(folder / QUARANTINE)["reasons"]
        assert len(reasons) == result.quarantined_rows
        assert reasons.null_count() == 0
        assert dict(Counter(";".join(reasons).split(";"))) == result.reasons
    assert all(part.nulls <= result.rows for part in result.profile.values())
    json.dumps(result.to_json(), allow_nan=False)


def _rows_agree(case: Case, result: Any, folder: Path) -> bool:
    """Compare with the rows before the damage; False where header or rows cannot be found again.

    A row whose bytes are as they were must be in silver with its own values, in quarantine, or among the lines that
    the report names. A row of silver that no clean row gives must come from a line that was changed.
    """
    if not case.lines or result.errors or case.lines[0] not in case.content:
        return False
    _, *lines = case.lines
    missing = {HEADER.index(name) for name in result.columns.missing}
    silver = Counter(_without(row, missing) for row in _rows(folder / SILVER))
    clean = [_without(typed_row(row), missing) for row in case.rows]
    named = [str(cell) for row in _rows(folder / QUARANTINE) for cell in row]
    named = "\n".join([*named, *(line.text for line in result.dialect.dropped)])
    # Rows that lie within a quoted cell: the report names their lines.
    texts = re.split(rb"\r\n?|\n", case.content)
    in_cells = {texts[number - 1] for number in result.dialect.rows_in_cells}
    for row, cells, line in zip(clean, case.rows, lines, strict=True):
        known = row in silver or cells[0] in named or line not in case.content or line.rstrip(b"\r\n") in in_cells
        assert known, f"the unchanged row {row} is nowhere in the results"
    foreign = list((silver - Counter({row: silver[row] for row in clean})).elements())
    before, after = (set(_LINE_END.split(text)) for text in (b"".join(case.lines), case.content))
    changed = len(after - before) + sum(line not in case.content for line in case.lines)
    assert len(foreign) <= changed, f"{len(foreign)} foreign rows of {changed} changed lines, such as {foreign[0]}"
    return True


def _rows(path: Path) -> list[tuple[Any, ...]]:
    import polars as pl

    return pl.read_parquet(path).rows() if path.exists() else []


def _without(row: tuple[Any, ...], places: set[int]) -> tuple[Any, ...]:
    return tuple(value for place, value in enumerate(row) if place not in places)


def typed_row(cells: Sequence[str]) -> tuple[Any, ...]:
    """A clean row as the contract of the fuzzed files reads it."""
    ident, name, day, pay, visits, active, note = (_text_or_none(cell) for cell in cells)
    return (
        ident,
        name,
        day and _day(day),
        pay and _amount(pay),
        visits and int(visits),
        active and active in {"Y", "true"},
        note,
    )


def _text_or_none(cell: str) -> str | None:
    text = cell.strip()
    return None if text in {"", "N/A"} else text


def _day(text: str) -> date:
    if "/" in text:
        month, day, year = map(int, text.split("/"))
        return date(year, month, day)
    return date.fromisoformat(text)


def _amount(text: str) -> float:
    amount = float(re.sub(r"[$,()]", "", text))
    return -amount if text.startswith("(") else amount
