"""Bronze and silver of every dataset, their checks, and the job that ingests files into them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import dagster as dg
from pydantic import Field

from etl_platform.defs.delivery_events import (
    FILE_CHECK,
    bronze_metadata,
    check_name,
    check_outcomes,
    column_schema,
    delivery_events,
    merge_records,
    silver_metadata,
)
from etl_platform.defs.event_log_lookup import is_logged
from etl_platform.defs.expected_files import on_time_keys
from etl_platform.defs.failed_runs import FAILED
from etl_platform.defs.failures import as_dagster_failures
from etl_platform.defs.intake_runs import JOB_NAME, is_being_cancelled, is_spare_probe, note_progress
from etl_platform.defs.lineage import column_lineage, header_schema
from etl_platform.defs.partitions import agencies, partitioned_check, register_agencies
from etl_platform.defs.run_counts import CountedQueue, note_counts
from etl_platform.defs.stop_signal import stop_event
from etl_platform.deliveries.batch import FailedDelivery, HeldMessage, process_batch
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.intake import Attempt, DeliveryResult
from etl_platform.deliveries.routing import route
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.queue_work.workers import Threads

POOL = "intake"
_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _MAX_OVERFLOW = 60_000, 3_600, 20


class QueuedDelivery(dg.Config):
    """One object of one queue message. Only bucket and key are needed; a HEAD supplies the rest."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size_bytes: int | None = None
    sequencer: str | None = None
    event_time: str | None = None
    message_id: str | None = None
    receipt_handle: str | None = None
    receive_count: int = 1
    received_at: float | None = None


class ReplayConfig(dg.Config):
    """For a run of a partition: which deliveries, the latest of every source key if empty; and who asked for it."""

    delivery_ids: list[str] = Field(default_factory=list)
    by: str | None = None


class IngestConfig(dg.Config):
    """Deliveries of a batch; empty when a partition is materialized."""

    deliveries: list[QueuedDelivery] = Field(default_factory=list)
    replay: ReplayConfig = ReplayConfig()


def build_intake_assets(contracts: Mapping[str, Contract], from_apis: Collection[str] = ()) -> dg.AssetsDefinition:
    """One multi-asset over all datasets, so that one run can carry many deliveries of many datasets.

    Args:
        from_apis: the datasets that declared APIs fill as well; their bronze depends on the API's asset.
    """
    specs = [spec for contract in contracts.values() for spec in _asset_specs(contract, from_apis)]

    @dg.multi_asset(
        name="ingest", specs=specs, check_specs=_check_specs(contracts.values()), can_subset=True, pool=POOL
    )
    def ingest(
        context: dg.AssetExecutionContext, config: IngestConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with as_dagster_failures():
            if context.has_partition_key:
                yield from _reprocess_partition(context, config.replay, platform)
            else:
                _work_deliveries(context, config.deliveries, platform)

    return ingest


def build_intake_job(contracts: Mapping[str, Contract]) -> Any:
    """The asset job over every dataset: started by the sensor, by hand, or per partition."""
    return dg.define_asset_job(
        JOB_NAME,
        # Whether a file is on time is no result of working on one.
        selection=dg.AssetSelection.assets(
            *(["bronze", name] for name in contracts), *(["silver", name] for name in contracts)
        )
        - dg.AssetSelection.checks(*on_time_keys(contracts)),
        description="Takes delivered files in: bronze, check against the contract, silver or quarantine, report.",
    )


def _asset_specs(contract: Contract, from_apis: Collection[str]) -> tuple[dg.AssetSpec, dg.AssetSpec]:
    owners = [f"team:{contract.owner}"] if contract.owner else None
    shared: dict[str, Any] = {
        "group_name": contract.dataset,
        "owners": owners,
        "partitions_def": agencies,
        "skippable": True,
    }
    bronze = dg.AssetSpec(
        ["bronze", contract.dataset],
        deps=[dg.AssetKey(["api", contract.dataset])] if contract.dataset in from_apis else [],
        description=f"{contract.physical_name} as the agencies sent it, byte for byte: one object per delivery.",
        kinds={"bronze", "s3"},
        **shared,
    )
    silver = dg.AssetSpec(
        ["silver", contract.dataset],
        deps=[bronze.key],
        description=f"{contract.description}\n\n{contract.grain}",
        kinds={"silver", "s3", "parquet"},
        code_version=contract.version,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "contract": f"{contract.id} {contract.version}",
        },
        **shared,
    )
    return bronze, silver


