"""The result of a check as text for people. No decisions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl_platform.engine.columns import DAMAGED_ROW
from etl_platform.engine.contract.overlay import AppliedOverlay, meaning_text
from etl_platform.engine.file_dialect import CleanedCells, FileDialect
from etl_platform.engine.matched_columns import FileColumns, Rename
from etl_platform.engine.named_files import LeftOut
from etl_platform.engine.output.plain_text import MAX_CELL, counted, escape_control_characters, printable
from etl_platform.engine.output.table_formats import Table
from etl_platform.engine.output.terminal_table import table, wrapped_line
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.result import (
    CheckResult,
    ColumnProfile,
    DatasetVerdict,
    Example,
    FileError,
)

_MOST_NAMED, _MOST_FINDINGS, _MAX_LABEL = 5, 20, 300


_CLEANED = {
    "invisible": "removed invisible characters",
    "blank": "replaced no-break and other blanks by plain ones",
    "accent": "composed letters and accents",
    "formula_text": 'read the texts of formulas such as ="00123"',
    "double_encoded": "decoded text that was encoded twice (Ã± is ñ)",
}
"""Changes of cells, by ``CleanedCells.what``."""


def verdict(file_name: str, dataset: str | None, result: CheckResult, note: str = "") -> str:
    """The outcome of a file, how it was read, and the lines to fix for each broken rule; ``note`` is below these."""
    what = f"{file_name} as {dataset}" if dataset else file_name
    lines = [f"{result.outcome.upper()}  {what}"]
    if result.rows:
        lines.append(
            f"{counted(result.rows, 'row')}: {result.accepted_rows:,} good, {result.quarantined_rows:,} quarantined"
        )
    lines += [f"  {error}" for error in result.errors]
    # Whatever such a file was taken for, it was not read as that.
    was_read = not any(error.code == "encoding_undecidable" for error in result.errors)
    if result.dialect and was_read:
        lines += [f"read as {read_as(result.dialect)}", *remark_lines(result.dialect)]
    lines += overlay_lines(result.overlay) if result.overlay else []
    lines += _column_lines(result.columns, accepted=not result.errors) if result.columns else []
    lines += _personal_data_lines(result.personal_data or ())
    lines = [wrapped_line(escape_control_characters(line)) for line in lines]
    if result.reasons:
        rows = [
            (reason, rows, _unevaluated(result, reason) + _examples(reason, result.examples.get(reason, ())))
            for reason, rows in sorted(result.reasons.items(), key=lambda pair: -pair[1])
        ]
        lines += ["", table(("rule", "rows", "first lines"), rows), *([wrapped_line(note)] if note else [])]
    if result.dataset_rules:
        lines += ["", _dataset_rules_table(result.dataset_rules)]
    return "\n".join(lines)


def overlay_lines(overlay: AppliedOverlay) -> list[str]:
    """What the agency's overlay sets, and which texts it gives another meaning."""
    lines = [f"overlay {overlay.file} ({overlay.sha256[:12]})", *(f"  {setting}" for setting in overlay.settings)]
    lines += [f"  {meaning_text(column, texts)}" for column, texts in overlay.meanings.items()]
    if overlay.meanings:
        cells = ", ".join(f"{column} {count:,}" for column, count in sorted(overlay.changed_cells.items()))
        lines.append(f"  cells with one of these texts: {cells or 'none'}")
    return lines


def remark_lines(dialect: FileDialect) -> list[str]:
    """What is unusual about the text, and which lines, members of an archive and sheets of a workbook were left out."""
    lines = []
    if dialect.header_remark:
        lines.append(f"  {dialect.header_remark}")
    if dialect.ragged_rows:
        rows = counted(dialect.ragged_rows, "row")
        lines.append(f"  {rows} without the cells of the header, or with a stray quote")
    for line in dialect.dropped:
        text = line.text.replace("\t", " ")  # between the cells of a sheet
        lines.append(f"  left out line {_place(line.line, line.member)}: {text}")
    lines += [f"  {_CLEANED.get(cells.what, cells.what)} in {_cells(cells)}" for cells in dialect.cleaned]
    if dialect.spanning_rows:
        lines.append(f"  {counted(dialect.spanning_rows, 'row')} over several lines, with a line break in quotes")
    for part in (dialect, *(member.dialect for member in dialect.members or ())):
        lines += [
            f"  line {line} is inside a quoted cell that spans lines; is it a row?" for line in part.rows_in_cells
        ]
    if dialect.encoding_evidence:
        words = ", ".join(f"{item.word} (line {item.line})" for item in dialect.encoding_evidence)
        lines.append(f"  as Windows-1252 for words such as {words}")
    members = [member.name for member in dialect.members or ()]
    not_read = [*(dialect.ignored_members or ()), *(dialect.ignored_sheets or ())]
    if members:
        lines.append(f"read as one table: {', '.join(members)}")
    if not_read:
        lines.append(f"not read: {', '.join(not_read)}")
    return lines + _sheet_lines(dialect)


def read_as(dialect: FileDialect) -> str:
    """Encoding, delimiter or sheet, and header line, in one line."""
    delimiter = repr(dialect.delimiter) if dialect.delimiter else dialect.sheet or ""
    header = f"header on line {dialect.header_line}" if dialect.header_line else "no header"
    return ", ".join(filter(None, (dialect.encoding, delimiter, *_marks(dialect), header)))


