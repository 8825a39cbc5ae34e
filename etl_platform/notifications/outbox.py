"""The outbox: up to where the ledger was read, what waits for each channel, and which channels fail. One JSON object.

Its size depends on what waits and on the deliveries of the last minutes, not on all that ever came.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from etl_platform import object_keys
from etl_platform.engine.json_fields import Json
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError, TransientError
from etl_platform.storage.object_store import ObjectStore

GIVE_UP_AFTER = timedelta(days=3)
"""An event is sent within this time, or not at all: later it is no news, and a repaired channel would be flooded."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 30, 3_600
_TIMES = ("failing_since", "next_try_at", "sent_at", "given_up_at")


@dataclass(frozen=True)
class Waiting:
    """An event that waits for a channel; times are UTC.

    Attributes:
        found_at: when it was found.
        tries: how often it was tried.
        next_try_at: of an event that the channel refused while it took others.
    """

    found_at: datetime
    tries: int = 0
    next_try_at: datetime | None = None

    def is_due(self, found_before: datetime, now: datetime) -> bool:
        return self.found_at <= found_before and (self.next_try_at is None or now >= self.next_try_at)

    def after_refusal(self, now: datetime) -> "Waiting":
        return replace(self, next_try_at=now + _wait(self.tries))


@dataclass(frozen=True)
class ChannelState:
    """How a channel does; times are UTC.

    Attributes:
        waiting: by the key of the notice.
        failing_since: None if the last message went out.
        given_up: how many events were given up, the last at ``given_up_at``.
        sent_at: when the last message went out.
    """

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    failing_since: datetime | None = None
    tries: int = 0
    next_try_at: datetime | None = None
    error: str = ""
    sent_at: datetime | None = None
    given_up: int = 0
    given_up_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self.next_try_at is None or now >= self.next_try_at

    def after_success(self, now: datetime) -> "ChannelState":
        return replace(self, failing_since=None, tries=0, next_try_at=None, error="", sent_at=now)

    def after_failure(self, error: str, now: datetime) -> "ChannelState":
        """The next try comes after 30 seconds, then after twice the time, at most an hour."""
        since, next_try_at = self.failing_since or now, now + _wait(self.tries)
        return replace(self, failing_since=since, tries=self.tries + 1, next_try_at=next_try_at, error=error)

    def after_giving_up(self, events: int, now: datetime) -> "ChannelState":
        return replace(self, given_up=self.given_up + events, given_up_at=now)


@dataclass(frozen=True)
class Problem:
    """The last event of a series of files, or of a partition, that was not good: its id, and when it was (UTC)."""

    event_id: str
    at: datetime


@dataclass(frozen=True)
class Outbox:
    """What is known between two rounds; all times are UTC.

    Attributes:
        read_to: reports whose entries were written before are done.
        seen: reports whose entries were written since then, or shortly before, and that are done.
        awaited: entries of reports that did not exist, with the time at which they were written.
        problems: by series or partition, what was not good last.
        failed: by delivery id, the eTag of a failed delivery whose event was found.
        overdue: by dataset and agency, when the file was expected.
        channels: by name.
    """

    read_to: datetime
    seen: frozenset[str] = frozenset()
    awaited: Mapping[str, datetime] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    overdue: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, ChannelState] = field(default_factory=dict)

    def channel(self, name: str) -> ChannelState:
        return self.channels.get(name, ChannelState())

    def with_channel(self, name: str, state: ChannelState) -> "Outbox":
        return replace(self, channels={**self.channels, name: state})

    @classmethod
    def from_json(cls, data: Json) -> "Outbox":
        """Read an outbox.

        Raises:
            ReportError: the JSON is not an outbox.
        """
        try:
            return cls(
                read_to=datetime.fromisoformat(data["read_to"]),
                seen=frozenset(data["seen"]),
                awaited={key: datetime.fromisoformat(at) for key, at in data["awaited"].items()},
                problems={
                    key: Problem(one["id"], datetime.fromisoformat(one["at"])) for key, one in data["problems"].items()
                },
                failed=dict(data["failed"]),
                overdue=dict(data["overdue"]),
                channels={name: _channel(one) for name, one in data["channels"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(f"not an outbox: {error!r}") from None

    def to_json(self) -> dict[str, Any]:
        return {
            "read_to": self.read_to.isoformat(),
            "seen": sorted(self.seen),
            "awaited": {key: at.isoformat() for key, at in self.awaited.items()},
            "problems": {key: {"id": one.event_id, "at": one.at.isoformat()} for key, one in self.problems.items()},
            "failed": dict(self.failed),
            "overdue": dict(self.overdue),
            "channels": {name: _channel_json(state) for name, state in self.channels.items()},
        }


def _wait(tries: int) -> timedelta:
    return timedelta(seconds=min(_FIRST_WAIT_S << min(tries, 16), _LONGEST_WAIT_S))


def _channel(data: Json) -> ChannelState:
    waiting = {
        key: Waiting(datetime.fromisoformat(found_at), tries, _time(next_try_at))
        for key, (found_at, tries, next_try_at) in data["waiting"].items()
    }
    times = {name: _time(data[name]) for name in _TIMES}
    return ChannelState(waiting=waiting, tries=data["tries"], error=data["error"], given_up=data["given_up"], **times)


def _channel_json(state: ChannelState) -> dict[str, Any]:
    waiting = {key: [one.found_at.isoformat(), one.tries, _text(one.next_try_at)] for key, one in state.waiting.items()}
    times = {name: _text(getattr(state, name)) for name in _TIMES}
    return {"waiting": waiting, "tries": state.tries, "error": state.error, "given_up": state.given_up, **times}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


class OutboxObject:
    """The outbox of one bucket. ``save`` overwrites only what ``load`` or the last ``save`` has seen."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._saved: bytes | None = None
        self._etag: str | None = None

    def load(self) -> Outbox | None:
        """The outbox; None before the first round.

        Raises:
            ReportError: the object is not an outbox.
            TransientError: infrastructure failed.
        """
        key = object_keys.OUTBOX
        try:
            self._etag = self._store.head(self._bucket, key).etag
            self._saved = self._store.read(self._bucket, key)
        except ObjectMissingError:
            self._etag = self._saved = None
            return None
        try:
            return Outbox.from_json(json.loads(self._saved))
        except (ReportError, RecursionError, ValueError) as error:
            problem = (
                f"{error}; restore an earlier version of the object, or delete it: what was found is then not sent"
            )
            raise ReportError(f"s3://{self._bucket}/{key}: {problem}") from None

    def save(self, outbox: Outbox) -> None:
        """Write the outbox if it changed.

        Raises:
            TransientError: another process wrote it, or infrastructure failed.
        """
        body = (json.dumps(outbox.to_json(), separators=(",", ":")) + "\n").encode()
        if body == self._saved:
            return
        is_new = self._etag is None
        try:
            self._etag = self._store.write(
                self._bucket, object_keys.OUTBOX, body, if_absent=is_new, if_match=None if is_new else self._etag
            )
        except PreconditionFailedError as error:
            raise TransientError("another process sends notifications, too; this one stops") from error
        self._saved = body
