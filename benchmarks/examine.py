"""Checks one file with the engine for ``benchmarks.fuzz``: outcome, counts, and cells compared with Python's csv."""

import codecs
import csv
import io
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.mutate import CONTRACT, Case

CODES = frozenset(
    {"empty_file", "no_rows", "no_header_match", "missing_column", "ambiguous_column", "no_good_rows", "zip_members"}
    | {
        "too_many_bad_rows",
        "ambiguous_dates",
        "ambiguous_numbers",
        "too_many_columns",
        "header_too_short",
        "too_many_blank_lines",
        "unclosed_quote",
        "row_too_long",
        "encoding_undecidable",
        "zip_bomb",
    }
    | {"not_tabular", "workbook_damaged", "workbook_too_large", "workbook_uncalculated", "ambiguous_sheet"}
    | {"archive_damaged", "archive_nested", "encrypted", "zip_unsafe"}
)
_CHUNKS = ((1_500, 50), (30_000, 700), (1 << 40, 12 << 20))
"""Pairs of file size and chunk size: the first pair with a larger file size applies."""


def examine(case: Case, number: int, folder: Path) -> tuple[str, bool]:
    """Run one file through ``check_file`` and ``profile_file``.

    Returns:
        The outcome or rejection's code, and whether the cells were compared with Python's strict csv.

    Raises:
        AssertionError: the result is inconsistent.
    """
    from etl_platform.engine.check import check_file, profile_file, write_report
    from etl_platform.engine.reading import text_table

    contract = _contract()
    # Tiny chunks are slow, so use them only for small files.
    text_table.CHUNK_BYTES = next(size for limit, size in _CHUNKS[min(number % 5, 2) :] if case.unpacked < limit)
    path = folder / "case"
    path.write_bytes(case.content)
    result = check_file(path, contract, folder)
    _sums_add_up(result, folder)
    write_report(result, folder)
    if case.rows is not None:
        assert result.accepted_rows == case.rows, f"{case.rows} good rows, {result.accepted_rows} accepted"
    profiled = profile_file(path)
    assert not profiled.errors or profiled.errors[0].code in CODES, profiled.errors
    compared = case.text and _cells_agree(path, contract, result)
    return (result.errors[0].code if result.errors else str(result.outcome)), compared


@cache
def _contract() -> Any:
    from etl_platform.engine.contract.contract_reader import parse_contract

    return parse_contract(CONTRACT, "fuzz.odcs.yaml")


def _sums_add_up(result: Any, folder: Path) -> None:
    import polars as pl

    from etl_platform.engine.split import QUARANTINE, SILVER

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


def _cells_agree(path: Path, contract: Any, result: Any) -> bool:
    """Compare with Python's strict csv reader: cells and lines must be equal. False if it cannot read the text."""
    from etl_platform.engine.reading import text_table
    from etl_platform.engine.reading.open_table import open_table

    dialect, codes = result.dialect, {error.code for error in result.errors}
    if (
        not dialect
        or dialect.cleaned
        or "row.broken_character" in result.reasons
        or codes - {"no_good_rows", "unclosed_quote"}
    ):
        return False
    try:
        text = re.sub(r"(?<=[\r\n])\ufeff+", "", _decoded(path.read_bytes(), dialect.encoding))
        rows = _strict_rows(text, dialect.delimiter)
    except (ValueError, csv.Error):
        return False
    header_ends = dialect.header_line + dialect.header_lines - 1
    if any("\n" in cell for line, cells in rows if line <= header_ends for cell in cells):
        return False
    if "unclosed_quote" in codes:
        # A stray quote may look unclosed at the end of a chunk, but not if there is only one chunk.
        assert path.stat().st_size > text_table.CHUNK_BYTES, "Python's csv finds every quote closed"
        return False
    table = open_table(path, contract)
    width = len(table.header)
    ours = [row[: width + 1] for batch in table.batches() for row in batch.rows()]
    left_out = {item.line for item in table.describe().dropped}
    expected = [
        (*(cell or None for cell in cells[:width]), *[None] * (width - len(cells)), line)
        for line, cells in rows
        if line > header_ends and line not in left_out and not _is_blank(cells, width)
    ]
    assert ours == expected, _first_difference(ours, expected)
    return True


def _decoded(content: bytes, encoding: str) -> str:
    """The text, decoded line by line as the engine does, because cells are compared and not encodings."""
    from etl_platform.engine.reading.encodings import western_text

    if not encoding.endswith("cp1252"):
        return content.decode(encoding).removeprefix("\ufeff").rstrip("\x1a")
    text = ""
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True):
        try:
            text += line.decode()
        except UnicodeDecodeError:
            text += western_text(line)
    return text.rstrip("\x1a")


def _strict_rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    csv.field_size_limit(2**31 - 1)
    strict = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    for cells in strict:
        rows.append((line, cells))
        line = strict.line_num + 1
    return rows


def _is_blank(cells: list[str], width: int) -> bool:
    return not any(cells) or (len(cells) == 1 < width and not cells[0].strip())


def _first_difference(ours: list[Any], expected: list[Any]) -> str:
    pairs = zip([*ours, *[None] * len(expected)], [*expected, *[None] * len(ours)], strict=False)
    one, other = next((a, b) for a, b in pairs if a != b)
    return f"read {str(one)[:300]} where Python's csv reads {str(other)[:300]}"
