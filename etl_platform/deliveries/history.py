"""The history of a source key: its deliveries, what superseded each, and its replays. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Amendment, Report

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class DeliveryHistory:
    """One delivery: the report of its arrival, and what happened later. ``replays`` are newest first."""

    arrival: Report
    superseded_by: str | None
    replays: tuple[Report, ...]

    def to_json(self) -> dict[str, Any]:
        replays = [replay.to_json() for replay in self.replays]
        return {**self.arrival.to_json(), "superseded_by": self.superseded_by, "replays": replays}


def histories(
    reports: Iterable[Report], amendments: Iterable[Amendment]
) -> dict[tuple[str, str], list[DeliveryHistory]]:
    """Deliveries by dataset and source key, newest first.

    Args:
        reports: of arrivals and reprocessings.
        amendments: only successors are taken from them, because a replay has a report.
    """
    reports = list(reports)
    arrivals: list[Report] = []
    replays: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        if report.is_replay:
            replays[report.delivery_id].append(report)
        else:
            arrivals.append(report)
    successors = {arrival.delivery_id: arrival.superseded_by for arrival in arrivals if arrival.superseded_by}
    accepted = {report.delivery_id for report in reports if report.outcome is Outcome.ACCEPTED}
    # An attempt without a report can have replaced a delivery, and been undone because the file is refused.
    undone = {arrival.delivery_id for arrival in arrivals if arrival.outcome is Outcome.REJECTED} - accepted
    by_amendment = {amended.delivery_id: amended.superseded_by for amended in amendments}
    successors |= {one: newer for one, newer in by_amendment.items() if newer and newer not in undone}

    def age(report: Report) -> tuple[datetime, str, int]:
        # LastModified has whole seconds, and the events of some stores have no sequencer.
        source = report.source
        return source.last_modified or _BEGINNING, source.sequencer or "", -_newer(report.delivery_id, successors)

    by_key: dict[tuple[str, str], list[DeliveryHistory]] = defaultdict(list)
    for report in sorted(arrivals, key=age, reverse=True):
        newest_first = sorted(replays[report.delivery_id], key=lambda replay: replay.attempt.ended_at, reverse=True)
        history = DeliveryHistory(report, successors.get(report.delivery_id), tuple(newest_first))
        by_key[report.partition[0], report.source.key].append(history)
    return dict(sorted(by_key.items()))


def _newer(delivery_id: str, successors: Mapping[str, str]) -> int:
    """How many deliveries superseded this one, one after the other."""
    chain = [delivery_id]
    while (newer := successors.get(chain[-1])) and newer not in chain:
        chain.append(newer)
    return len(chain) - 1