def _check_specs(contracts: Any) -> list[dg.AssetCheckSpec]:
    specs: list[dg.AssetCheckSpec] = []
    for contract in contracts:
        silver = dg.AssetKey(["silver", contract.dataset])
        about = [(FILE_CHECK, "The file can be read and its header has every required column.")]
        about += [(check_name(rule.reason), rule.description) for rule in contract_rules(contract)]
        about += [(check_name(rule.name), rule.description or rule.text) for rule in contract.dataset_rules]
        specs += [partitioned_check(name, silver, text) for name, text in about]
    return specs


def _work_deliveries(
    context: dg.AssetExecutionContext, deliveries: Sequence[QueuedDelivery], platform: Platform
) -> None:
    """A batch from the queue, or by hand: events are logged per agency as each delivery is done."""
    # A connection for each statement is Dagster's default; a run of many events wants what its webserver has: a pool.
    context.instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_TIMEOUT_MS, pool_recycle=_POOL_RECYCLE_S, max_overflow=_MAX_OVERFLOW
    )
    done: Counter[str] = Counter()
    messages = list(_messages(deliveries))
    handles = [message.receipt_handle for message in messages if message.receipt_handle]
    if is_spare_probe(context.instance, context.run):
        context.log.info("another run is the breaker's probe; the messages go back to the queue")
        platform.queue(FILE_EVENTS).change_visibility(handles, 0)
        return
    register_agencies(context.instance, _agencies(messages, platform))
    if warning := platform.new_warning():
        context.log.warning(warning)
    queue = CountedQueue(platform.queue(FILE_EVENTS)) if handles else None
    settings = platform.settings
    with stop_event() as stop:
        failures = process_batch(
            messages,
            platform.intake.ingest,
            lambda message: Attempt(
                Cause.EVENT, context.run.run_id, message.message_id, receive_count=message.receive_count
            ),
            queue=queue,
            workers=Threads(settings.sns_worker_max, stop, settings.shutdown_grace_seconds),
            visibility_timeout_s=settings.visibility_timeout_seconds,
            on_result=partial(_tell, context, platform, done),
        )
    summary = ", ".join(f"{times} {outcome}" for outcome, times in sorted(done.items())) or "nothing to do"
    context.log.info(f"{len(deliveries)} deliveries: {summary}, {len(failures)} failed")
    counts = RunCounts(deleted=queue.deleted if queue else 0, s3_errors=platform.s3_errors)
    note_counts(context.instance, context.run, counts)
    if stop.is_set():
        given_back = len(deliveries) - done.total() - len(failures)
        context.log.warning(f"told to stop: {given_back} deliveries were given back and come again in another run")
        if is_being_cancelled(context.instance, context.run):
            raise dg.DagsterExecutionInterruptedError
    if failures:
        _fail(context, platform, failures)


def _messages(deliveries: Sequence[QueuedDelivery]) -> Iterator[HeldMessage]:
    """Deliveries of one message stand side by side; they are deleted together."""
    for (message_id, handle, receives, received_at), group in groupby(
        deliveries, key=lambda d: (d.message_id, d.receipt_handle, d.receive_count, d.received_at)
    ):
        events = tuple(
            ObjectCreated(d.bucket, d.key, d.version_id, d.etag, d.size_bytes, d.sequencer, d.event_time) for d in group
        )
        yield HeldMessage(events, message_id, handle, receives, received_at)


def _agencies(messages: Sequence[HeldMessage], platform: Platform) -> set[str]:
    """Whose files a batch holds: partitions are made before anything is logged under them."""
    events = [event for message in messages for event in message.events]
    routes = [
        route(event.key, event.size_bytes, platform.contracts, platform.settings.source_prefix) for event in events
    ]
    return {where.agency for where in routes if where.agency and where.contract}


