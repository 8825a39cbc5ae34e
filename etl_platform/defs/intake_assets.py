"""Bronze and silver assets of every dataset, their checks, and the intake job."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.broken_contracts import broken_dataset_specs
from etl_platform.defs.check_results import check_outcomes
from etl_platform.defs.dagster_event_log import DagsterEventLog
from etl_platform.defs.dagster_internals import define_job_of_several_partition_sets
from etl_platform.defs.dataset_specs import dataset_specs
from etl_platform.defs.delivery_metadata import bronze_metadata, columns_of, silver_metadata
from etl_platform.defs.expected_files import on_time_keys
from etl_platform.defs.failed_runs import FAILED
from etl_platform.defs.failures import as_dagster_failures
from etl_platform.defs.intake_config import IngestConfig, QueuedDelivery, ReplayConfig, messages_of
from etl_platform.defs.intake_runs import JOB_NAME, is_being_cancelled, is_redundant_probe
from etl_platform.defs.lineage import header_schema
from etl_platform.defs.partitions import agencies_of, partitioned_check
from etl_platform.defs.run_counts import CountedQueue, note_counts
from etl_platform.defs.run_tags import note_outcomes
from etl_platform.defs.stop_signal import stop_event
from etl_platform.defs.unchanged_partitions import last_materialization, log_unchanged
from etl_platform.deliveries.batch import FailedDelivery
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.ingest_batch import deliveries_text, ingest_batch, outcomes_text
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.rules.check_names import FILE_CHECK, KEYS_CHECK, check_name
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.queue_work.workers import Threads
from etl_platform.settings import Settings

POOL = "intake"
_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _MAX_OVERFLOW = 60_000, 3_600, 20
_MAX_FAILURES_SHOWN = 100


def build_intake_assets(folder: ContractFolder, settings: Settings) -> dg.AssetsDefinition:
    """One multi-asset over all datasets, so that one run can ingest many deliveries of many datasets.

    The API assets that land in bronze are not upstream of it. Dagster reads the data versions of partitioned upstream
    assets before the body runs, which fails in a run without a partition key.
    """
    contracts = folder.good.values()
    specs = [spec for contract in contracts for spec in dataset_specs(contract, settings)]

    @dg.multi_asset(
        name="ingest",
        specs=specs + broken_dataset_specs(folder),
        check_specs=_check_specs(contracts),
        can_subset=True,
        pool=POOL,
    )
    def ingest(
        context: dg.AssetExecutionContext, config: IngestConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with as_dagster_failures():
            if context.has_partition_key:
                yield from _reprocess_partition(context, config.replay, platform)
            else:
                _ingest_batch(context, config.deliveries, platform)

    return ingest


def build_intake_job(assets: dg.AssetsDefinition, contracts: Mapping[str, Contract]) -> Any:
    """The asset job over every dataset. The sensor or a person starts it, for deliveries or for a partition."""
    return define_job_of_several_partition_sets(
        JOB_NAME,
        # Ingesting a file does not show whether another one is overdue; expected_files_job runs that check.
        dg.AssetSelection.assets(*assets.keys) - dg.AssetSelection.checks(*on_time_keys(contracts)),
        "Ingests delivered files: copies them to bronze, checks them against their contract, writes silver and "
        "quarantine, and reports.",
    )


def _check_specs(contracts: Iterable[Contract]) -> list[dg.AssetCheckSpec]:
    specs: list[dg.AssetCheckSpec] = []
    for contract in contracts:
        silver, senders = dg.AssetKey(["silver", contract.dataset]), agencies_of(contract.dataset)
        about = [(FILE_CHECK, "The file can be read and its header has every required column.")]
        if contract.primary_key:
            about.append((KEYS_CHECK, "No other file of the agency has rows with the same primary keys."))
        about += [(check_name(rule.reason), rule.description) for rule in contract_rules(contract)]
        about += [(check_name(rule.name), rule.description or rule.text) for rule in contract.dataset_rules]
        specs += [partitioned_check(name, silver, text, senders) for name, text in about]
    return specs


def _ingest_batch(context: dg.AssetExecutionContext, deliveries: Sequence[QueuedDelivery], platform: Platform) -> None:
    """Ingest deliveries from the queue or from the command line, and log their events under their agencies."""
    # By default Dagster opens a connection for each statement. A run that logs many events needs a connection pool.
    context.instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_TIMEOUT_MS, pool_recycle=_POOL_RECYCLE_S, max_overflow=_MAX_OVERFLOW
    )
    settings, messages = platform.settings, messages_of(deliveries, platform.intake)
    handles = [message.receipt_handle for message in messages if message.receipt_handle]
    if is_redundant_probe(context.instance, context.run):
        context.log.info("another run already probes the circuit breaker; the messages return to the queue")
        platform.queue(FILE_EVENTS).change_visibility(handles, 0)
        return
    if warning := platform.bucket_warning():
        context.log.warning(warning)
    queue = CountedQueue(platform.queue(FILE_EVENTS)) if handles else None
    with stop_event() as stop:
        batch = ingest_batch(
            messages,
            platform.intake,
            DagsterEventLog(context, platform.contracts),
            run_id=context.run.run_id,
            queue=queue,
            workers=Threads(settings.sns_worker_max, stop, settings.shutdown_grace_seconds),
            visibility_timeout_s=settings.visibility_timeout_seconds,
            clock=time.time,
        )
    platform.finished += batch.results
    counts = RunCounts(deleted=queue.deleted if queue else 0, s3_errors=platform.s3_errors)
    note_counts(context.instance, context.run, counts)
    routes = [file.route for message in messages for file in message.files]
    agencies = {route.agency for route in routes if route.agency}
    datasets = {route.dataset for route in routes if route.dataset}
    note_outcomes(context.instance, context.run, agencies, datasets, outcomes_text(batch.outcomes))
    context.log.info(deliveries_text(len(deliveries), batch.outcomes))
    if stop.is_set():
        released = len(deliveries) - len(batch.results) - len(batch.failures)
        context.log.warning(f"the run was stopped: {released} deliveries return to the queue, for another run")
        if is_being_cancelled(context.instance, context.run):
            raise dg.DagsterExecutionInterruptedError
    if batch.failures:
        _fail(context, batch.failures, len(deliveries))


def _fail(context: dg.AssetExecutionContext, failures: Sequence[FailedDelivery], deliveries: int) -> None:
    for failed in failures:
        context.log.error(
            f"failed {failed.file.key}: {failed.error!r}",
            exc_info=failed.error,
            extra={"agency": failed.file.route.agency, "dataset": failed.file.route.dataset},
        )
    raise dg.Failure(
        f"{len(failures)} of {deliveries} deliveries failed; the first: {failures[0]}",
        metadata={FAILED: dg.MetadataValue.json([str(failed) for failed in failures[:_MAX_FAILURES_SHOWN]])},
        allow_retries=False,
    )


def _reprocess_partition(
    context: dg.AssetExecutionContext, replay: ReplayConfig, platform: Platform
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Read an agency's bronze of every selected dataset again under today's contract.

    Raises:
        ContractError: the contract of a dataset is in error.
    """
    agency, trigger = context.partition_key, Trigger(Cause.REPROCESS, context.run.run_id, by=replay.by)
    datasets = sorted({key.path[1] for key in context.selected_asset_keys})
    outcomes: Counter[str] = Counter()
    for dataset in datasets:
        platform.contract_folder.find(dataset)
        results = list(platform.intake.reprocess(dataset, agency, trigger, replay.delivery_ids))
        platform.finished += results
        outcomes.update(str(result.outcome) for result in results)
        if not results:
            _log_nothing_to_read(context, dataset)
            continue
        for result in results:
            # The partition has one event for all of its files, so each file has a line in the log.
            delivery_id, outcome = result.report.delivery_id, result.outcome
            about = {"agency": agency, "dataset": dataset, "delivery_id": delivery_id, "outcome": outcome}
            context.log.info(f"delivery {delivery_id} is {outcome}", extra=about)
        yield from _partition_results(context, platform.contracts[dataset], results)
    note_outcomes(context.instance, context.run, {agency}, datasets, outcomes_text(outcomes))


