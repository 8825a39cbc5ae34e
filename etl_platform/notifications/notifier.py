"""A round of notifications: finds new events, writes their notices, sends what is due, and marks what was sent.

Every step can be repeated. The outbox is saved after the notices are written and before anything is sent, so a process
that dies loses no event. What it sent without marking it is sent again, with the same id.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.engine.output.plain_text import counted
from etl_platform.errors import ReportError
from etl_platform.notifications.channel import CONTACTS_IN_ERROR, Channel
from etl_platform.notifications.notices import Notice, Notices, Notified, Result
from etl_platform.notifications.outbox import GIVE_UP_AFTER, ChannelState, Outbox, OutboxObject, Waiting
from etl_platform.notifications.read_ledger import LedgerReader
from etl_platform.storage.object_store import ObjectStore

ROUND = timedelta(seconds=20)
"""A round ends after the call in which this time passes; Dagster ends a tick after 60 seconds."""
_REPORTS_AT_ONCE, _GIVEN_UP_AT_ONCE = 500, 1_000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Round:
    """What a round did: events found, messages accepted by channel, and the channels that failed."""

    found: int
    sent: Mapping[str, int]
    failed: Sequence[str]

    @property
    def summary(self) -> str:
        sent = ", ".join(f"{number:,} to {name}" for name, number in sorted(self.sent.items())) or "nothing"
        failing = f"; failing: {', '.join(self.failed)}" if self.failed else ""
        return f"{counted(self.found, 'event')} found; sent {sent}{failing}"


class Notifier:
    """Sends the events of one bucket.

    Args:
        channels: those that are configured.
        clock: the time (UTC).
    """

    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        channels: Iterable[Channel],
        reader: LedgerReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._reader, self._clock = reader, clock
        self._notices, self._object = Notices(store, bucket), OutboxObject(store, bucket)

    def round(self) -> Round:
        """Find and send, for about ROUND.

        Raises:
            ReportError: the outbox cannot be read.
            TransientError: infrastructure failed, or another process sends; the next round goes on.
        """
        began = self._clock()
        loaded = self._object.load()
        if loaded is None:
            self._object.save(self._reader.begin(began))
            return Round(0, {}, ())
        outbox, found = self._find(self._with_current_channels(loaded), began + ROUND)
        sent: dict[str, int] = {}
        # Channels that fail come last: each of their calls may take until its timeout.
        for name in sorted(self._channels, key=lambda name: (loaded.channel(name).tries, name)):
            if self._clock() >= began + ROUND:
                break
            state, number = self._send(self._channels[name], outbox.channel(name), began + ROUND)
            if number:
                sent[name] = number
            outbox = outbox.with_channel(name, state)
            self._object.save(outbox)
        failing = [name for name in sorted(self._channels) if outbox.channel(name).failing_since is not None]
        return Round(found, sent, failing)

    def _with_current_channels(self, outbox: Outbox) -> Outbox:
        """Without channels that are gone. What was held for contacts goes to them when their file is right again."""
        if CONTACTS_IN_ERROR in self._channels:
            return outbox
        held = outbox.channel(CONTACTS_IN_ERROR).waiting
        for key, notice in self._notices.read_all(held).items():
            for name, channel in self._channels.items():
                # One that took it already is left out when it is sent.
                if isinstance(notice, Notice) and channel.wants(notice.event):
                    state, new = outbox.channel(name), {key: Waiting(held[key].found_at)}
                    outbox = outbox.with_channel(name, replace(state, waiting={**new, **state.waiting}))
        return replace(outbox, channels={name: one for name, one in outbox.channels.items() if name in self._channels})

    def _find(self, outbox: Outbox, deadline: datetime) -> tuple[Outbox, int]:
        found, more = 0, True
        while more and self._clock() < deadline:
            now = self._clock()
            outbox, events, more = self._reader.read(outbox, now, _REPORTS_AT_ONCE)
            wanted = {name: [e for e in events if channel.wants(e)] for name, channel in self._channels.items()}
            self._notices.add_all({event.id: event for chosen in wanted.values() for event in chosen}.values())
            for name, chosen in wanted.items():
                new, state = {Notice(event).key: Waiting(now) for event in chosen}, outbox.channel(name)
                # One that waits already keeps the time at which it was found.
                outbox = outbox.with_channel(name, replace(state, waiting={**new, **state.waiting}))
            self._object.save(outbox)
            found += len(events)
        return outbox, found

    def _send(self, channel: Channel, state: ChannelState, deadline: datetime) -> tuple[ChannelState, int]:
        """Give up what is too old, then send what is due; returns how many events the channel took."""
        now, sent = self._clock(), 0
        state = self._give_up(channel.name, state, now)
        if not state.is_due(now):
            return state, sent
        cut = channel.due_before(now)
        due = [key for key, one in _in_order(state.waiting) if one.is_due(cut, now)]
        # After a failure one event alone: a message about many may have been too long.
        batches = (
            [due[:1], *_batches(due[1:], channel.batch_size)] if state.tries else _batches(due, channel.batch_size)
        )
        for number, keys in enumerate(batch for batch in batches if batch):
            if number and self._clock() >= deadline:
                break
            state, accepted = self._send_batch(channel, state, keys)
            sent += accepted
            if state.failing_since is not None:
                break
        return state, sent

    def _send_batch(self, channel: Channel, state: ChannelState, keys: Sequence[str]) -> tuple[ChannelState, int]:
        found = self._notices.read_all(keys)
        # Without its notice, or sent by a process that died before it saved the outbox.
        open_ones = {
            key: notice
            for key, notice in found.items()
            if isinstance(notice, Notice) and not notice.is_settled(channel.name)
        }
        for error in (one for one in found.values() if isinstance(one, ReportError)):
            log.warning("a notice cannot be read and is not sent", extra={"error": str(error)})
        refused: set[str] = set()
        if open_ones:
            try:
                refused = set(channel.send([notice.event for notice in open_ones.values()]))
            except EtlPlatformError as error:
                return _tried(state, open_ones).after_failure(str(error), self._clock()), 0
        now = self._clock()
        notified = Notified(channel.name, Result.SENT, now)
        accepted = [notice for notice in open_ones.values() if notice.event.id not in refused]
        self._notices.put_all(notice.with_notified(notified) for notice in accepted)
        kept = {key for key, notice in open_ones.items() if notice.event.id in refused}
        waiting = {key: one for key, one in state.waiting.items() if key in kept or key not in keys}
        state = _tried(replace(state, waiting=waiting), kept)
        state = replace(
            state, waiting={**state.waiting, **{key: state.waiting[key].after_refusal(now) for key in kept}}
        )
        if kept and not accepted:
            return state.after_failure("every event was refused", now), 0
        return (state.after_success(now) if accepted else state), len(accepted)

    def _give_up(self, channel: str, state: ChannelState, now: datetime) -> ChannelState:
        old = [key for key, one in state.waiting.items() if now - one.found_at > GIVE_UP_AFTER][:_GIVEN_UP_AT_ONCE]
        if not old:
            return state
        notified = Notified(channel, Result.GIVEN_UP, now)
        found = [one for one in self._notices.read_all(old).values() if isinstance(one, Notice)]
        unsent = [notice for notice in found if not notice.is_settled(channel)]
        self._notices.put_all(notice.with_notified(notified) for notice in unsent)
        log.warning("events were given up", extra={"channel": channel, "events": len(unsent)})
        waiting = {key: one for key, one in state.waiting.items() if key not in old}
        return replace(state, waiting=waiting).after_giving_up(len(unsent), now)


def _batches(keys: Sequence[str], size: int) -> list[Sequence[str]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _in_order(waiting: Mapping[str, Waiting]) -> list[tuple[str, Waiting]]:
    """Events that were tried before come last, so that one that a channel refuses holds up no other."""
    return sorted(waiting.items(), key=lambda pair: (pair[1].tries, pair[1].found_at))


def _tried(state: ChannelState, keys: Iterable[str]) -> ChannelState:
    tried = {key: replace(state.waiting[key], tries=state.waiting[key].tries + 1) for key in keys}
    return replace(state, waiting={**state.waiting, **tried})
