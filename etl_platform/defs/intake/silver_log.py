"""Logs materializations of silver, so that the latest one of a partition is about what the partition holds."""

import time
from collections.abc import Callable, Sequence

import dagster as dg

from etl_platform.defs.dagster_internals import one_transaction
from etl_platform.deliveries.partition_state import PartitionContent

_MAX_ROUNDS = 5


def log_silver(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    read_content: Callable[[], PartitionContent],
    events_about: Callable[[PartitionContent], Sequence[dg.AssetMaterialization]],
) -> dg.EventLogRecord | None:
    """Log materializations of a partition of silver; the last one again if another run did so meanwhile.

    Otherwise the latest materialization would be about what the partition held before the other run wrote to it.

    Args:
        events_about: at least one.

    Returns:
        The latest materialization of the partition.
    """
    latest: Sequence[dg.EventLogRecord] = ()
    for number in range(_MAX_ROUNDS):
        read_at = time.time()
        events = events_about(read_content())[-1 if number else 0 :]
        with one_transaction(context.instance):
            for event in events:
                context.log_event(event)
        partition = events[-1].partition
        assert partition is not None
        wanted = dg.AssetRecordsFilter(events[-1].asset_key, asset_partitions=[partition])
        latest = context.instance.fetch_materializations(wanted, limit=len(events) + 1).records
        if not any(one.run_id != context.run.run_id and one.timestamp >= read_at for one in latest):
            break
    return next(iter(latest), None)
