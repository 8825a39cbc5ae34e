"""The result of DRIFT_CHECK: how the files that silver holds differ from the previous ones of their series."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.drift.comparison import DriftComparison, PastFile
from etl_platform.engine.drift.words import percent
from etl_platform.engine.rules.check_names import DRIFT_CHECK
from etl_platform.object_keys import base_name, series_key

if TYPE_CHECKING:
    from etl_platform.defs.datasets.delivery_metadata import Metadata


def drift_evaluation(in_silver: Sequence[Report], severity: Severity) -> CheckEvaluation | None:
    """One result about all given files of a partition; None if none of them was compared.

    Args:
        in_silver: the reports of the files in silver. The last one of each series counts.
        severity: of the contract: only ``error`` is red.
    """
    in_order = sorted(in_silver, key=lambda report: (report.source.order.last_modified, report.source.key))
    last = {series_key(*report.partition, report.source.key): report for report in in_order}
    compared = [(report, report.drift) for report in last.values() if report.drift is not None]
    if not compared:
        return None
    found = [(report, finding) for report, drift in compared for finding in drift.findings]
    metadata: Metadata = {
        "delivery_id": compared[-1][0].delivery_id,
        "previous_files": max(drift.files for _, drift in compared),
    }
    if found:
        rows = [
            {
                "file": base_name(report.source.key),
                "column": finding.column or "",
                "change": str(finding.change),
                "found": finding.found,
                "usual": finding.usual,
            }
            for report, finding in found
        ]
        metadata["differences"] = table(rows)
    newest = next((pair for pair in reversed(compared) if pair[1].findings), compared[-1])
    metadata |= _trend(*newest)
    several = len(last) > 1
    texts = [
        f"{base_name(one.source.key)}: {finding.message}" if several else finding.message for one, finding in found
    ]
    return CheckEvaluation(
        DRIFT_CHECK,
        not found,
        dg.AssetCheckSeverity.ERROR if severity is Severity.ERROR else dg.AssetCheckSeverity.WARN,
        metadata,
        "; ".join(texts) or _nothing_unusual([drift.files for _, drift in compared]),
    )


def _trend(report: Report, drift: DriftComparison) -> "Metadata":
    """A file after the previous ones of its series. Dagster plots the numbers over the evaluations of the check."""
    rows = report.check.rows or 0
    quarantined = (report.check.quarantined_rows or 0) / (rows or 1)
    this = PastFile(
        report.delivery_id,
        base_name(report.source.key),
        report.source.order.last_modified,
        rows,
        quarantined,
        drift.unusual,
    )
    lines = [
        {
            "delivered": f"{file.at:%Y-%m-%d}",
            "file": file.name,
            "rows": f"{file.rows:,}",
            "in quarantine": percent(file.quarantined),
            "unusual": ", ".join(file.unusual),
            "delivery_id": file.delivery_id,
        }
        for file in (*drift.previous, this)
    ]
    return {"rows": rows, "quarantined_percent": round(100 * quarantined, 2), "trend": table(lines)}


def _nothing_unusual(previous: Sequence[int]) -> str:
    if not any(previous):
        return "This is the first file of its series, so it was not compared with another one."
    return "Nothing unusual beside the previous files."
