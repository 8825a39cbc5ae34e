"""Which event follows from a report, a failed delivery or an overdue file. No store, no clock.

Texts of errors are left out: some quote names of a file's header, and a file without a header has values there.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ignored_files import file_to_look_at
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.routing import NO_CONTRACT
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.near_names import nearest
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind

_MOST_NAMED = 20


@dataclass(frozen=True)
class OverdueFile:
    """An agency whose next file is overdue; times are UTC.

    Attributes:
        last_file: name of the file that arrived last.
        expected_by: when the next one was expected.
    """

    dataset: str
    agency: str
    last_file: str
    arrived_at: datetime
    expected_by: datetime


def event_of_report(report: Report, contracts: Mapping[str, Contract] = MappingProxyType({})) -> DeliveryEvent | None:
    """The event of an arrival that is not wholly good, or of a replay that changed whether silver has the file.

    Args:
        contracts: by dataset; for the required columns of a file, and for the name that was probably meant.
    """
    kind = _kind(report)
    if kind is None or (report.is_replay and not _replay_changed_silver(report)):
        return None
    if kind is EventKind.IGNORED:
        return _of_report(report, kind, _details_of_ignored(report, contracts.values()))
    contract = contracts.get(report.dataset or "")
    required = {column.name for column in contract.columns if column.required} if contract else set()
    return _of_report(report, kind, _details(report, required))


def recovery(report: Report, after: str) -> DeliveryEvent | None:
    """The event of a wholly accepted file; ``after`` is the id of the event about the previous problem."""
    if not is_good(report):
        return None
    return _of_report(report, EventKind.RECOVERED, {**_details(report), "after": after})


def is_good(report: Report) -> bool:
    return report.outcome is Outcome.ACCEPTED and not report.check.quarantined_rows


def event_of_failure(record: WaitingDelivery) -> DeliveryEvent:
    """The event of a delivery that is not tried again. A redrive that fails too has an event of its own."""
    return DeliveryEvent(
        id=f"{record.delivery_id}.{record.failed_at:%Y%m%dT%H%M%S}.{EventKind.FAILED}",
        kind=EventKind.FAILED,
        at=record.failed_at,
        agency=record.agency,
        dataset=record.dataset,
        key=record.source.key,
        delivery_id=record.delivery_id,
        details={"errors": [record.code], "receives": record.receives},
    )


def event_of_overdue(file: OverdueFile) -> DeliveryEvent:
    """The event of an overdue file. It is the same every day until a file arrives."""
    partition = hashlib.sha256(f"{file.dataset}/{file.agency}".encode()).hexdigest()[:20]
    return DeliveryEvent(
        id=f"{partition}.{file.expected_by:%Y%m%dT%H%M%S}.{EventKind.OVERDUE}",
        kind=EventKind.OVERDUE,
        at=file.expected_by,
        agency=file.agency,
        dataset=file.dataset,
        details={
            "expected_by": file.expected_by.isoformat(),
            "last_file": file.last_file,
            "last_arrived_at": file.arrived_at.isoformat(),
        },
    )


def _kind(report: Report) -> EventKind | None:
    match report.outcome:
        case Outcome.REJECTED:
            return EventKind.REJECTED
        case Outcome.ACCEPTED if report.check.quarantined_rows:
            return EventKind.QUARANTINED
        case Outcome.IGNORED if file_to_look_at(report) is not None:
            return EventKind.IGNORED
        case _:
            return None


def _replay_changed_silver(report: Report) -> bool:
    """A backfill replays thousands of files, of which most stay as they were."""
    before = report.changes is not None and report.changes.in_silver_before
    return before != (report.outcome is Outcome.ACCEPTED)


def _of_report(report: Report, kind: EventKind, details: dict[str, Any]) -> DeliveryEvent:
    attempt = f".{report.attempt_id}" if report.attempt_id else ""
    return DeliveryEvent(
        id=f"{report.delivery_id}{attempt}.{kind}",
        kind=kind,
        at=report.attempt.ended_at,
        agency=report.agency,
        dataset=report.dataset,
        key=report.source.key,
        delivery_id=report.delivery_id,
        details=details,
    )


def _details(report: Report, required: Collection[str] = ()) -> dict[str, Any]:
    """The codes of errors, the required columns that the file lacks, and the rules with the most quarantined rows."""
    check, found = report.check, dict[str, Any]()
    if check.errors:
        found["errors"] = list(dict.fromkeys(error.code for error in check.errors))[:_MOST_NAMED]
    missing = [name for name in check.columns.missing if name in required] if check.columns else []
    if check.errors and missing:
        found["missing_columns"] = missing[:_MOST_NAMED]
    if check.rows is not None:
        found |= {"rows": check.rows, "quarantined_rows": check.quarantined_rows}
    if check.reasons:
        most = sorted(check.reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_NAMED]
        found["reasons"] = [{"rule": rule, "rows": rows} for rule, rows in most]
    return found


def _details_of_ignored(report: Report, contracts: Iterable[Contract]) -> dict[str, Any]:
    codes = [error.code for error in report.check.errors]
    names = [contract.physical_name for contract in contracts]
    similar = nearest(object_keys.base_name(report.source.key), names) if NO_CONTRACT in codes else None
    return {"errors": codes, **({"did_you_mean": similar} if similar else {})}
