"""Deliveries that failed and wait for their next try: one JSON object each, until there is a report. No Dagster.

The report decides: a record that a crash left beside a report is passed over, and deleted later.
"""

import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.engine.json_fields import Json, known_fields
from etl_platform.errors import ObjectMissingError, ReportError, TransientError
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.storage.object_store import ObjectStore, find_object

RETENTION = timedelta(days=14)
"""SQS keeps a message at most this long."""
LATE_AFTER = timedelta(hours=1)
"""A message that is due waits no longer than this while files are processed; as in the alert EtlOldestMessageTooOld."""
OFTEN = 3
"""Receives after which a failure is no passing one: about two minutes after the first."""
_READERS = 16
log = logging.getLogger(__name__)


class Prospect(StrEnum):
    """Where the message of a failed delivery is: in its queue, among the dead letters, or in neither.

    A late one may be in neither: somebody purged the queue. Or the sensor is off, or many files are before it.
    """

    QUEUED = "queued"
    LATE = "late"
    DEAD = "dead letter"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class WaitingDelivery:
    """A delivery that failed; all times are UTC.

    Attributes:
        delivery_id: of the object version that the message announces.
        source: that version; its ``last_modified`` is the time of the event.
        code: the class of the error.
        reason: the error in one line.
        receives: how often the queue has handed out the message.
        comes_again_at: when the queue hands it out next, at the earliest.
    """

    delivery_id: str
    source: ObjectVersion
    agency: str
    dataset: str
    code: str
    reason: str
    receives: int
    failed_at: datetime
    comes_again_at: datetime
    run_id: str | None = None
    message_id: str | None = None

    @property
    def since(self) -> datetime:
        """When the file arrived."""
        return self.source.last_modified or self.failed_at

    def prospect(self, now: datetime) -> Prospect:
        if now - self.failed_at > RETENTION:
            return Prospect.GONE
        if self.receives >= FILE_EVENTS.max_receives:
            return Prospect.DEAD if now >= self.comes_again_at else Prospect.QUEUED
        return Prospect.LATE if now > self.comes_again_at + LATE_AFTER else Prospect.QUEUED

    def is_long_dead(self, now: datetime) -> bool:
        """Whether its message has been a dead letter for so long that SQS shows it there, if it is still there."""
        return self.prospect(now) is Prospect.DEAD and now > self.comes_again_at + LATE_AFTER

    def keeps_failing(self, now: datetime) -> bool:
        """Whether a person must look: it failed often, or its message does not come again."""
        return self.receives >= OFTEN or self.prospect(now) is not Prospect.QUEUED

    def next_try(self, now: datetime) -> str:
        """When the delivery is tried again, for people."""
        prospect = self.prospect(now)
        if prospect is Prospect.DEAD:
            return "is a dead letter"
        if prospect is Prospect.GONE:
            return "its message has expired"
        if prospect is Prospect.LATE:
            return f"was due at {self.comes_again_at:%Y-%m-%d %H:%M:%S} UTC; its message did not come"
        if now < self.comes_again_at:
            return f"comes again at {self.comes_again_at:%Y-%m-%d %H:%M:%S} UTC"
        return f"due since {self.comes_again_at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def history(self) -> str:
        """How often it failed, and the last error."""
        times = "once" if self.receives == 1 else f"{self.receives} times"
        return f"failed {times}, last at {self.failed_at:%Y-%m-%d %H:%M:%S} UTC: {self.reason}"

    @classmethod
    def from_json(cls, data: Json) -> "WaitingDelivery":
        """Read a record.

        Raises:
            ReportError: the JSON is not a record.
        """
        try:
            times = {name: datetime.fromisoformat(data[name]) for name in ("failed_at", "comes_again_at")}
            return cls(**known_fields(cls, data) | times | {"source": ObjectVersion.from_json(data["source"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(f"not a record of a failed delivery: {error!r}") from None

    def to_json(self) -> dict[str, Any]:
        times = {"failed_at": self.failed_at.isoformat(), "comes_again_at": self.comes_again_at.isoformat()}
        return {"outcome": str(Outcome.FAILED)} | asdict(self) | times | {"source": self.source.to_json()}


class WaitingRecords:
    """The records of one bucket."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def put(self, record: WaitingDelivery) -> None:
        """Write a record over that of an earlier failure."""
        body = json.dumps(record.to_json(), ensure_ascii=False) + "\n"
        key = object_keys.waiting_key(record.delivery_id)
        self._store.write(self._bucket, key, body.encode("utf-8", "surrogatepass"))

    def clear(self, delivery_id: str) -> None:
        """Delete a record, if there is one."""
        key = object_keys.waiting_key(delivery_id)
        # A versioned bucket would keep a delete marker for each key that never existed.
        if find_object(self._store, self._bucket, key) is not None:
            self._store.delete(self._bucket, key)

    def try_to_clear(self, delivery_id: str) -> None:
        """As ``clear``, but an error is only logged. Readers pass over a record beside a report, so it can stay."""
        try:
            self.clear(delivery_id)
        except TransientError as error:
            log.warning("the record of a failed delivery is not deleted", extra={"error": str(error)})

    def unfinished(
        self, on_unreadable: Callable[[ReportError], None] | None = None, limit: int | None = None
    ) -> list[WaitingDelivery]:
        """The deliveries that failed and have no report, those that arrived first before the others.

        Args:
            on_unreadable: called for an object that is not a record; by default it is logged.
            limit: read at most so many records; after an outage there can be thousands.
        """
        return [record for record, is_done in self._read(on_unreadable or _log_unreadable, limit) if not is_done]

    def changed(self, known: Mapping[str, str], limit: int) -> tuple[dict[str, str], list[WaitingDelivery]]:
        """The eTags of all records by delivery id, and unfinished records whose eTag is not ``known``.

        Those that failed last come last, so a delivery that is not tried again is among the first.

        Args:
            limit: read at most so many records; after an outage there can be thousands.
        """
        heads = sorted(
            self._store.list(self._bucket, object_keys.WAITING_REPORTS), key=lambda head: (head.last_modified, head.key)
        )
        etags = {object_keys.parse_waiting_key(head.key): head.etag for head in heads}
        new = [head.key for head in heads if known.get(object_keys.parse_waiting_key(head.key)) != head.etag]
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(self._read_one, new[:limit]))
        return etags, [one[0] for one in found if isinstance(one, tuple) and not one[1]]

    def clear_finished(self, now: datetime) -> int:
        """Delete the records that a crash left beside a report, and those of which even the dead letter has expired.

        Returns their number.
        """
        finished = [
            record.delivery_id
            for record, is_done in self._read(_log_unreadable)
            if is_done or now - record.failed_at > 2 * RETENTION
        ]
        for delivery_id in finished:
            self.try_to_clear(delivery_id)
        return len(finished)

    def _read(
        self, on_unreadable: Callable[[ReportError], None], limit: int | None = None
    ) -> list[tuple[WaitingDelivery, bool]]:
        """Every record, and whether its delivery has a report."""
        keys = [head.key for head in islice(self._store.list(self._bucket, object_keys.WAITING_REPORTS), limit)]
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(self._read_one, keys))
        for unreadable in found:
            if isinstance(unreadable, ReportError):
                on_unreadable(unreadable)
        records = [one for one in found if isinstance(one, tuple)]
        return sorted(records, key=lambda one: (one[0].since, one[0].source.key))

    def _read_one(self, key: str) -> tuple[WaitingDelivery, bool] | ReportError | None:
        try:
            record = WaitingDelivery.from_json(json.loads(self._store.read(self._bucket, key)))
        except ObjectMissingError:
            # Its delivery was finished after the listing.
            return None
        except (ReportError, RecursionError, ValueError) as error:
            return ReportError(f"s3://{self._bucket}/{key}: {error}")
        report = object_keys.report_key(record.dataset, record.agency, record.delivery_id)
        return record, find_object(self._store, self._bucket, report) is not None


def _log_unreadable(error: ReportError) -> None:
    log.warning("a record of a failed delivery cannot be read", extra={"error": str(error)})
