"""What became of a source key: its deliveries, what superseded each, and how often it was replayed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etl_platform.core.deliveries import Cause

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One delivery: the record of its arrival, and what came later. ``replays`` are newest first."""

    arrival: Record
    superseded_by: str | None
    replays: tuple[Record, ...]

    def to_json(self) -> dict[str, Any]:
        return {**self.arrival, "superseded_by": self.superseded_by, "replays": [dict(one) for one in self.replays]}


def histories(records: Iterable[Record], facts: Iterable[Record]) -> dict[tuple[str, str], list[Entry]]:
    """Deliveries by dataset and source key, newest first.

    Args:
        records: of arrivals and reprocessings.
        facts: what was learned later; only successors are looked at, for a replay has a record of its own.
    """
    successors = {fact["delivery_id"]: fact["superseded_by"] for fact in facts if fact["fact"] == "superseded"}
    arrivals, replays = [], defaultdict(list)
    for record in records:
        if record["attempt"]["cause"] == Cause.EVENT:
            arrivals.append(record)
        else:
            replays[record["delivery_id"]].append(record)
    chains: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for record in sorted(arrivals, key=_age, reverse=True):
        identity = record["delivery_id"]
        successor = successors.get(identity) or record["superseded_by"]
        later = sorted(replays[identity], key=lambda one: str(one["attempt"]["ended_at"]), reverse=True)
        chains[record["dataset"], record["source"]["key"]].append(Entry(record, successor, tuple(later)))
    return dict(sorted(chains.items()))


def _age(record: Record) -> tuple[str, str]:
    return str(record["source"]["last_modified"]), str(record["source"]["sequencer"] or "")
