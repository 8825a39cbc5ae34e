"""How a file was understood, in words for a page: its text, its header, and the columns that are not as expected."""

from collections.abc import Iterator
from dataclasses import dataclass

from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.matched_columns import FileColumns
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.result import CheckResult
from etl_platform.engine.text_report import overlay_lines, remark_lines

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_MAX_COLUMNS = 200


@dataclass(frozen=True)
class ColumnNote:
    """What happened to one column. ``header`` is its name in the file, ``column`` that in the contract."""

    header: str
    column: str
    note: str


def reading_facts(result: CheckResult) -> list[tuple[str, str]]:
    """Names and values: encoding, delimiter or sheet, header."""
    dialect = result.dialect
    if dialect is None or any(error.code == "encoding_undecidable" for error in result.errors):
        return []
    found = [
        ("Format", ", ".join(filter(None, (dialect.format, dialect.compression, dialect.member)))),
        ("Sheet", dialect.sheet or ""),
        ("Encoding", dialect.encoding if dialect.sheet is None else ""),
        ("Delimiter", _DELIMITERS.get(dialect.delimiter or "", dialect.delimiter or "")),
        ("Header", _header(dialect)),
        ("Rows", f"{result.rows:,}" if result.rows else ""),
        ("Columns", f"{len(result.columns.header):,}" if result.columns else ""),
    ]
    return [(name, value) for name, value in found if value]


def _header(dialect: FileDialect) -> str:
    if not dialect.header_line:
        return "none; the contract names the columns"
    lines = f" to {dialect.header_line + dialect.header_lines - 1}" if dialect.header_lines > 1 else ""
    above = f", below {counted(dialect.preamble_lines, 'other line')}" if dialect.preamble_lines else ""
    return f"line {dialect.header_line}{lines}{above}"


def remarks(result: CheckResult) -> list[str]:
    """Lines and sheets left out, characters changed, what the agency's overlay sets: one sentence each."""
    lines = remark_lines(result.dialect) if result.dialect else []
    lines += overlay_lines(result.overlay) if result.overlay else []
    return [line.strip() for line in lines]


def column_notes(columns: FileColumns | None, *, accepted: bool) -> tuple[list[ColumnNote], int]:
    """The columns that were renamed, not taken or missing, and how many more there are."""
    found = [] if columns is None else list(_column_notes(columns, accepted=accepted))
    return found[:_MAX_COLUMNS], max(0, len(found) - _MAX_COLUMNS)


def _column_notes(columns: FileColumns, *, accepted: bool) -> Iterator[ColumnNote]:
    guesses = {rename.header: rename for rename in columns.renames}
    for header, column in columns.synonyms.items():
        yield ColumnNote(header, column, "renamed")
    for column, headers in columns.duplicates.items():
        for header in headers:
            yield ColumnNote(header, column, "the same column again")
    for header in columns.extra:
        guess = guesses.get(header)
        note = f"not taken; it may be {guess.column}: {guess.reason}" if guess else "not taken: the contract lacks it"
        yield ColumnNote(header, "", note)
    for column in columns.missing if accepted else ():
        yield ColumnNote("", column, "not in the file, so it is empty")
