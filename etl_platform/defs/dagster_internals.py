"""Every use of Dagster's private modules, each with its reason. ruff rejects such an import anywhere else.

Each part has a test in ``test_dagster_internals.py``, named after what an upgrade of Dagster would break.
"""

import json
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.assets.job.asset_job import build_asset_job, get_asset_graph_for_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution import context_creation_job
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, ResumeRunContext, WorkerStatus
from dagster._core.log_manager import (
    LOG_RECORD_EVENT_ATTR,
    LOG_RECORD_EVENT_BATCH_METADATA_ATTR,
    LOG_RECORD_METADATA_ATTR,
)
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG, HIDDEN_TAG_PREFIX

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

# Dagster passes these types to a launcher and expects them from it. The UI shows no tag with this prefix. The package
# dagster exports none of them.
__all__ = ["HIDDEN_TAG_PREFIX", "CheckRunHealthResult", "LaunchRunContext", "ResumeRunContext", "WorkerStatus"]

_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _MAX_OVERFLOW = 60_000, 3_600, 20

LOG_RECORD_ATTRIBUTES = frozenset(
    {LOG_RECORD_EVENT_ATTR, LOG_RECORD_EVENT_BATCH_METADATA_ATTR, LOG_RECORD_METADATA_ATTR}
)
"""What Dagster adds to a ``logging.LogRecord``. Only a formatter sees it, and no public function reads it."""


@dataclass(frozen=True)
class LoggedBy:
    """The origin of a log record in a run. ``event`` is the Dagster event that the record carries, if any."""

    message: str
    run_id: str | None
    job: str | None
    step: str | None
    event: dg.DagsterEvent | None


def logged_by(record: logging.LogRecord) -> LoggedBy:
    """The run, job and step of a record that Dagster passes to a run's logger."""
    metadata: Mapping[str, Any] = getattr(record, LOG_RECORD_METADATA_ATTR, {})
    return LoggedBy(
        message=str(metadata.get("orig_message", record.getMessage())),
        run_id=metadata.get("run_id"),
        job=metadata.get("job_name"),
        step=metadata.get("step_key"),
        event=getattr(record, LOG_RECORD_EVENT_ATTR, None),
    )


def use_logger_by_default(key: str, definition: dg.LoggerDefinition) -> None:
    """Make a run use ``definition`` if its job has it under ``key``, even if the run config names no logger.

    ``Definitions(loggers=...)`` should do that, but Dagster uses those loggers only if the run config names them
    (https://github.com/dagster-io/dagster/issues/20084). A run that is started from an asset's page has no run config,
    and handlers of ``python_logs`` in dagster.yaml do not replace Dagster's own lines. So this replaces the function
    that names the default loggers. A job that does not have ``definition`` keeps Dagster's default.
    """

    def default_loggers(instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Any]]:
        return [(choice(default), config) for default, config in dg.default_system_loggers(instance)]

    def choice(default: dg.LoggerDefinition) -> dg.LoggerDefinition:
        def init(context: dg.InitLoggerContext) -> logging.Logger:
            if context.job_def is not None and context.job_def.loggers.get(key) is definition:
                logger: logging.Logger = definition(dg.build_init_logger_context())
                return logger
            return default.logger_fn(context)

        return dg.LoggerDefinition(init, default.config_schema, default.description)

    context_creation_job.default_system_loggers = default_loggers  # type: ignore[attr-defined]


AssetsOf: TypeAlias = Callable[[Collection[dg.AssetKey]], dg.AssetsDefinition]
"""The assets of a job, as far as these keys need them."""


class _UnresolvedJob(UnresolvedAssetJobDefinition):
    assets_of: AssetsOf | None = None

    def resolve(
        self,
        asset_graph: Any,
        default_executor_def: dg.ExecutorDefinition | None = None,
        resource_defs: Mapping[str, dg.ResourceDefinition] | None = None,
    ) -> dg.JobDefinition:
        graph = get_asset_graph_for_job(asset_graph, self.selection, allow_different_partitions_defs=True)
        job = build_asset_job(
            self.name,
            graph,
            allow_different_partitions_defs=True,
            description=self.description,
            executor_def=default_executor_def,
            resource_defs=resource_defs,
        )
        return _JobWithSmallSubsets.of(job, self.assets_of) if self.assets_of else job