def _log_nothing_to_read(context: dg.AssetExecutionContext, dataset: str) -> None:
    """Tell an agency that never sent the dataset from one whose files were gone before they were read."""
    bronze = dg.AssetKey(["bronze", dataset])
    if last_materialization(context.instance, bronze, context.partition_key) is None:
        context.log.warning(f"{context.partition_key} has not delivered any {dataset} yet")
        return
    for key in context.selected_asset_keys:
        if key.path[1] == dataset:
            log_unchanged(context, key, "Bronze holds no file of this agency, so nothing was read.")


def _partition_results(
    context: dg.AssetExecutionContext, contract: Contract, results: Sequence[DeliveryResult]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """The materializations and check results of one dataset, as far as they are selected."""
    bronze, silver = dg.AssetKey(["bronze", contract.dataset]), dg.AssetKey(["silver", contract.dataset])
    reports = [result.report for result in results]
    accepted = [result.report for result in results if result.outcome is Outcome.ACCEPTED]
    if bronze in context.selected_asset_keys:
        metadata = bronze_metadata(reports) | header_schema(columns_of(reports)) | {"files": len(reports)}
        yield dg.MaterializeResult(asset_key=bronze, metadata=metadata)
    if silver in context.selected_asset_keys:
        if accepted:
            metadata = silver_metadata(accepted, contract) | {"files": len(accepted)}
            yield dg.MaterializeResult(asset_key=silver, metadata=metadata)
        else:
            log_unchanged(context, silver, "No file was accepted, so silver is as it was.")
    for check in check_outcomes(reports, contract):
        if dg.AssetCheckKey(silver, check.name) in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                asset_key=silver,
                check_name=check.name,
                passed=check.passed,
                severity=check.severity,
                metadata=check.metadata,
                description=check.description,
            )
