"""Whether Dagster knows of a delivery already: a run may die between the record and the events, or after them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from etl_platform.defs.delivery_events import is_repeated_event, logged_outcome
from etl_platform.deliveries.delivery import Outcome

_PAGE, _PAGES = 100, 50


def is_logged(instance: dg.DagsterInstance, record: Mapping[str, Any]) -> bool:
    """Whether the event that stands for the record's delivery was logged.

    It came soon after the record, so the oldest are read first. A duplicate's event stands for none, nor does what
    another run said of the delivery as a successor.
    """
    since = datetime.fromisoformat(record["attempt"]["ended_at"]).timestamp() - 1
    wanted = dg.AssetRecordsFilter(
        dg.AssetKey(["bronze", record["dataset"]]), asset_partitions=[record["agency"]], after_timestamp=since
    )
    return any(
        (told := said.metadata.get("delivery_id")) is not None and told.value == record["delivery_id"]
        for fetch in (instance.fetch_materializations, instance.fetch_observations)
        for said in _said(fetch, wanted)
        if logged_outcome(said) not in {None, Outcome.DUPLICATE} and not is_repeated_event(said)
    )


def _said(
    fetch: Callable[..., dg.EventRecordsResult], wanted: dg.AssetRecordsFilter
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    cursor: str | None = None
    for _ in range(_PAGES):
        page = fetch(wanted, limit=_PAGE, cursor=cursor, ascending=True)
        for record in page.records:
            if said := record.asset_materialization or record.asset_observation:
                yield said
        if not page.has_more:
            return
        cursor = page.cursor
