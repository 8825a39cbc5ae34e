"""Events of partitions that a run read again and left as they were.

A backfill ends as failed if a run leaves out a partition that it was to materialize, though the run succeeded. So a run
that accepts no file logs the partition's last materialization once more, with versions as they were.
"""

from typing import Any

import dagster as dg


def log_unchanged(context: dg.AssetExecutionContext, asset: dg.AssetKey, why: str) -> None:
    """Log the last materialization of the run's partition again, or an empty one if there is none.

    Args:
        why: why nothing was written, for the event's description.
    """
    last = last_materialization(context.instance, asset, context.partition_key)
    metadata: dict[str, Any] = dict(last.metadata) if last else {"dagster/partition_row_count": 0}
    context.log_event(
        dg.AssetMaterialization(
            asset,
            description=why,
            metadata=metadata | {"unchanged": why},
            partition=context.partition_key,
            tags=last.tags if last else None,
        )
    )


def last_materialization(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str
) -> dg.AssetMaterialization | None:
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=[partition])
    found = instance.fetch_materializations(wanted, limit=1).records
    return found[0].asset_materialization if found else None
