"""The Dagster events of a delivery, built from its report: materializations and observations."""

from collections.abc import Sequence

import dagster as dg

from etl_platform.defs.datasets.delivery_metadata import bronze_metadata, columns_of, silver_metadata
from etl_platform.defs.datasets.lineage import header_schema
from etl_platform.defs.datasets.versions import bronze_tags, silver_tags
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionContent
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract

# An older version of a file, or the same once more, leaves the event of the newest one as the partition's latest.
_MATERIALIZED = frozenset({Outcome.ACCEPTED, Outcome.REJECTED})


def bronze_event(
    report: Report, outcome: Outcome, *, repeated: bool = False
) -> dg.AssetMaterialization | dg.AssetObservation:
    """The one event of bronze of a delivery, under the partition of its agency.

    It is a materialization of refused files too, even of one that was deleted before it was read: otherwise its sender
    would look like one that never sent a file.

    Args:
        repeated: whether events of the delivery were logged before; metrics then do not count these.
    """
    dataset, agency = report.partition
    bronze = dg.AssetKey(["bronze", dataset])
    about = bronze_metadata([report], outcome) | ({"repeated": True} if repeated else {})
    if outcome not in _MATERIALIZED:
        return dg.AssetObservation(bronze, description=about["verdict"], metadata=about, partition=agency)
    return dg.AssetMaterialization(
        bronze,
        description=about["verdict"],
        metadata=about | header_schema(columns_of([report])),
        partition=agency,
        tags=bronze_tags(report),
    )


def silver_event(reports: Sequence[Report], contract: Contract, content: PartitionContent) -> dg.AssetMaterialization:
    """The materialization of silver by accepted deliveries of a partition; ``content`` is that of the partition."""
    dataset, agency = reports[-1].partition
    return dg.AssetMaterialization(
        ["silver", dataset],
        metadata=silver_metadata(reports, contract, content),
        partition=agency,
        tags=silver_tags(reports[-1], content),
    )


def logged_outcome(event: dg.AssetMaterialization | dg.AssetObservation) -> Outcome | None:
    """The outcome of the delivery that an event of a bronze asset counts for; None for every other event.

    Not counted are the event of a reprocessed partition, which is about several files, events that people report by
    hand, and a second event of one delivery, which earlier releases logged.
    """
    outcome = event.metadata.get("outcome")
    if event.asset_key.path[0] != "bronze" or event.partition is None or outcome is None or "files" in event.metadata:
        return None
    found = Outcome(str(outcome.value))
    return found if (found in _MATERIALIZED) == isinstance(event, dg.AssetMaterialization) else None


def is_repeated_event(event: dg.AssetMaterialization | dg.AssetObservation) -> bool:
    """Whether events of the delivery were logged before this one."""
    return "repeated" in event.metadata
