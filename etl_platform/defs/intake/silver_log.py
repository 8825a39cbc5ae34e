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
    event_about: Callable[[PartitionContent], dg.AssetMaterialization],
) -> dg.EventLogRecord | None:
    """Log the materialization of silver, again if another run did so while the content was read.

    Otherwise the latest materialization would be about what the partition held before the other run wrote to it.

    Returns:
        The latest materialization of the partition.
    """
    latest: Sequence[dg.EventLogRecord] = ()
    for _ in range(_MAX_ROUNDS):
        read_at = time.time()
        event = event_about(read_content())
        with one_transaction(context.instance):
            context.log_event(event)
        assert event.partition is not None
        wanted = dg.AssetRecordsFilter(event.asset_key, asset_partitions=[event.partition])
        latest = context.instance.fetch_materializations(wanted, limit=2).records
        if not any(one.run_id != context.run.run_id and one.timestamp >= read_at for one in latest):
            break
    return next(iter(latest), None)
