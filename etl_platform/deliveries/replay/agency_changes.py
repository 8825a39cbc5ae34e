"""What reading the outdated files of an agency again changes, as one line. No store."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.replay.outdated import OutdatedFiles
from etl_platform.deliveries.report import Report


@dataclass(frozen=True)
class AgencyChanges:
    """How the files of an agency change, or would change.

    Attributes:
        files: that were read under another contract or overlay.
        now_good: rows that were refused, or are of a file that was rejected.
        now_bad: rows that were accepted.
        same_verdict: rows that are accepted as before, or refused as before. Their values may differ.
        now_rejected: files that were accepted. Silver keeps their rows.
        still_rejected: files that were rejected, and are rejected again.
    """

    agency: str
    files: int
    now_good: int = 0
    now_bad: int = 0
    same_verdict: int = 0
    now_rejected: int = 0
    still_rejected: int = 0

    @classmethod
    def of(cls, agency: str, outdated: OutdatedFiles, results: Iterable[DeliveryResult]) -> "AgencyChanges":
        now_good = now_bad = same_verdict = now_rejected = still_rejected = 0
        for result in results:
            if result.outcome is Outcome.REJECTED:
                was_accepted = result.report.delivery_id in outdated.accepted
                now_rejected += was_accepted
                still_rejected += not was_accepted
            elif result.outcome is Outcome.ACCEPTED and not result.repeated:
                good, bad, same = _rows(result.report)
                now_good, now_bad, same_verdict = now_good + good, now_bad + bad, same_verdict + same
        return cls(agency, outdated.number, now_good, now_bad, same_verdict, now_rejected, still_rejected)


def _rows(report: Report) -> tuple[int, int, int]:
    """Rows that are accepted now, are refused now, or have the same verdict, of a delivery that is accepted."""
    if report.changes is None or not report.changes.in_silver_before:
        return report.check.accepted_rows or 0, 0, report.check.quarantined_rows or 0
    rows = report.changes.rows
    return rows.now_good, rows.now_bad, (report.check.rows or 0) - rows.now_good - rows.now_bad
