"""The deliveries of the last hours, read from the events of bronze. Nothing is written."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from etl_platform.defs.intake.delivery_events import is_repeated_event, logged_outcome
from etl_platform.deliveries.overview.state import Arrival

_EVENTS_PER_DATASET = 200
"""A bound for bursts: a day of 200 files of one dataset is shown in full, of more only the newest."""


def recent_arrivals(instance: dg.DagsterInstance, since: datetime) -> list[Arrival]:
    """The newest first. The cost does not grow with the number of events before ``since``."""
    found = [
        arrival
        for key in instance.get_asset_keys(prefix=["bronze"])
        for fetch in (instance.fetch_materializations, instance.fetch_observations)
        for record in fetch(
            dg.AssetRecordsFilter(key, after_timestamp=since.timestamp()), limit=_EVENTS_PER_DATASET
        ).records
        for arrival in _arrival(record)
    ]
    return sorted(found, key=lambda arrival: arrival.at, reverse=True)


def _arrival(record: dg.EventLogRecord) -> Iterator[Arrival]:
    event = record.asset_materialization or record.asset_observation
    outcome = None if event is None or is_repeated_event(event) else logged_outcome(event)
    # Releases before 0.3 logged no verdict.
    if event is None or outcome is None or event.partition is None or "verdict" not in event.metadata:
        return
    yield Arrival(
        at=datetime.fromtimestamp(record.timestamp, UTC),
        agency=event.partition,
        dataset=event.asset_key.path[-1],
        file=str(event.metadata["file"].value),
        outcome=str(outcome),
        verdict=str(event.metadata["verdict"].value),
        delivery_id=str(event.metadata["delivery_id"].value),
    )
