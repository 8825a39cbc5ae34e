"""Whether Dagster's event log has the events of a delivery. A run may be killed before or after it logs them."""

from collections.abc import Callable, Iterator

import dagster as dg

from etl_platform.defs.intake.delivery_events import is_repeated_event, logged_outcome
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report

_PAGE, _MAX_PAGES = 100, 50


def is_logged(instance: dg.DagsterInstance, report: Report) -> bool:
    """Whether the event that counts for the report's delivery was logged.

    It is logged soon after the report is written, so events are read from that time on, the oldest first. Events of a
    duplicate do not count, nor those that another run repeated for a successor.
    """
    dataset, agency = report.partition
    # The clocks of the report and of the event log may differ by a little.
    since = report.attempt.ended_at.timestamp() - 1
    wanted = dg.AssetRecordsFilter(dg.AssetKey(["bronze", dataset]), asset_partitions=[agency], after_timestamp=since)
    return any(
        (delivery_id := event.metadata.get("delivery_id")) is not None and delivery_id.value == report.delivery_id
        for fetch in (instance.fetch_materializations, instance.fetch_observations)
        for event in _events(fetch, wanted)
        if logged_outcome(event) not in {None, Outcome.DUPLICATE} and not is_repeated_event(event)
    )


def _events(
    fetch: Callable[..., dg.EventRecordsResult], wanted: dg.AssetRecordsFilter
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = fetch(wanted, limit=_PAGE, cursor=cursor, ascending=True)
        for record in page.records:
            if event := record.asset_materialization or record.asset_observation:
                yield event
        if not page.has_more:
            return
        cursor = page.cursor