class _JobWithSmallSubsets(dg.JobDefinition):
    """A job whose subsets have an op with the outputs of their own assets only.

    Dagster keeps the op of the whole job in each subset. With 1,000 datasets that is 22,000 outputs: 3 CPU seconds for
    each run that a sensor requests, and as many again in the process of the run.
    """

    assets_of: AssetsOf

    @classmethod
    def of(cls, job: dg.JobDefinition, assets_of: AssetsOf) -> "_JobWithSmallSubsets":
        # Dagster makes and copies jobs through a function that knows only its own class.
        job.__class__ = cls
        assert isinstance(job, cls)
        job.assets_of = assets_of
        return job

    def _copy(self, **changes: Any) -> "_JobWithSmallSubsets":
        return self.of(super()._copy(**changes), self.assets_of)

    def get_subset(
        self,
        *,
        op_selection: Iterable[str] | None = None,
        asset_selection: Set[dg.AssetKey] | None = None,
        asset_check_selection: Set[dg.AssetCheckKey] | None = None,
    ) -> dg.JobDefinition:
        keys = {*(asset_selection or ()), *(check.asset_key for check in asset_check_selection or ())}
        if op_selection or not keys:
            return super().get_subset(
                op_selection=op_selection,
                asset_selection=asset_selection,
                asset_check_selection=asset_check_selection,
            )
        assets = self.assets_of(keys)
        graph = get_asset_graph_for_job(
            AssetGraph.from_assets([assets]),
            dg.AssetSelection.assets(*assets.keys).without_checks(),
            allow_different_partitions_defs=True,
        )
        small = build_asset_job(
            self.name,
            graph,
            allow_different_partitions_defs=True,
            description=self.description,
            executor_def=self.executor_def,
            resource_defs=self.resource_defs,
        )
        logged = small.with_logger_defs(self.loggers)
        return logged.get_subset(asset_selection=asset_selection, asset_check_selection=asset_check_selection)


def define_job_of_several_partition_sets(
    name: str, selection: dg.AssetSelection, description: str, assets_of: AssetsOf | None = None
) -> UnresolvedAssetJobDefinition:
    """An asset job whose assets have different partitions.

    ``dg.define_asset_job`` refuses such a selection, though Dagster's own job behind the pages of assets has one, and
    subsets of a job may have one. A run without a partition can be about all assets of the job. Dagster accepts a run
    of a partition only if all its assets have that partition.

    Args:
        assets_of: makes the definition of selected assets, for a job of very many.
    """
    job = _UnresolvedJob(name, selection, description=description)
    job.assets_of = assets_of
    return job


@dataclass(frozen=True)
class CodeServer:
    """The code server that ``DefaultRunLauncher`` asked to start a run: a socket's path, or host and port."""

    socket: str | None
    host: str | None
    port: int | None
    use_ssl: bool

    def is_running(self, run_id: str, timeout_s: int) -> bool | None:
        """Whether the run's process is alive; None if the server does not answer in time.

        Only the server knows, since the process is its child. Dagster has no public client for a code server.
        """
        # grpc costs 0.05 CPU seconds, and only the daemon asks.
        from dagster._core.errors import DagsterUserCodeUnreachableError
        from dagster._grpc.client import DagsterGrpcClient
        from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
        from dagster._serdes import deserialize_value

        client = DagsterGrpcClient(self.port, self.socket, self.host or "localhost", self.use_ssl)
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout=timeout_s)
        except DagsterUserCodeUnreachableError:
            return None
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def code_server_of(run: dg.DagsterRun) -> CodeServer | None:
    """The code server that started the run, from the tag that ``DefaultRunLauncher`` sets; None before its launch."""
    if GRPC_INFO_TAG not in run.tags:
        return None
    found = json.loads(run.tags[GRPC_INFO_TAG])
    return CodeServer(found.get("socket"), found.get("host"), found.get("port"), bool(found.get("use_ssl")))


def with_target(
    evaluation: dg.AssetCheckEvaluation, materialization: dg.EventLogRecord | None
) -> dg.AssetCheckEvaluation:
    """The evaluation, about a materialization. ``AssetCheckResult`` finds it itself, but is not for ``log_event``."""
    target = None
    if materialization is not None:
        entry = materialization.event_log_entry
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=materialization.storage_id, run_id=entry.run_id, timestamp=entry.timestamp
        )
    return dg.AssetCheckEvaluation(
        asset_key=evaluation.asset_key,
        check_name=evaluation.check_name,
        passed=evaluation.passed,
        metadata=evaluation.metadata,
        target_materialization_data=target,
        severity=evaluation.severity,
        description=evaluation.description,
        partition=evaluation.partition,
    )


@dataclass(frozen=True)
class ShownCheck:
    """The row of a check and partition that Dagster shows.

    Attributes:
        run_id: empty if no run wrote the row.
        has_result: False if the check is only planned.
        target_id: storage id of the materialization that the result is about; None if there is no result or no target.
    """

    run_id: str
    has_result: bool
    target_id: int | None


