"""Events of partitions that a run read again and left as they were.

A backfill ends as failed if a run leaves out a partition that it was to materialize, though the run succeeded. So a run
that accepts no file logs the partition's last materialization once more, with versions as they were.
"""

from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import latest_materialization


def log_unchanged(context: dg.AssetExecutionContext, asset: dg.AssetKey, why: str) -> None:
    """Log the last materialization of the run's partition again; without one, log one of 0 rows.

    Args:
        why: why nothing was written, for the event's description.
    """
    record = latest_materialization(context.instance, asset, context.partition_key)
    last = record.asset_materialization if record else None
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
