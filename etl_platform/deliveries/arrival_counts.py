"""What each agency sent in a span of time, counted by dataset. Reports in, values out; no store, no clock."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report
from etl_platform.engine.output.plain_text import counted


@dataclass(frozen=True)
class ArrivalCounts:
    """The deliveries of an agency and dataset; None where an ignored file belongs to neither.

    Attributes:
        outcomes: deliveries by outcome.
        rows, quarantined: of accepted files.
        last_at: when the newest of them arrived (UTC).
    """

    agency: str | None
    dataset: str | None
    outcomes: Counter[str]
    rows: int
    quarantined: int
    last_at: datetime

    @property
    def files(self) -> int:
        return self.outcomes.total()


def arrived_at(report: Report) -> datetime:
    """When the object was written (UTC); if unknown, when its processing began."""
    return report.source.last_modified or report.attempt.began_at


def count_arrivals(reports: Iterable[Report]) -> list[ArrivalCounts]:
    """By agency and dataset, those with the newest arrival first; replays are no arrivals."""
    groups: dict[tuple[str | None, str | None], list[Report]] = {}
    for report in reports:
        if not report.is_replay:
            groups.setdefault((report.agency, report.dataset), []).append(report)
    found = [_counts(*group, arrivals) for group, arrivals in groups.items()]
    return sorted(found, key=lambda one: one.last_at, reverse=True)


def _counts(agency: str | None, dataset: str | None, arrivals: Sequence[Report]) -> ArrivalCounts:
    accepted = [one.check for one in arrivals if one.outcome is Outcome.ACCEPTED]
    return ArrivalCounts(
        agency,
        dataset,
        Counter(str(one.outcome) for one in arrivals),
        sum(check.rows or 0 for check in accepted),
        sum(check.quarantined_rows or 0 for check in accepted),
        max(map(arrived_at, arrivals)),
    )


def summary(counts: Sequence[ArrivalCounts]) -> str:
    """All arrivals in one line."""
    if not counts:
        return "nothing has arrived"
    outcomes = sum((one.outcomes for one in counts), Counter[str]())
    agencies = len({one.agency for one in counts if one.agency})
    senders = f" of {counted(agencies, 'agency', 'agencies')}" if agencies else ""
    text = f"{counted(outcomes.total(), 'file')}{senders}: "
    text += ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
    refused = sum(one.quarantined for one in counts)
    return text + (f"; {counted(refused, 'row')} of accepted files quarantined" if refused else "")
