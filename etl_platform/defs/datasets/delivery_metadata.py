"""Metadata of a delivery's materializations: what the UI shows of bronze and silver. Built from reports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from etl_platform.defs.datasets.lineage import column_lineage
from etl_platform.defs.table_metadata import first_columns, first_rows, table
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionContent
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.verdict import verdict, what_to_do
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.matched_columns import FileColumns
from etl_platform.engine.output.plain_text import escape_control_characters
from etl_platform.engine.privacy.masking import HIDDEN
from etl_platform.engine.result import CheckResult, ColumnProfile, Example, FileError
from etl_platform.engine.text_report import overlay_lines, read_as
from etl_platform.object_keys import base_name, report_key

Metadata = dict[str, Any]
_EXAMPLES = 5
_VERDICTS_SHOWN = 20


def bronze_metadata(reports: Sequence[Report], outcome: Outcome | None = None) -> Metadata:
    """What became of the files: verdicts, row counts and errors of all of them; the other facts are of the last file.

    Args:
        outcome: of the delivery, where it differs from its report: a duplicate.
    """
    last, totals = reports[-1], merge_checks(reports)
    dialect, written = last.check.dialect, last.written
    found: Metadata = {
        "verdict": "\n".join(verdict(report, outcome or report.outcome) for report in reports[-_VERDICTS_SHOWN:]),
        "to_do": what_to_do(last, outcome or last.outcome),
        "show": f"etl-platform show {last.delivery_id} --html verdict.html",
        "outcome": str(outcome or last.outcome),
        "file": base_name(last.source.key),
        "source": f"s3://{last.source.bucket}/{last.source.key}",
        "arrived_at": dg.MetadataValue.timestamp(last.source.last_modified) if last.source.last_modified else None,
        "size_bytes": last.source.size_bytes or 0,
        "read_as": read_as(dialect) if dialect else None,
        "delivery_id": last.delivery_id,
        "version_id": last.source.version_id or "(unversioned)",
        "sha256": last.sha256,
        "seconds": last.attempt.seconds,
        "superseded_by": last.superseded_by,
        "overlay": _overlay_text(last),
        "report_key": report_key(*last.partition, last.delivery_id, last.attempt_id),
        "bronze_key": written.bronze_key,
        "silver_key": written.silver_key,
        "quarantine_key": written.quarantine_key,
    }
    if any(report.check.rows is not None for report in reports):
        found |= {"rows": totals.rows, "quarantined_rows": totals.quarantined_rows}
    return {name: value for name, value in found.items() if value is not None} | errors_table(totals.errors)


def _overlay_text(report: Report) -> str | None:
    """The agency's overlay, what it sets, and the texts to which it gives another meaning."""
    overlay = report.check.overlay
    if overlay is None:
        return None
    contact = [f"contact: {overlay.contact}"] if overlay.contact else []
    return "\n".join(map(escape_control_characters, [*overlay_lines(overlay), *contact]))


def columns_of(reports: Sequence[Report]) -> list[FileColumns]:
    return [report.check.columns for report in reports if report.check.columns]


def silver_metadata(reports: Sequence[Report], contract: Contract, content: PartitionContent) -> Metadata:
    """Counts, reasons and lineage of all files together; delivery, keys, profile and preview of the last file.

    Args:
        content: of the partition, which may hold more files.
    """
    last, totals = reports[-1], merge_checks(reports)
    metadata: Metadata = {
        "delivery_id": last.delivery_id,
        "outcome": str(last.outcome),
        "files": len(reports),
        # There is no dagster/row_count of the table: a run knows only the partitions that it writes.
        "dagster/partition_row_count": content.rows,
        "rows": totals.rows or 0,
        "accepted_rows": totals.accepted_rows or 0,
        "quarantined_rows": totals.quarantined_rows or 0,
        "sha256": last.sha256 or "",
        "silver_key": last.written.silver_key or "",
        "quarantine_key": last.written.quarantine_key or "",
        "contract_version": last.contract.version if last.contract else "",
    }
    metadata |= {"overlay": text} if (text := _overlay_text(last)) else {}
    tables = {
        "reasons": first_rows([{"rule": rule, "rows": rows} for rule, rows in sorted(totals.reasons.items())]),
        "profile": first_rows([_profile_row(name, column) for name, column in last.check.profile.items()]),
        "preview": first_columns(last.check.preview),
    }
    metadata |= {name: table(rows) for name, rows in tables.items() if rows}
    dialect = last.check.dialect.to_json() if last.check.dialect else {}
    return metadata | {"dialect": dg.MetadataValue.json(dialect)} | column_lineage(columns_of(reports), contract)


def merge_checks(reports: Sequence[Report]) -> CheckResult:
    """The counts, reasons and errors of several files together, and the first five examples of each rule."""
    checks = [report.check for report in reports]
    reasons: Counter[str] = Counter()
    unevaluated: Counter[str] = Counter()
    examples: dict[str, tuple[Example, ...]] = {}
    for check in checks:
        reasons.update(check.reasons)
        unevaluated.update(check.unevaluated)
        for reason, rows in check.examples.items():
            examples[reason] = (examples.get(reason, ()) + rows)[:_EXAMPLES]
    return CheckResult(
        rows=sum(check.rows or 0 for check in checks),
        accepted_rows=sum(check.accepted_rows or 0 for check in checks),
        quarantined_rows=sum(check.quarantined_rows or 0 for check in checks),
        reasons=reasons,
        examples=examples,
        unevaluated=unevaluated,
        errors=tuple(error for check in checks for error in check.errors),
    )


def errors_table(errors: Sequence[FileError]) -> Metadata:
    return {"errors": table([asdict(error) for error in errors])} if errors else {}


def _profile_row(name: str, column: ColumnProfile) -> Metadata:
    return {
        "column": name,
        "nulls": column.nulls,
        "distinct": f"{'about ' if column.distinct_error else ''}{column.distinct}",
        "min": HIDDEN if column.masked else column.min,
        "max": HIDDEN if column.masked else column.max,
        "most frequent": ", ".join(f"{top.value} ({top.rows})" for top in (column.top or ())[:3]),
    }
