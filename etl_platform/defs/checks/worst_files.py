"""The files that the result of a check names: which of them, and as text or table. No verdicts."""

from collections.abc import Sequence

from etl_platform.defs.datasets.delivery_metadata import Metadata
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.report import Report
from etl_platform.object_keys import base_name

MAX_WORST = 5
"""Files that a result names."""


def newest_first(reports: Sequence[Report]) -> list[Report]:
    """In order of processing, the last one first."""
    return sorted(reports, key=lambda report: (report.attempt.ended_at, report.delivery_id), reverse=True)


def worst_rows(broken: Sequence[Report], reason: str) -> Metadata:
    """The files that broke a rule most often, and the first lines of the worst one."""
    rows = [
        {
            "file": base_name(report.source.key),
            "delivery_id": report.delivery_id,
            "rows_broken": report.check.reasons[reason],
            "rows": report.check.rows,
        }
        for report in broken[:MAX_WORST]
    ]
    found: Metadata = {"files_failed": len(broken), "worst_files": table(rows)}
    if examples := broken[0].check.examples.get(reason):
        found["first_lines"] = table([example.to_json() for example in examples])
    return found


def where(broken: Sequence[Report], reason: str) -> str:
    """The files whose rows broke a rule, as a sentence."""
    worst, rows = broken[0], broken[0].check.reasons[reason]
    name = base_name(worst.source.key)
    if len(broken) == 1:
        return f"All of them are in {name}."
    return f"They are in {len(broken):,} files; the worst is {name} ({rows:,} of {worst.check.rows or 0:,} rows)."


def some(reports: Sequence[Report]) -> str:
    return base_name(reports[0].source.key) if len(reports) == 1 else f"{len(reports):,} files"
