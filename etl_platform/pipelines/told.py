"""Whether Dagster knows of a delivery already: a run may die between the record and the events, or after them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

_PAGE, _PAGES = 100, 50


def was_told(instance: dg.DagsterInstance, record: Mapping[str, Any]) -> bool:
    """Whether an event speaks of the record's delivery. It came soon after the record, so the oldest are read first."""
    since = datetime.fromisoformat(record["attempt"]["ended_at"]).timestamp() - 1
    wanted = dg.AssetRecordsFilter(
        dg.AssetKey(["bronze", record["dataset"]]), asset_partitions=[record["agency"]], after_timestamp=since
    )
    return any(
        metadata["delivery_id"].value == record["delivery_id"]
        for fetch in (instance.fetch_materializations, instance.fetch_observations)
        for metadata in _metadata(fetch, wanted)
    )


def _metadata(
    fetch: Callable[..., dg.EventRecordsResult], wanted: dg.AssetRecordsFilter
) -> Iterator[Mapping[str, dg.MetadataValue[Any]]]:
    cursor: str | None = None
    for _ in range(_PAGES):
        page = fetch(wanted, limit=_PAGE, cursor=cursor, ascending=True)
        for record in page.records:
            if said := record.asset_materialization or record.asset_observation:
                yield said.metadata
        if not page.has_more:
            return
        cursor = page.cursor
