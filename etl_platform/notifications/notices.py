"""Notices: for each event that somebody asked for one object, with the event and who was notified of it. No decisions.

A notice is written before the first message is sent, and again after each one. So it is the proof that a message went
out, and a crash between both repeats the message.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from etl_platform import object_keys
from etl_platform.engine.json_fields import Json
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError
from etl_platform.notifications.delivery_event import DeliveryEvent
from etl_platform.storage.object_store import ObjectStore

_AT_ONCE = 16


class Result(StrEnum):
    SENT = "sent"
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class Notified:
    """That a channel took an event, or that the event was given up. ``at`` is UTC."""

    channel: str
    result: Result
    at: datetime


@dataclass(frozen=True)
class Notice:
    event: DeliveryEvent
    notified: tuple[Notified, ...] = ()

    @property
    def key(self) -> str:
        return object_keys.notice_key(self.event.dataset, self.event.agency, self.event.id)

    def is_settled(self, channel: str) -> bool:
        """Whether nothing is to be sent to a channel any more."""
        return any(one.channel == channel for one in self.notified)

    def with_notified(self, notified: Notified) -> "Notice":
        return replace(self, notified=(*self.notified, notified))

    @classmethod
    def from_json(cls, data: Json) -> "Notice":
        """Read a notice.

        Raises:
            ReportError: the JSON is not a notice.
        """
        try:
            notified = [
                Notified(one["channel"], Result(one["result"]), datetime.fromisoformat(one["at"]))
                for one in data["notified"]
            ]
            # Renaming an agency changes only the name at the top.
            return cls(replace(DeliveryEvent.from_json(data["event"]), agency=data["agency"]), tuple(notified))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(f"not a notice: {error!r}") from None

    def to_json(self, bucket: str) -> dict[str, Any]:
        return {"agency": self.event.agency, "event": self.event.to_json(bucket), "notified": self.notified_json()}

    def notified_json(self) -> list[dict[str, str]]:
        return [{"channel": one.channel, "result": str(one.result), "at": one.at.isoformat()} for one in self.notified]


class Notices:
    """The notices of one bucket. Every method raises TransientError if infrastructure fails."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def add_all(self, events: Iterable[DeliveryEvent]) -> None:
        """Write the notices of new events; one that is there stays."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda event: self._write(Notice(event), if_absent=True), events):
                continue

    def put_all(self, notices: Iterable[Notice]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._write, notices):
                continue

    def read_all(self, keys: Collection[str]) -> dict[str, Notice | ReportError]:
        """Notices by key, without those that do not exist; an error where an object is not a notice."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(keys, pool.map(self._read, keys), strict=True)
            return {key: notice for key, notice in found if notice is not None}

    def of_partition(self, dataset: str | None, agency: str | None) -> Iterator[Notice | ReportError]:
        """The notices of a partition, or without a dataset those of ignored objects, in key order."""
        prefix = object_keys.notices_prefix(dataset, agency)
        yield from self.read_all([head.key for head in self._store.list(self._bucket, prefix)]).values()

    def _write(self, notice: Notice, *, if_absent: bool = False) -> None:
        body = json.dumps(notice.to_json(self._bucket)) + "\n"
        try:
            self._store.write(self._bucket, notice.key, body.encode(), if_absent=if_absent)
        except PreconditionFailedError:
            if not if_absent:
                raise

    def _read(self, key: str) -> Notice | ReportError | None:
        try:
            return Notice.from_json(json.loads(self._store.read(self._bucket, key)))
        except ObjectMissingError:
            return None
        except (ReportError, RecursionError, ValueError) as error:
            return ReportError(f"s3://{self._bucket}/{key}: {error}")
