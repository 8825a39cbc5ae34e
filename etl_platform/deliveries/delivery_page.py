"""The facts of a page about a delivery: its report, the deliveries of its series, and the words of its contract.

No text is made, and no decision is taken.
"""

from collections.abc import Sequence
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.check_errors import OUR_FAULTS
from etl_platform.deliveries.ledger import Ledger, PartitionReports
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.pages.page_facts import EarlierFile, LastFile, PageFacts, column_descriptions
from etl_platform.storage.object_store import ObjectStore

_SHOWN = 13
"""Deliveries of a series that a page shows: a year of monthly files, and this one."""


def page_facts(store: ObjectStore, bucket: str, report: Report, contract: Contract | None) -> PageFacts:
    """What a page says of a delivery.

    Args:
        report: of its arrival, or of its last reprocessing.
        contract: the current one of its dataset; None if that was removed.

    Raises:
        ReportError, TransientError: a report cannot be read.
    """
    errors = report.check.errors
    return PageFacts(
        file=object_keys.base_name(report.source.key) or report.source.key,
        result=report.check,
        checked_at=report.attempt.ended_at,
        outcome=str(report.outcome),
        reason=_reason(report),
        our_fault=any(error.code in OUR_FAULTS for error in errors),
        dataset=report.dataset,
        agency=report.agency,
        contract_version=report.contract.version if report.contract else None,
        delivery_id=report.delivery_id,
        delivered_at=report.source.last_modified,
        descriptions=column_descriptions(contract),
        drift=report.drift,
        series=tuple(_series(store, bucket, report)),
        last=_last_file(store, bucket, report),
        personal=frozenset(column.name for column in contract.columns if column.masked) if contract else frozenset(),
    )


def _reason(report: Report) -> str:
    if report.tombstone is not None:
        return f" on {report.tombstone.at:%Y-%m-%d}"
    return f", delivery {report.superseded_by}" if report.superseded_by else ""


def _series(store: ObjectStore, bucket: str, report: Report) -> Sequence[EarlierFile]:
    """The deliveries under the name of the file up to this one, the oldest first; the last report of each."""
    if report.dataset is None or report.agency is None:
        return []
    partition: PartitionReports = {}
    Ledger(store, bucket).read_partition(report.dataset, report.agency, partition)
    key = object_keys.series_key(*report.partition, report.source.key)
    found = {report.delivery_id: report}
    readable = [one for one in partition.values() if isinstance(one, Report)]
    for one in sorted(readable, key=lambda one: one.attempt.ended_at):
        if object_keys.series_key(*one.partition, one.source.key) == key:
            found[one.delivery_id] = one
    ordered = sorted(found.values(), key=lambda one: (_arrived_at(one), one.source.sequencer or ""))
    upto = next(place for place, one in enumerate(ordered) if one.delivery_id == report.delivery_id)
    return [_earlier(one, report) for one in ordered[max(0, upto + 1 - _SHOWN) : upto + 1]]


def _earlier(one: Report, this: Report) -> EarlierFile:
    is_this = one.delivery_id == this.delivery_id
    return EarlierFile(_arrived_at(one), str(one.outcome), one.check.rows, one.check.quarantined_rows, is_this)


def _arrived_at(report: Report) -> datetime:
    return report.source.last_modified or report.attempt.began_at


def _last_file(store: ObjectStore, bucket: str, report: Report) -> LastFile | None:
    """The file that this one was compared with."""
    if report.drift is None or report.drift.last is None:
        return None
    last = Ledger(store, bucket).find(*report.partition, report.drift.last)
    rows = last.check.rows if last else None
    return LastFile(rows, last.check.profile) if last and rows else None
