"""The declared REST APIs: one asset per dataset that they fill, partitioned by agency, with a job and a schedule."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.dagster_internals import define_job_of_several_partition_sets
from etl_platform.defs.datasets.partitions import agencies_of, partitioned_check, register_agencies
from etl_platform.defs.intake.dagster_event_log import DagsterEventLog
from etl_platform.defs.runs.failures import as_dagster_failures
from etl_platform.defs.runs.run_progress import RunProgress
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.defs.sources import api_key
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.ingest_batch import LoggedDelivery
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
from etl_platform.rest_apis.ingestion import ApiIngestionResult
from etl_platform.rest_apis.source import ApiResource, ApiSource

JOB_NAME = "api_ingestion_job"
OP_NAME = "ingest_apis"
DRIFT_CHECK = "fields_are_as_before"
_DESCRIPTION = "Reads the declared REST APIs and ingests each new snapshot like a file: contract check, then silver."
_MAX_SHOWN = 10


class ApiConfig(dg.Config):
    """What to read.

    Attributes:
        source: the name of one API; all declared APIs if empty.
        full: read all records again, so that records deleted at the API are removed here too.
    """

    source: str = ""
    full: bool = False


def api_datasets(sources: Sequence[ApiSource]) -> frozenset[str]:
    """The datasets that the declared APIs fill."""
    return frozenset(resource.dataset for source in sources for resource in source.resources)


def build_api_ingestion(sources: Sequence[ApiSource]) -> dg.Definitions:
    """Assets, job and schedule. Without a declared API the job only logs that, and the schedule is stopped."""
    job: Any
    if sources:
        assets = [_build_assets(sources)]
        # A check that is selected without a partition would stay planned forever.
        selection = dg.AssetSelection.assets(*map(_key, api_datasets(sources))).without_checks()
        job = define_job_of_several_partition_sets(JOB_NAME, selection, _DESCRIPTION)
    else:
        assets, job = [], _job_without_sources()
    status = dg.DefaultScheduleStatus.RUNNING if sources else dg.DefaultScheduleStatus.STOPPED
    about = "Reads the declared REST APIs every day at 4:00 UTC."
    schedule = build_schedule(job, "0 4 * * *", about, name="api_ingestion_schedule", status=status)
    return dg.Definitions(assets=assets, jobs=[job], schedules=[schedule])


def _job_without_sources() -> dg.JobDefinition:
    @dg.op(name=OP_NAME, out=dg.Out(dg.Nothing))
    def nothing(context: dg.OpExecutionContext, config: ApiConfig) -> None:  # noqa: ARG001 - the job's own config
        context.log.info("no API is declared, so there is nothing to read; declare one in a file in API_SOURCES_DIR")

    @dg.job(name=JOB_NAME, description=_DESCRIPTION, executor_def=dg.in_process_executor)
    def api_ingestion_job() -> None:
        nothing()

    return api_ingestion_job


def _key(dataset: str) -> dg.AssetKey:
    return dg.AssetKey(["api", dataset])


def _build_assets(sources: Sequence[ApiSource]) -> dg.AssetsDefinition:
    filled = {resource.dataset: resource.contract for source in sources for resource in source.resources}
    specs = [
        dg.AssetSpec(
            _key(dataset),
            deps=[api_key(source.name) for source in sources if dataset in api_datasets([source])],
            description=f"{contract.physical_name} as REST APIs returned it: one snapshot per agency.\n\n"
            f"One row per {', '.join(contract.primary_key) or 'record'}.",
            kinds={"api", "s3"},
            group_name=dataset,
            owners=[f"team:{contract.owner}"] if contract.owner else None,
            partitions_def=agencies_of(dataset),
            skippable=True,
        )
        for dataset, contract in filled.items()
    ]
    about = "The fields of the records and their JSON types match the previous snapshot and the contract."
    checks = [partitioned_check(DRIFT_CHECK, _key(dataset), about, agencies_of(dataset)) for dataset in filled]

    @dg.multi_asset(name=OP_NAME, specs=specs, check_specs=checks, can_subset=True)
    def ingest_apis(
        context: dg.AssetExecutionContext, config: ApiConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        # Not retried_if_transient: each request was repeated already, and the step would read all other APIs again.
        with as_dagster_failures():
            run = _Run(context, config, platform)
            yield from run.ingest() if context.selected_asset_keys else run.execute_checks()

    return ingest_apis


class _Run:
    """One run over every requested resource. A resource that fails does not stop the others."""

    def __init__(self, context: dg.AssetExecutionContext, config: ApiConfig, platform: Platform) -> None:
        self._context, self._config, self._platform = context, config, platform
        self._agency = context.partition_key if context.has_partition_key else None
        self._agencies = platform.agency_register.read()
        self._failures: list[tuple[str, Exception]] = []
        self._planned = context.selected_asset_check_keys if self._agency else frozenset()
        self._checks = CheckLog(context.op_execution_context, self._planned)

    def execute_checks(self) -> Iterator[dg.AssetCheckResult]:
        """Only a read of the API can evaluate the check, so the last result of the partition stands."""
        keys = self._context.selected_asset_check_keys
        if self._agency is None:
            self._checks.refuse(keys)
            return
        for key in sorted(keys):
            if (last := self._checks.last(key, self._agency)) is not None:
                yield last.result(key.asset_key)

    def ingest(self) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        for source, resource in self._requested():
            name = f"{source.name} {resource.dataset}"
            try:
                done = self._ingest_resource(source, resource)
            except Exception as error:  # noqa: BLE001 - logged here, and raised after the other resources
                self._log_failure(name, error)
                self._failures.append((name, error))
                continue
            self._context.log.info(done.summary)
            self._platform.api_ingestions.append(done)
            yield from self._events(done)
        if self._failures:
            self._raise_failures()

    def _log_failure(self, name: str, error: Exception) -> None:
        unexpected = None if isinstance(error, EtlPlatformError) else error
        self._context.log.error(f"{name} failed: {error}", exc_info=unexpected)

    def _requested(self) -> list[tuple[ApiSource, ApiResource]]:
        selected = self._context.selected_asset_keys
        chosen = [source for source in self._platform.api_sources if self._config.source in {"", source.name}]
        requested: list[tuple[ApiSource, ApiResource]] = []
        for source in chosen:
            agency = self._agencies.current_name(source.agency)
            if retirement := self._agencies.retirement(agency):
                self._context.log.warning(f"{source.name} is not read, because {agency} was {retirement}")
            elif self._agency in {None, agency}:
                requested += [(source, one) for one in source.resources if _key(one.dataset) in selected]
        return requested

    def _ingest_resource(self, source: ApiSource, resource: ApiResource) -> ApiIngestionResult:
        agency = self._agencies.current_name(source.agency)
        register_agencies(self._context.instance, {resource.dataset: {agency}})
        trigger = Trigger(Cause.EVENT, self._context.run.run_id)
        name = f"{source.name} {resource.dataset}"
        with RunProgress(self._context, "records") as progress:
            return self._platform.api_ingester.ingest(
                source,
                resource,
                trigger,
                now=datetime.now(UTC),
                full=self._config.full,
                on_progress=lambda pages, records: progress(records, f"{name}: {records:,} records in {pages:,} pages"),
            )

    def _events(self, done: ApiIngestionResult) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        """The asset's events: yielded in a run of one partition, logged under the agency in a run of all."""
        key, agency = _key(done.resource.dataset), self._agencies.current_name(done.source.agency)
        if self._agency is None:
            self._context.log_event(dg.AssetMaterialization(key, metadata=_metadata(done), partition=agency))
        else:
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(done))
        # A read without records says nothing about fields, so the last result is about it, too.
        result = _drift_result(done) if done.records else self._checks.last(_drift_check(key), agency)
        if result is not None:
            is_planned = _drift_check(key) in self._planned
            if is_planned:
                yield result.result(key)
            self._checks.log(key, agency, partial(list, [result]), yielded=[result] if is_planned else [])
        if done.ingested is not None:
            self._log_delivery(done.ingested)

    def _log_delivery(self, ingested: DeliveryResult) -> None:
        """Log bronze, silver and their checks, as for a file from the queue."""
        event_log = DagsterEventLog(self._context.op_execution_context, self._platform)
        if ingested.outcome is not Outcome.DUPLICATE or not event_log.is_logged(ingested.report):
            event_log.log_deliveries([LoggedDelivery(ingested.report, ingested.report.outcome)])
            event_log.finish()

    def _raise_failures(self) -> None:
        texts = [f"{name}: {type(error).__name__}: {error}" for name, error in self._failures]
        raise dg.Failure(
            f"{len(texts)} failed: {'; '.join(texts[:_MAX_SHOWN])}",
            metadata={"failed": dg.MetadataValue.json(texts)},
            allow_retries=any(isinstance(error, TransientError) for _, error in self._failures),
        )


def _metadata(done: ApiIngestionResult) -> dict[str, Any]:
    unknown = list(done.unknown_fields[:100])
    return {
        "summary": done.summary,
        "source": done.source.name,
        "snapshot_key": done.key,
        "records": done.records,
        "pages": done.pages,
        "landed": done.landed,
        **({"dagster/partition_row_count": done.rows} if done.rows is not None else {}),
        **({"new": done.new, "changed": done.changed} if done.new is not None else {}),
        **({"cursor": done.cursor} if done.cursor is not None else {}),
        **({"not_in_the_contract": dg.MetadataValue.json(unknown)} if unknown else {}),
    }


def _drift_result(done: ApiIngestionResult) -> CheckEvaluation:
    rows = [asdict(item) for item in done.field_changes]
    return CheckEvaluation(
        DRIFT_CHECK,
        not rows,
        dg.AssetCheckSeverity.WARN,
        {"drift": table(rows)} if rows else {},
        "; ".join(f"{item.field}: {item.change}" for item in done.field_changes[:10]) or None,
    )


def _drift_check(asset: dg.AssetKey) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(asset, DRIFT_CHECK)
