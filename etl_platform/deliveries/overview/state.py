"""What the person on call must know: arrivals, refused files, overdue files, obstacles. Values only; no Dagster."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from etl_platform.deliveries.ignored_files import IgnoredFile
from etl_platform.deliveries.stuck import Answer
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.output.plain_text import counted


@dataclass(frozen=True)
class Arrival:
    """A delivery as its event in the log describes it. ``at`` is when it was processed, in UTC."""

    at: datetime
    agency: str
    dataset: str
    file: str
    outcome: str
    verdict: str
    delivery_id: str


@dataclass(frozen=True)
class Overdue:
    """A file that should have come. ``why`` states when the last one arrived and when the next one was expected."""

    agency: str
    dataset: str
    why: str


@dataclass(frozen=True)
class OverdueList:
    """The files that were overdue at ``listed_at`` (UTC) and have not arrived since."""

    listed_at: datetime
    files: Sequence[Overdue]


@dataclass(frozen=True)
class Overview:
    """The state of the platform; lists are empty where all is well.

    Attributes:
        arrivals: of the last 24 hours, the newest first.
        refused: those of them that are refused now, see ``refused_now``.
        failed: deliveries that wait for their next try.
        ignored: files that still wait for a contract or another name.
        overdue: None where no check for overdue files has run yet.
        obstacles: the places where something is stuck.
        queue: the file queue in words.
    """

    arrivals: Sequence[Arrival] = ()
    refused: Sequence[Arrival] = ()
    failed: Sequence[WaitingDelivery] = ()
    ignored: Sequence[IgnoredFile] = ()
    overdue: OverdueList | None = None
    obstacles: Sequence[Answer] = ()
    queue: str = ""

    @property
    def summary(self) -> str:
        outcomes = Counter(arrival.outcome for arrival in self.arrivals)
        arrived = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing arrived"
        overdue = "overdue files not checked yet" if self.overdue is None else f"{len(self.overdue.files):,} overdue"
        stuck = counted(len(self.obstacles), "obstacle") if self.obstacles else "nothing is stuck"
        waiting = f"{len(self.failed):,} failed, {len(self.ignored):,} ignored, {overdue}"
        return f"24 hours: {arrived}. {waiting}. {stuck.capitalize()}."
