"""Metadata of a delivery's materializations: what the UI shows of bronze and silver. Built from reports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from etl_platform.defs.lineage import column_lineage
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.masking import HIDDEN
from etl_platform.engine.result import CheckResult, ColumnProfile, Example, FileColumns, FileError

Metadata = dict[str, Any]
_EXAMPLES = 5


def bronze_metadata(reports: Sequence[Report]) -> Metadata:
    """The errors of all files together; delivery, source and bronze key of the last file."""
    last = reports[-1]
    return {
        "delivery_id": last.delivery_id,
        "outcome": str(last.outcome),
        "source": f"s3://{last.source.bucket}/{last.source.key}",
        "version_id": last.source.version_id or "(unversioned)",
        "size_bytes": last.source.size_bytes or 0,
        "bronze_key": last.written.bronze_key or "",
        **({"sha256": last.sha256} if last.sha256 else {}),
        "seconds": last.attempt.seconds,
        **errors_table([error for report in reports for error in report.check.errors]),
    }


def columns_of(reports: Sequence[Report]) -> list[FileColumns]:
    return [report.check.columns for report in reports if report.check.columns]


def silver_metadata(reports: Sequence[Report], contract: Contract) -> Metadata:
    """Counts, reasons and lineage of all files together; delivery, keys, profile and preview of the last file."""
    last, totals = reports[-1], merge_checks(reports)
    metadata: Metadata = {
        "delivery_id": last.delivery_id,
        "outcome": str(last.outcome),
        "dagster/row_count": totals.accepted_rows or 0,
        "rows": totals.rows or 0,
        "quarantined_rows": totals.quarantined_rows or 0,
        "sha256": last.sha256 or "",
        "silver_key": last.written.silver_key or "",
        "quarantine_key": last.written.quarantine_key or "",
        "contract_version": last.contract.version if last.contract else "",
    }
    tables = {
        "reasons": [{"rule": rule, "rows": rows} for rule, rows in sorted(totals.reasons.items())],
        "profile": [_profile_row(name, column) for name, column in last.check.profile.items()],
        "preview": last.check.preview,
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
        "min": HIDDEN if column.classified else column.min,
        "max": HIDDEN if column.classified else column.max,
        "most frequent": ", ".join(f"{top.value} ({top.rows})" for top in (column.top or ())[:3]),
    }
