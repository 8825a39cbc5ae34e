"""What became of a source key: its deliveries, what superseded each, and how often it was replayed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etl_platform.deliveries.delivery import Cause

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
    arrivals: list[Record] = []
    replays: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record["attempt"]["cause"] == Cause.EVENT:
            arrivals.append(record)
        else:
            replays[record["delivery_id"]].append(record)
    supersessions = [*arrivals, *(fact for fact in facts if fact["fact"] == "superseded")]
    successors = {one["delivery_id"]: one["superseded_by"] for one in supersessions if one["superseded_by"]}

    def age(record: Record) -> tuple[str, str, int]:
        # S3 tells a whole second, and an event of a test or of an older store no sequencer.
        written, sequencer = record["source"]["last_modified"], record["source"]["sequencer"]
        return str(written), str(sequencer or ""), -_newer_ones(record["delivery_id"], successors)

    chains: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for record in sorted(arrivals, key=age, reverse=True):
        identity = record["delivery_id"]
        later = sorted(replays[identity], key=lambda one: str(one["attempt"]["ended_at"]), reverse=True)
        chains[record["dataset"], record["source"]["key"]].append(Entry(record, successors.get(identity), tuple(later)))
    return dict(sorted(chains.items()))


def _newer_ones(identity: str, successors: Mapping[str, str]) -> int:
    """How many deliveries superseded this one, one after the other."""
    met = [identity]
    while (newer := successors.get(met[-1])) and newer not in met:
        met.append(newer)
    return len(met) - 1
