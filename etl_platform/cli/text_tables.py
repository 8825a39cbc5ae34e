"""Plain text tables that several commands print for people. No decisions."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from etl_platform.deliveries.history import DeliveryHistory
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.verdict import why
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.output.terminal_table import table
from etl_platform.notifications.notices import Notice
from etl_platform.object_keys import base_name

_MESSAGES_SHOWN = 300


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
            report.delivery_id,
            why(report),
        )
        for report in reports
    ]
    header = ("when (UTC)", "agency", "file", "dataset", "outcome", "rows", "quarantined", "delivery", "why")
    return table(header, rows, last=_MESSAGES_SHOWN)


def waiting_table(waiting: Sequence[WaitingDelivery], now: datetime) -> str:
    """One line per delivery that failed and has no report, in the order given."""
    rows = [
        (
            _time(record.since),
            record.agency,
            base_name(record.source.key),
            record.dataset,
            record.receives,
            record.next_try(now),
            record.reason,
        )
        for record in waiting
    ]
    header = ("since (UTC)", "agency", "file", "dataset", "failed", "next try", "why")
    return table(header, rows, last=_MESSAGES_SHOWN)


def print_unreadable(errors: Sequence[Exception]) -> None:
    """Name the reports that a table leaves out, on stderr."""
    for error in errors:
        print(f"etl-platform: not shown: {error}", file=sys.stderr)


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


def notified_table(notices: Sequence[Notice]) -> str:
    """One line for each channel that was notified, or was not, the newest first."""
    notified = [(one.at, notice.event, one) for notice in notices for one in notice.notified]
    rows = [
        (_time(at), event.delivery_id, str(event.kind), one.channel, str(one.result))
        for at, event, one in sorted(notified, key=lambda row: (row[0], row[1].id, row[2].channel), reverse=True)
    ]
    return table(("notified (UTC)", "delivery", "event", "channel", "result"), rows)


def _result(report: Report) -> tuple[Any, ...]:
    contract, trigger = report.contract, report.attempt.trigger
    by = trigger.by or (f"run {trigger.run_id[:8]}" if trigger.run_id else "")
    checked_by = f"{contract.version} {contract.sha256[:6]}" if contract else ""
    return str(report.outcome), report.check.rows, report.check.quarantined_rows, checked_by, by


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def happened_at(report: Report) -> datetime:
    """When the object was written; for a replay, when it ended (UTC)."""
    return report.attempt.ended_at if report.is_replay else _arrived_at(report)


def _arrived_at(report: Report) -> datetime:
    """When the object was written (UTC); if unknown, when its processing began."""
    return report.source.last_modified or report.attempt.began_at