def _tell(
    context: dg.AssetExecutionContext,
    platform: Platform,
    done: Counter[str],
    message: HeldMessage,
    ingested: DeliveryResult,
) -> None:
    """Log a delivery's events before its message is deleted; one without a dataset has none but a line."""
    if ingested.dataset is not None and ingested.agency is not None:
        _log_events(context, platform, message, ingested)
    else:
        context.log.info(f"{ingested.outcome} {ingested.record['source']['key']} ({ingested.delivery_id})")
    if not done:
        note_progress(context.instance, context.run)
    done[str(ingested.outcome)] += 1
    platform.finished.append(ingested)


def _log_events(
    context: dg.AssetExecutionContext, platform: Platform, message: HeldMessage, ingested: DeliveryResult
) -> None:
    outcome, record, repeated = ingested.outcome, ingested.record, False
    assert ingested.dataset is not None
    assert ingested.agency is not None
    if outcome is Outcome.DUPLICATE and message.receive_count > 1:
        # This message came before: its run may have died between the record and these events.
        outcome, repeated = Outcome(record["outcome"]), is_logged(context.instance, record)
    contract = platform.contracts[ingested.dataset]
    for event in delivery_events(record, outcome, contract, repeated=repeated):
        context.log_event(event)
    newer = platform.intake.successor(record) if outcome is Outcome.ACCEPTED else None
    if newer is not None:
        # A newer version overtook this one, and its events may have been logged before these: the partition's latest
        # must be what silver holds. Whoever logs later looks later, so the last word is right.
        for event in delivery_events(newer, Outcome.ACCEPTED, contract, repeated=True):
            context.log_event(event)


def _fail(context: dg.AssetExecutionContext, platform: Platform, failures: Sequence[FailedDelivery]) -> None:
    for failed in failures:
        event = failed.event
        where = route(event.key, event.size_bytes, platform.contracts, platform.settings.source_prefix)
        context.log.error(
            f"failed {event.key}: {failed.error!r}",
            exc_info=failed.error,
            extra={"agency": where.agency, "dataset": where.contract.dataset if where.contract else None},
        )
    raise dg.Failure(
        f"{len(failures)} deliveries failed and stay in the queue; the first: {failures[0]}",
        metadata={FAILED: dg.MetadataValue.json([str(failed) for failed in failures[:100]])},
        allow_retries=False,
    )


def _reprocess_partition(
    context: dg.AssetExecutionContext, replay: ReplayConfig, platform: Platform
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Re-read an agency's bronze of every selected dataset under today's contract."""
    agency, attempt = context.partition_key, Attempt(Cause.REPROCESS, context.run.run_id, by=replay.by)
    selected = {tuple(key.path) for key in context.selected_asset_keys}
    checks = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    for dataset in sorted({path[1] for path in selected}):
        ingested = list(platform.intake.reprocess(dataset, agency, attempt, replay.delivery_ids))
        platform.finished += ingested
        if not ingested:
            context.log.warning(f"{agency} has delivered no {dataset} yet")
            continue
        for item in ingested:
            # The partition's one event stands for all of them.
            about = {"agency": agency, "dataset": dataset, "delivery_id": item.delivery_id, "outcome": item.outcome}
            context.log.info(f"delivery {item.delivery_id} is {item.outcome}", extra=about)
        bronze, silver = dg.AssetKey(["bronze", dataset]), dg.AssetKey(["silver", dataset])
        whole = merge_records([item.record for item in ingested])
        good = [item.record for item in ingested if item.outcome is Outcome.ACCEPTED]
        accepted = merge_records(good)
        if ("bronze", dataset) in selected:
            header = header_schema([item.record for item in ingested])
            metadata = bronze_metadata(whole) | header | {"files": len(ingested)}
            yield dg.MaterializeResult(asset_key=bronze, metadata=metadata)
        if ("silver", dataset) in selected and accepted:
            lineage = column_lineage(good, platform.contracts[dataset])
            metadata = silver_metadata(accepted) | lineage | {"files": len(good)}
            yield dg.MaterializeResult(asset_key=silver, metadata=metadata)
        for check in check_outcomes(whole, platform.contracts[dataset]):
            if (silver, check.name) in checks:
                yield dg.AssetCheckResult(
                    asset_key=silver,
                    check_name=check.name,
                    passed=check.passed,
                    severity=check.severity,
                    metadata=check.metadata,
                    description=check.description,
                )
