"""One line for each report, kept in one object per day: months of deliveries are known without reading their reports.

The reports are the truth. The index of reports by day says which reports a day has, so a kept line is used only for a
report that is listed. Reports never change, but for tombstones: an erasure deletes the days that it concerns.
"""

import gzip
import json
import logging
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import NamedTuple

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.report_days import ReportDays, list_reports
from etl_platform.errors import ObjectMissingError, ReportError, TransientError
from etl_platform.storage.object_store import ObjectStore

_AT_ONCE = 16
_READ_TOGETHER = 500
"""Reports that are in memory at the same time."""
_FEW = 16
"""So many reports of the current day are read again and again, rather than written each time."""
_FORMAT = 1
log = logging.getLogger(__name__)


class DeliverySummary(NamedTuple):
    """What an overview shows of one report. It has no text of a sender.

    Attributes:
        file: hash of the source key, which tells files apart without their names.
        attempt_id: of a reprocessing.
        arrived_at, ended_at: of the file and of the attempt (UTC).
        rows, quarantined: None where the file was not read.
        code: of the first error; empty without one.
    """

    dataset: str
    agency: str
    delivery_id: str
    attempt_id: str | None
    file: str
    outcome: str
    arrived_at: datetime
    ended_at: datetime
    rows: int | None
    quarantined: int | None
    code: str

    @classmethod
    def of(cls, report: Report) -> "DeliverySummary":
        ended_at, errors = report.attempt.ended_at, report.check.errors
        return cls(
            *report.partition,
            report.delivery_id,
            report.attempt_id,
            sha256(report.source.key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            str(report.outcome),
            (report.source.last_modified or ended_at).astimezone(UTC),
            ended_at.astimezone(UTC),
            report.check.rows,
            report.check.quarantined_rows,
            errors[0].code if errors else "",
        )


class DeliverySummaries:
    """The summaries of one bucket. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._ledger, self._days = Ledger(store, bucket), ReportDays(store, bucket)

    def since(
        self,
        day: date,
        now: datetime,
        on_unreadable: Callable[[ReportError], object],
        progress: Callable[[str, int], object] = lambda _stage, _number: None,
    ) -> list[DeliverySummary]:
        """The reports whose attempts ended since that day (UTC); reads those that are not kept, and keeps them.

        Args:
            on_unreadable: called for each object that is not a report.
            progress: called with the number of reports read.
        """
        keys = self._keys_by_day(day)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            kept = dict(zip(keys, pool.map(self._load, keys), strict=True))
        missing = [key for one, names in keys.items() for key in names if key not in kept[one]]
        read = self._read(missing, on_unreadable, progress)
        found = {
            one: {key: line for key in names if (line := kept[one].get(key) or read.get(key))}
            for one, names in keys.items()
        }
        changed = [one for one in keys if _is_worth_keeping(one, found[one], kept[one], now)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda one: self._save(one, found[one]), changed))
        return list(chain.from_iterable(one.values() for one in found.values()))

    def _read(
        self,
        keys: Sequence[str],
        on_unreadable: Callable[[ReportError], object],
        progress: Callable[[str, int], object],
    ) -> dict[str, DeliverySummary]:
        """The summaries of reports by key, without those that do not exist: their attempts crashed."""
        read: dict[str, DeliverySummary] = {}
        for start in range(0, len(keys), _READ_TOGETHER):
            for key, found in self._ledger.outlines(keys[start : start + _READ_TOGETHER]).items():
                if isinstance(found, Report):
                    read[key] = DeliverySummary.of(found)
                elif found is not None:
                    on_unreadable(found)
            progress("reports", len(read))
        return read

    def forget(self, reports: Iterable[Report]) -> None:
        """Delete the days of reports, which are then read again."""
        # An entry that was made later has the day on which S3 stored the report.
        ended = {report.attempt.ended_at.astimezone(UTC).date() for report in reports}
        for day in sorted({day + timedelta(days=more) for day in ended for more in (0, 1)}):
            self._store.delete(self._bucket, object_keys.summaries_key(day))

    def _keys_by_day(self, since: date) -> dict[date, list[str]]:
        """The keys of reports of deliveries by day, without ignored files."""
        found: dict[date, list[str]] = defaultdict(list)
        entries = self._days.entries_since(datetime(since.year, since.month, since.day, tzinfo=UTC))
        if entries is None:
            heads = list_reports(self._store, self._bucket)
            listed = [(head.last_modified.date(), head.key) for head in heads if head.last_modified.date() >= since]
        else:
            listed = [(entry.day, entry.report_key) for entry in entries]
        for day, key in listed:
            if day >= since and object_keys.parse_delivery_object(key) is not None:
                found[day].append(key)
        return dict(sorted(found.items()))

    def _load(self, day: date) -> Mapping[str, DeliverySummary]:
        key = object_keys.summaries_key(day)
        try:
            document = json.loads(gzip.decompress(self._store.read(self._bucket, key)))
            return dict(map(_from_json, document["lines"])) if document["format"] == _FORMAT else {}
        except ObjectMissingError:
            return {}
        except (OSError, EOFError, KeyError, TypeError, ValueError, zlib.error) as error:
            log.warning("the summaries of a day cannot be read", extra={"key": key, "error": str(error)})
            return {}

    def _save(self, day: date, summaries: Mapping[str, DeliverySummary]) -> None:
        lines = [_to_json(key, one) for key, one in summaries.items()]
        body = gzip.compress(json.dumps({"format": _FORMAT, "lines": lines}).encode(), 1, mtime=0)
        try:
            self._store.write(self._bucket, object_keys.summaries_key(day), body)
        except TransientError as error:
            # Who may only read gets the same answer, more slowly.
            log.warning("the summaries of a day are not written", extra={"day": str(day), "error": str(error)})


def _is_worth_keeping(
    day: date, found: Mapping[str, DeliverySummary], kept: Mapping[str, DeliverySummary], now: datetime
) -> bool:
    new = len(found.keys() - kept.keys())
    return new > (_FEW if day >= now.astimezone(UTC).date() else 0)


def _to_json(key: str, one: DeliverySummary) -> list[object]:
    times = one.arrived_at.isoformat(), one.ended_at.isoformat()
    return [key, one.file, one.outcome, *times, one.rows, one.quarantined, one.code]


def _from_json(line: list[str]) -> tuple[str, DeliverySummary]:
    key, file, outcome, arrived_at, ended_at, rows, quarantined, code = line
    parsed = object_keys.parse_delivery_object(key)
    if parsed is None:
        raise ValueError(f"not the key of a report: {key}")
    times = datetime.fromisoformat(arrived_at), datetime.fromisoformat(ended_at)
    return key, DeliverySummary(*_names(parsed), file, outcome, *times, _number(rows), _number(quarantined), code)


def _names(parsed: object_keys.DeliveryObject) -> tuple[str, str, str, str | None]:
    return parsed.dataset, parsed.agency, parsed.delivery_id, parsed.attempt_id


def _number(value: str | int | None) -> int | None:
    return None if value is None else int(value)