def _sheet_lines(dialect: FileDialect) -> list[str]:
    """What Excel shows of the sheet differently from what was read."""
    lines = []
    if dialect.sheet_is_hidden:
        lines.append(f"the sheet {dialect.sheet} is hidden in Excel; it was read")
    if dialect.merged_cells:
        lines.append(
            f"merged cells: {', '.join(dialect.merged_cells)}; only the first cell of each has a value, the others are "
            "empty"
        )
    if dialect.hidden_rows:
        lines.append(f"hidden in Excel and read: lines {', '.join(dialect.hidden_rows)}")
    if dialect.hidden_columns:
        lines.append(f"hidden in Excel and read: columns {', '.join(dialect.hidden_columns)}")
    return lines


def _cells(cleaned: CleanedCells) -> str:
    place = _place(cleaned.line, cleaned.member)
    return f"{counted(cleaned.cells, 'cell')} of {', '.join(cleaned.columns)}, first on line {place}"


def _marks(dialect: FileDialect) -> list[str]:
    """What is unusual about the quotes and blanks of a text."""
    quote = {'"': "", "none": "without quotes"}.get(dialect.quote or '"', f"quote {dialect.quote}")
    escape = f"escape {dialect.escape}" if dialect.escape else ""
    blanks = "blanks after delimiters" if dialect.blank_after_delimiter else ""
    return [mark for mark in (quote, escape, blanks) if mark]


def _personal_data_lines(found: Sequence[PersonalData]) -> list[str]:
    if not found:
        return []
    lines = ["personal data that the contract does not announce, masked:"]
    lines += [f"  {one}" for one in found[:_MOST_FINDINGS]]
    return lines + ([f"  and {len(found) - _MOST_FINDINGS:,} more"] if len(found) > _MOST_FINDINGS else [])


def _column_lines(columns: FileColumns, *, accepted: bool) -> list[str]:
    lines = []
    if columns.synonyms:
        lines.append("renamed: " + ", ".join(f"{old} → {new}" for old, new in columns.synonyms.items()))
    if accepted and columns.missing:
        lines.append("not in the file: " + ", ".join(columns.missing))
    if columns.extra:
        lines.append("not in the contract: " + ", ".join(columns.extra))
    return [*lines, *map(_rename_line, columns.renames)]


def _rename_line(rename: Rename) -> str:
    return f"  {rename.header} may be {rename.column} (score {rename.score}): {rename.reason}"


def _dataset_rules_table(verdicts: Sequence[DatasetVerdict]) -> str:
    rows = [
        (
            verdict.name,
            round(verdict.found, 2) if isinstance(verdict.found, float) else verdict.found,
            verdict.allowed,
            "passed" if verdict.passed else str(verdict.severity),
        )
        for verdict in verdicts
    ]
    return table(("dataset rule", "found", "allowed", "verdict"), rows)


def _unevaluated(result: CheckResult, reason: str) -> str:
    rows = result.unevaluated.get(reason, 0)
    return f"({rows:,} could not be evaluated) " if rows else ""


def _examples(reason: str, examples: Sequence[Example]) -> str:
    # A damaged row has no one value that is wrong, only cells beyond the header.
    empty = "" if reason.startswith(DAMAGED_ROW) else ": (empty)"
    values = (empty if example.value is None else f": {printable(example.value)}" for example in examples)
    places = (f"line {_place(example.line, example.member)}" for example in examples)
    return ", ".join(place + value for place, value in zip(places, values, strict=True))


def _place(line: int, member: str | None) -> str:
    return f"{line} of {member}" if member is not None else str(line)


def profile_table(profile: Mapping[str, ColumnProfile]) -> Table:
    """The columns of a file without a contract."""
    rows = [
        (
            name,
            column.nulls,
            column.distinct,
            printable(column.min),
            printable(column.max),
            ", ".join(f"{top.value} ({top.rows:,})" for top in (column.top or ())[:3]),
        )
        for name, column in profile.items()
    ]
    return Table(("column", "nulls", "distinct", "min", "max", "most frequent"), rows, last=MAX_CELL)


@dataclass(frozen=True)
class FileLine:
    """What the summary of several files shows of one. ``outcome`` is ``not_checked`` if there is no verdict."""

    label: str
    outcome: str
    rows: int
    accepted_rows: int
    errors: tuple[FileError, ...]


def not_checked(label: str, error: FileError) -> str:
    return "\n".join(wrapped_line(escape_control_characters(line)) for line in (f"NOT CHECKED  {label}", f"  {error}"))


def summary(lines: Sequence[FileLine], left_out: Sequence[LeftOut]) -> str:
    """Several files: those without acceptance as a table, the files left out, and the totals."""
    parts = []
    if refused := [line for line in lines if line.errors]:
        rows = [
            (line.outcome.replace("_", " "), ", ".join(error.code for error in line.errors), line.label)
            for line in refused
        ]
        parts.append(f"{table(('outcome', 'reason', 'file'), rows, last=_MAX_LABEL)}\n")
    if left_out:
        reasons = Counter(found.code for found in left_out)
        counts = ", ".join(f"{count:,} {code}" for code, count in sorted(reasons.items()))
        named = ", ".join(found.path.name for found in left_out[:_MOST_NAMED]) + (
            " …" if left_out[_MOST_NAMED:] else ""
        )
        parts.append(escape_control_characters(f"never deliveries, left out: {counts} ({named})"))
    outcomes = Counter(line.outcome for line in lines)
    total = f"{counted(len(lines), 'file')}: {outcomes['accepted']:,} accepted, {outcomes['rejected']:,} rejected"
    if outcomes["not_checked"]:
        total += f", {outcomes['not_checked']:,} not checked"
    accepted = [line for line in lines if line.outcome == "accepted"]
    good, rows_of_accepted = sum(line.accepted_rows for line in accepted), sum(line.rows for line in accepted)
    parts.append(f"{total}; {good:,} good rows, {rows_of_accepted - good:,} quarantined in accepted files")
    return "\n".join(parts)