def shown_checks(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], partition: str
) -> dict[dg.AssetCheckKey, ShownCheck]:
    """The latest row of each check in one partition, in one query. Dagster's public function ignores partitions."""
    storage, wanted = instance.event_log_storage, PartitionKeyFilter(key=partition)
    found: dict[dg.AssetCheckKey, ShownCheck] = {}
    for key, record in storage.get_latest_asset_check_execution_by_key(keys, wanted).items():
        # A planned check has an event without a result.
        has_result = isinstance(record.evaluation, dg.AssetCheckEvaluation)
        target = getattr(record.evaluation, "target_materialization_data", None)
        found[key] = ShownCheck(record.run_id, has_result, target.storage_id if target else None)
    return found


def last_evaluation(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, partition: str | None = None
) -> dg.AssetCheckEvaluation | None:
    """The last result of a check, of one partition or of any; planned checks have no result."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        key,
        limit=1,
        status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
        partition_filter=PartitionKeyFilter(key=partition) if partition else None,
    )
    return records[0].evaluation if records else None


def newest_materialization_id(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str, known_id: int | None
) -> int | None:
    """The storage id of the latest materialization of a partition, without reading the event.

    Args:
        known_id: that of an earlier one; then only later events are read.
    """
    found = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, {partition}, after_cursor=known_id
    )
    return found.get(partition, known_id)


def log_check_in_run(instance: dg.DagsterInstance, run_id: str, evaluation: dg.AssetCheckEvaluation) -> None:
    """Log a check result in another run, whose result of the same check and partition it replaces.

    ``report_runless_asset_event`` does not: the database refuses a second result without a run for the partition.
    """
    run = instance.get_run_by_id(run_id)
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=run.job_name if run else "",
        event_specific_data=evaluation,
    )
    instance.report_dagster_event(event, run_id)


@contextmanager
def open_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep connections to Dagster's PostgreSQL open, and look at its schema once; SQLite has no connections to keep.

    By default Dagster opens a connection for each statement, and looks for tables and columns before many of them: 24
    of 36 statements of a tick. Its public method keeps connections, but only for the life of the process.
    """
    storages = [instance.run_storage, instance.event_log_storage, instance.schedule_storage]
    before = [(storage, getattr(storage, "_engine", None)) for storage in storages]
    instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_TIMEOUT_MS, pool_recycle=_POOL_RECYCLE_S, max_overflow=_MAX_OVERFLOW
    )
    _ask_once(instance.run_storage, "has_run_stats_index_cols")
    _ask_once(instance.event_log_storage, "has_table")
    with ExitStack() as contexts:
        for storage, engine in before:
            if getattr(storage, "_engine", None) is not engine:
                contexts.callback(setattr, storage, "_engine", engine)
                contexts.callback(storage._engine.dispose)  # type: ignore[union-attr]
        yield


def _ask_once(storage: Any, name: str) -> None:
    """Keep the answers of a method about the schema, which does not change as long as a process runs."""
    if hasattr(storage, name) and name not in vars(storage):
        setattr(storage, name, cache(getattr(storage, name)))


def open_workspace(instance: dg.DagsterInstance, workspace_yaml: str) -> "WorkspaceProcessContext":
    """What Dagster's webserver serves. Its command accepts no ASGI middleware, so ``writable_ui`` starts it itself."""
    # Only the UI needs them, and they import requests.
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_TIMEOUT_MS, pool_recycle=_POOL_RECYCLE_S, max_overflow=_MAX_OVERFLOW
    )
    return WorkspaceProcessContext(instance, workspace_load_target=WorkspaceFileTarget([workspace_yaml]))


@contextmanager
def one_transaction(instance: dg.DagsterInstance) -> Iterator[None]:
    """Store what this thread logs inside in one transaction of Dagster's PostgreSQL: all of it, or nothing.

    Dagster stores one event in up to five transactions, and each waits for the disk. Its batches do not take results of
    checks. Inside, reads see what was logged, but others do not, so read what others logged only after the end.
    """
    storage: Any = instance.event_log_storage
    if type(storage).__name__ != "PostgresEventLogStorage":
        yield
        return
    connect, owner = storage._connect, threading.get_ident()
    with storage.index_transaction() as connection:

        def join() -> AbstractContextManager[Any]:
            return nullcontext(connection) if threading.get_ident() == owner else connect()

        storage._connect = join
        try:
            yield
        finally:
            storage._connect = connect
