"""The external asset ``operations/overdue_files``: the list that expected_files_job made last."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import known_agencies
from etl_platform.defs.sources import DROP_FOLDER
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.overview.state import Arrival, Overdue, OverdueList
from etl_platform.engine.output.plain_text import counted

OVERDUE_FILES = dg.AssetKey(["operations", "overdue_files"])


def build_overdue_files() -> dg.Definitions:
    spec = dg.AssetSpec(
        OVERDUE_FILES,
        group_name=OVERDUE_FILES.path[0],
        deps=[DROP_FOLDER],
        description="The agencies whose next file is overdue by their contract's frequency. expected_files_job lists "
        "them once a day.",
    )
    return dg.Definitions(assets=[spec])


def overdue_event(rows: Sequence[Mapping[str, str]]) -> dg.AssetMaterialization:
    """The event of a new list; each row has ``agency``, ``dataset`` and ``why``."""
    shown = {"overdue": table(rows)} if rows else {}
    return dg.AssetMaterialization(
        OVERDUE_FILES,
        description=f"{counted(len(rows), 'file is', 'files are')} overdue",
        metadata={"files": len(rows), **shown, "list": dg.MetadataValue.json([dict(row) for row in rows])},
    )


def overdue_files(instance: dg.DagsterInstance, arrivals: Sequence[Arrival]) -> OverdueList | None:
    """The latest list without the files that arrived since; None if there is no list yet.

    An agency that is no longer a partition was retired or renamed since, so nothing is expected of it.
    """
    records = instance.fetch_materializations(OVERDUE_FILES, limit=1).records
    event = records[0].asset_materialization if records else None
    if event is None or "list" not in event.metadata:
        return None
    listed_at = datetime.fromtimestamp(records[0].timestamp, UTC)
    arrived = {(arrival.agency, arrival.dataset) for arrival in arrivals if arrival.at > listed_at}
    listed: Any = event.metadata["list"].value
    rows = [Overdue(**row) for row in listed]
    senders = {dataset: known_agencies(instance, dataset) for dataset in {row.dataset for row in rows}}
    late = [row for row in rows if row.agency in senders[row.dataset] and (row.agency, row.dataset) not in arrived]
    return OverdueList(listed_at, late)
