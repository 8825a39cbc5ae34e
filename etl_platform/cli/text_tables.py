"""What the command line prints for people: plain text tables and verdicts. No decisions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from etl_platform.deliveries.history import DeliveryHistory
from etl_platform.deliveries.report import Report
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.result import CheckResult, ColumnProfile, DatasetVerdict, Example, FileColumns
from etl_platform.object_keys import base_name

_MAX_CELL = 60
_MESSAGES_SHOWN = 300


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, last: int = _MAX_CELL) -> str:
    """Columns as wide as their longest cell; numbers to the right; control characters made visible.

    Args:
        last: characters that a cell of the last column may have.
    """
    cells = [list(header), *[[*(_cell(value) for value in row[:-1]), _cell(row[-1], last)] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int | None) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("─" * min(width, _MAX_CELL) for width in widths))
    return "\n".join(lines)


def _cell(value: Any, most: int = _MAX_CELL) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    text = _visible(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _visible(text: str) -> str:
    """Control characters as their codes: what a file holds gives a terminal no orders and makes no lines of its own."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def verdict(file_name: str, dataset: str | None, result: CheckResult) -> str:
    """The result of a check for people: what became of the file, and per broken rule which lines to fix."""
    what = f"{file_name} as {dataset}" if dataset else file_name
    lines = [f"{result.outcome.upper()}  {what}"]
    if result.rows:
        lines.append(f"{result.rows:,} rows: {result.accepted_rows:,} good, {result.quarantined_rows:,} quarantined")
    lines += [f"  {error}" for error in result.errors]
    lines += _dialect_lines(result.dialect) if result.dialect else []
    lines += _column_lines(result.columns, accepted=not result.errors) if result.columns else []
    lines = [_visible(line) for line in lines]
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
    value = "(empty)" if example.value is None else _cell(example.value)
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


def deliveries_table(reports: Sequence[Report]) -> str:
    """One line per report, in the order given."""
    rows = [
        (
            _time(happened_at(report)),
            report.agency,
            base_name(report.source.key) or report.source.key,
            report.dataset,
            f"{report.outcome}{' again' if report.is_replay else ''}",
            report.check.rows,
            report.check.quarantined_rows,
            _why(report.check),
        )
        for report in reports
    ]
    header = ("when (UTC)", "agency", "file", "dataset", "outcome", "rows", "quarantined", "why")
    return table(header, rows, last=_MESSAGES_SHOWN)


def changes_text(report: Report) -> str:
    """How many rows a replay changed."""
    if report.changes is None:
        return ""
    rows = report.changes.rows
    counts = (
        (rows.now_good, "good now"),
        (rows.now_bad, "bad now"),
        (rows.other_reasons, "bad for other reasons"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no row changed"


def history_table(deliveries: Sequence[DeliveryHistory]) -> str:
    """The deliveries of one source key in the order given, each below its replays."""
    rows: list[tuple[Any, ...]] = []
    for delivery in deliveries:
        rows += [
            (_time(replay.attempt.ended_at), "  replay", *_result(replay), None, changes_text(replay))
            for replay in delivery.replays
        ]
        arrival = delivery.arrival
        replayed = f"{len(delivery.replays)}×" if delivery.replays else ""
        when = _time(_arrived_at(arrival))
        rows.append((when, arrival.delivery_id, *_result(arrival), delivery.superseded_by, replayed))
    header = ("when (UTC)", "delivery", "outcome", "rows", "quarantined", "contract", "by", "superseded by", "replayed")
    return table(header, rows)


def _result(report: Report) -> tuple[Any, ...]:
    contract, trigger = report.contract, report.attempt.trigger
    by = trigger.by or (f"run {trigger.run_id[:8]}" if trigger.run_id else "")
    checked_by = f"{contract.version} {contract.sha256[:6]}" if contract else ""
    return str(report.outcome), report.check.rows, report.check.quarantined_rows, checked_by, by


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def happened_at(report: Report) -> datetime:
    """When the object was written or, of a replay, when that ended (UTC)."""
    return report.attempt.ended_at if report.is_replay else _arrived_at(report)


def _arrived_at(report: Report) -> datetime:
    """When the object was written (UTC); if that is not known, when its processing began."""
    return report.source.last_modified or report.attempt.began_at


def _why(check: CheckResult) -> str:
    if check.errors:
        return "; ".join(map(str, check.errors))
    reasons = sorted(check.reasons.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{reason} {rows:,}" for reason, rows in reasons[:3]) + (" …" if len(reasons) > 3 else "")
