"""The tables that several commands print. No decisions."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from etl_platform.cli.caller import short_name
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.history import DeliveryHistory
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.verdict import why
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.corrections import RowChanges
from etl_platform.engine.output.table_formats import Table
from etl_platform.notifications.notices import Notice
from etl_platform.object_keys import base_name

_MESSAGES_SHOWN, _RULES_SHOWN = 600, 3
_RESULT = ("outcome", "rows", "quarantined", "contract", "by", "superseded by", "replayed")


def deliveries_table(reports: Sequence[Report], failed: Sequence[WaitingDelivery] = ()) -> Table:
    """One line per report, in the order given, below the deliveries that failed and have none."""
    rows: list[tuple[Any, ...]] = [
        (
            _time(record.since),
            record.agency,
            base_name(record.source.key),
            record.dataset,
            str(Outcome.FAILED),
            None,
            None,
            record.delivery_id,
            record.reason,
        )
        for record in failed
    ]
    rows += [
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
    return Table(header, rows, last=_MESSAGES_SHOWN)


def waiting_table(waiting: Sequence[WaitingDelivery], now: datetime) -> Table:
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
    return Table(header, rows, last=_MESSAGES_SHOWN)


def print_unreadable(errors: Sequence[Exception]) -> None:
    """Name the reports that a table leaves out, on stderr."""
    for error in errors:
        print(f"etl-platform: not shown: {error}", file=sys.stderr)


def changes_text(report: Report) -> str:
    """How many rows a replay changed."""
    return "" if report.changes is None else row_changes_text(report.changes.rows)


def row_changes_text(rows: RowChanges) -> str:
    """How many rows changed, and which rules those break that were good."""
    broken = {rule for row in rows.lines if row.before is None and row.after for rule in row.after.split(";")}
    rules = sorted(broken)[:_RULES_SHOWN] + ["…"] * (len(broken) > _RULES_SHOWN)
    counts = (
        (rows.now_good, "good now"),
        (rows.now_bad, f"bad now ({', '.join(rules)})" if rules else "bad now"),
        (rows.other_reasons, "bad for other reasons"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no row changed"


def history_table(deliveries: Sequence[DeliveryHistory]) -> Table:
    """The deliveries of one source key in the order given, each below its replays."""
    rows = [(when, "  replay" if is_replay else name, *rest) for when, name, is_replay, *rest in _history(deliveries)]
    return Table(("when (UTC)", "delivery", *_RESULT), rows)


def whole_history_table(by_key: Mapping[tuple[str, str], Sequence[DeliveryHistory]]) -> Table:
    """The deliveries of several source keys, by dataset and key; each line is complete."""
    rows = [
        (*file, when, name, "replay" if is_replay else "arrival", *rest)
        for file, deliveries in by_key.items()
        for when, name, is_replay, *rest in _history(deliveries)
    ]
    return Table(("dataset", "key", "when (UTC)", "delivery", "cause", *_RESULT), rows)


def _history(deliveries: Sequence[DeliveryHistory]) -> Iterator[tuple[Any, ...]]:
    """For each attempt: when, the delivery, whether it is a replay, and what ``_RESULT`` names."""
    for delivery in deliveries:
        arrival = delivery.arrival
        for replay in delivery.replays:
            result = *_result(replay), None, changes_text(replay)
            yield _time(replay.attempt.ended_at), arrival.delivery_id, True, *result
        replayed = f"{len(delivery.replays)}×" if delivery.replays else ""
        result = *_result(arrival), delivery.superseded_by, replayed
        yield _time(_arrived_at(arrival)), arrival.delivery_id, False, *result


def notified_table(notices: Sequence[Notice]) -> Table:
    """One line for each channel that was notified, or was not, the newest first."""
    notified = [(one.at, notice.event, one) for notice in notices for one in notice.notified]
    rows = [
        (_time(at), event.delivery_id, str(event.kind), one.channel, str(one.result))
        for at, event, one in sorted(notified, key=lambda row: (row[0], row[1].id, row[2].channel), reverse=True)
    ]
    return Table(("notified (UTC)", "delivery", "event", "channel", "result"), rows)


def _result(report: Report) -> tuple[Any, ...]:
    contract, trigger = report.contract, report.attempt.trigger
    by = short_name(trigger.by) if trigger.by else (f"run {trigger.run_id[:8]}" if trigger.run_id else "")
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
