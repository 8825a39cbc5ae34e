"""The result of a check as text for people. No decisions."""

from collections.abc import Mapping, Sequence

from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.output.plain_text import escape_control_characters, printable, table
from etl_platform.engine.result import CheckResult, ColumnProfile, DatasetVerdict, Example, FileColumns


def verdict(file_name: str, dataset: str | None, result: CheckResult) -> str:
    """The outcome of a file, how it was read, and the lines to fix for each broken rule."""
    what = f"{file_name} as {dataset}" if dataset else file_name
    lines = [f"{result.outcome.upper()}  {what}"]
    if result.rows:
        lines.append(f"{result.rows:,} rows: {result.accepted_rows:,} good, {result.quarantined_rows:,} quarantined")
    lines += [f"  {error}" for error in result.errors]
    lines += _dialect_lines(result.dialect) if result.dialect else []
    lines += _column_lines(result.columns, accepted=not result.errors) if result.columns else []
    lines = [escape_control_characters(line) for line in lines]
    if result.reasons:
        rows = [
            (reason, rows, ", ".join(map(_example, result.examples.get(reason, ()))))
            for reason, rows in sorted(result.reasons.items(), key=lambda pair: -pair[1])
        ]
        lines += ["", _rules_table(rows)]
    if result.dataset_rules:
        lines += ["", _dataset_rules_table(result.dataset_rules)]
    return "\n".join(lines)


def _dialect_lines(dialect: FileDialect) -> list[str]:
    """How the file was read, and which lines, members of an archive and sheets of a workbook were left out."""
    delimiter = repr(dialect.delimiter) if dialect.delimiter else dialect.sheet or ""
    lines = [f"read as {dialect.encoding}, {delimiter}, header on line {dialect.header_line}"]
    lines += [f"  left out line {_place(line.line, line.member)}: {line.text}" for line in dialect.dropped]
    members = [member.name for member in dialect.members or ()]
    not_read = [*(dialect.ignored_members or ()), *(dialect.ignored_sheets or ())]
    if members:
        lines.append(f"read as one table: {', '.join(members)}")
    if not_read:
        lines.append(f"not read: {', '.join(not_read)}")
    return lines


def _column_lines(columns: FileColumns, *, accepted: bool) -> list[str]:
    lines = []
    if columns.synonyms:
        lines.append("renamed: " + ", ".join(f"{old} → {new}" for old, new in columns.synonyms.items()))
    if accepted and columns.missing:
        lines.append("not in the file: " + ", ".join(columns.missing))
    if columns.extra:
        lines.append("not in the contract: " + ", ".join(columns.extra))
    return lines


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


def _example(example: Example) -> str:
    value = "(empty)" if example.value is None else printable(example.value)
    return f"line {_place(example.line, example.member)}: {value}"


def _place(line: int, member: str | None) -> str:
    return f"{line} of {member}" if member is not None else str(line)


def _rules_table(rows: Sequence[tuple[str, int, str]]) -> str:
    width = max(len("rule"), *(len(rule) for rule, _, _ in rows))
    lines = [f"{'rule'.ljust(width)}  {'rows':>9}  first lines"]
    lines += [f"{rule.ljust(width)}  {count:>9,}  {first}" for rule, count, first in rows]
    return "\n".join(lines)


def profile_table(profile: Mapping[str, ColumnProfile]) -> str:
    rows = [
        (
            name,
            column.nulls,
            column.distinct,
            column.min,
            column.max,
            ", ".join(f"{top.value} ({top.rows:,})" for top in (column.top or ())[:3]),
        )
        for name, column in profile.items()
    ]
    return table(("column", "nulls", "distinct", "min", "max", "most frequent"), rows)
