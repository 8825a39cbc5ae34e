"""A bucket in memory, channels that remember what they took, and a clock that stands still. No tests."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.result import CheckResult, FileError
from etl_platform.errors import TransientError
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.notices import Notice, Notices
from etl_platform.notifications.notifier import Notifier, Round
from etl_platform.notifications.outbox import Outbox, OutboxObject
from etl_platform.notifications.read_ledger import LedgerReader
from etl_platform.storage.object_store import ObjectStore
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.making import CONTRACTS
from etl_platform_tests.unit.making_reports import report_of

BUCKET = "bucket"
BEGAN = datetime(2026, 11, 30, 8, tzinfo=UTC)
REJECTED = CheckResult(errors=(FileError("missing_column", "the header lacks Zorbex"),))
QUARANTINED = CheckResult(rows=9, accepted_rows=7, quarantined_rows=2, reasons={"hire_date.type": 2})
GOOD = CheckResult(rows=9, accepted_rows=9, quarantined_rows=0)


class Killed(BaseException):
    """The process of a round dies."""


@cache
def _contracts() -> dict[str, Contract]:
    return load_contracts(CONTRACTS)


@dataclass
class Life:
    """Ends after a number of calls, and with it every later call; without a number it does not end."""

    calls: int | None = None
    made: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def call(self, work: Callable[[], Any], *, dies_after: bool = False) -> Any:
        with self.lock:
            self.made += 1
            number = self.made
        if self.calls is not None and number >= self.calls + dies_after:
            if dies_after and number == self.calls:
                work()
            raise Killed
        return work()


class MortalStore:
    """A store whose calls end with the life of the process."""

    def __init__(self, store: ObjectStore, life: Life) -> None:
        self._store, self._life = store, life

    def __getattr__(self, verb: str) -> Any:
        inside = getattr(self._store, verb)

        def call(*place: Any, **more: Any) -> Any:
            found = self._life.call(lambda: inside(*place, **more))
            return iter(list(found)) if isinstance(found, Iterator) else found

        return call


@dataclass
class Memory:
    """A channel that remembers what it took.

    Attributes:
        is_down: refuses everything.
        poison: ids of events that it never takes.
    """

    name: str = "memory"
    batch_size: int = 10
    kinds: Collection[EventKind] = tuple(EventKind)
    is_down: bool = False
    poison: set[str] = field(default_factory=set)
    took: list[DeliveryEvent] = field(default_factory=list)
    calls: int = 0
    life: Life = field(default_factory=Life)

    def wants(self, event: DeliveryEvent) -> bool:
        return event.kind in self.kinds

    def due_before(self, now: datetime) -> datetime:
        return now

    def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
        def take() -> Collection[str]:
            self.calls += 1
            if self.is_down:
                raise TransientError("503")
            self.took += [event for event in events if event.id not in self.poison]
            return {event.id for event in events if event.id in self.poison}

        # Whether the process dies before or after the channel has the message is not known.
        return self.life.call(take, dies_after=self.life.made % 2 == 0)  # type: ignore[no-any-return]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.took]


class Scene:
    def __init__(self, *channels: Memory) -> None:
        self.now = BEGAN
        self.store = MemoryStore(lambda: self.clock().timestamp())
        self.ledger = Ledger(self.store, BUCKET)
        self.channels = channels or (Memory(),)
        self.channel = self.channels[0]
        self.number = 0

    def notifier(self, life: Life | None = None) -> Notifier:
        life = life or Life()
        for channel in self.channels:
            channel.life = life
        store: Any = MortalStore(self.store, life)
        return Notifier(store, BUCKET, self.channels, LedgerReader(store, BUCKET, _contracts()), self.clock)

    def clock(self) -> datetime:
        return self.now

    def round(self, after: timedelta = timedelta(minutes=1)) -> Round:
        self.now += after
        return self.notifier().round()

    def begin(self) -> "Scene":
        """The first round, which only remembers what is there."""
        self.round(timedelta())
        return self

    def report(self, check: CheckResult = REJECTED, outcome: Outcome | None = None, **fields: Any) -> Report:
        """Write the report of another delivery, which ended now."""
        self.number += 1
        found = outcome or (Outcome.REJECTED if check.errors else Outcome.ACCEPTED)
        report = report_of(f"{self.number:020x}", outcome=found, check=check, ended_at=self.now, **fields)
        return self.ledger.put(report)

    @property
    def outbox(self) -> Outbox:
        found = OutboxObject(self.store, BUCKET).load()
        assert found is not None
        return found

    def notices(self, dataset: str | None = "officer_detail") -> list[Notice]:
        found = Notices(self.store, BUCKET).of_partition(dataset, "nm_albuquerque")
        return [one for one in found if isinstance(one, Notice)]
