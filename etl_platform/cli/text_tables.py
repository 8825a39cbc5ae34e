"""What the platform's commands print for people: plain text tables. No decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.history import Entry
from etl_platform.engine.output.plain_text import table
from etl_platform.object_keys import base_name

_MESSAGES_SHOWN = 300


def deliveries_table(records: Sequence[Mapping[str, Any]]) -> str:
    """One line per delivery, in the order given."""
    rows = [
        (
            _moment(happened_at(record)),
            record["agency"],
            base_name(record["source"]["key"]) or record["source"]["key"],
            record["dataset"],
            record["outcome"] + (" again" if _is_replay(record) else ""),
            record["rows"],
            record["quarantined_rows"],
            _why(record),
        )
        for record in records
    ]
    header = ("when (UTC)", "agency", "file", "dataset", "outcome", "rows", "quarantined", "why")
    return table(header, rows, last=_MESSAGES_SHOWN)


def changes_text(record: Mapping[str, Any]) -> str:
    """How many rows of a reprocessing changed outcome."""
    changes = record.get("changes")
    if not changes:
        return ""
    said = (("now_good", "good now"), ("now_bad", "bad now"), ("other_reasons", "bad for other reasons"))
    return ", ".join(f"{changes[name]:,} {what}" for name, what in said if changes[name]) or "no row changed"


def history_table(entries: Sequence[Entry]) -> str:
    """The deliveries of one source key, each below its replays, in the order given."""
    rows: list[tuple[Any, ...]] = []
    for entry in entries:
        times = f"{len(entry.replays)}×" if entry.replays else ""
        rows += [
            (_moment(replay["attempt"]["ended_at"]), "  replay", *_result(replay), None, changes_text(replay))
            for replay in entry.replays
        ]
        arrival = entry.arrival
        identity = arrival["delivery_id"]
        rows.append((_moment(_arrived_at(arrival)), identity, *_result(arrival), entry.superseded_by, times))
    header = ("when (UTC)", "delivery", "outcome", "rows", "quarantined", "contract", "by", "superseded by", "replayed")
    return table(header, rows)


def _result(record: Mapping[str, Any]) -> tuple[Any, ...]:
    contract, attempt = record["contract"], record["attempt"]
    by = attempt.get("by") or (f"run {attempt['run_id'][:8]}" if attempt["run_id"] else "")
    decided = f"{contract['version']} {contract['sha256'][:6]}"
    return record["outcome"], record["rows"], record["quarantined_rows"], decided, by


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")


def happened_at(record: Mapping[str, Any]) -> str:
    """When the object was written or, of a replay, when that ended, as ISO text in UTC."""
    return str(record["attempt"]["ended_at"]) if _is_replay(record) else _arrived_at(record)


def _is_replay(record: Mapping[str, Any]) -> bool:
    return bool(record["attempt"]["cause"] == Cause.REPROCESS)


def _arrived_at(record: Mapping[str, Any]) -> str:
    """When the object was written, as ISO text in UTC; where nobody looked, when work on it began."""
    return str(record["source"]["last_modified"] or record["attempt"]["began_at"])


def _why(record: Mapping[str, Any]) -> str:
    if record["errors"]:
        return "; ".join(f"{error['code']}: {error['message']}" for error in record["errors"])
    reasons = sorted(record["reasons"].items(), key=lambda pair: -pair[1])
    return ", ".join(f"{reason} {rows:,}" for reason, rows in reasons[:3]) + (" …" if len(reasons) > 3 else "")
