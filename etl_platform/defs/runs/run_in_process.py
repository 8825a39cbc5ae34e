"""Runs a job of the code location in this process, for the command line."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import add_partitions
from etl_platform.defs.open_instance import open_instance
from etl_platform.defs.runs.failures import failure_reason
from etl_platform.defs.runs.run_policies import NOT_REPEATED
from etl_platform.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """The result of a run, for people.

    Attributes:
        summaries: the metadata ``summary`` of each materialization and observation, in order, as the UI shows it.
        failed_checks: names of the asset checks of severity ERROR that failed.
        error: why the run failed; None if it succeeded.
    """

    summaries: tuple[str, ...]
    failed_checks: tuple[str, ...]
    error: str | None

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines for people: what was done, and last why the run failed, if it did."""
        return self.summaries if self.error is None else (*self.summaries, f"failed: {self.error}")


def run_in_process(
    definitions: dg.Definitions,
    name: str,
    settings: Settings,
    config: Mapping[str, Any] = MappingProxyType({}),
    *,
    partition: str | None = None,
    selection: Sequence[Sequence[str]] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> RunResult:
    """Run a job in this process, on the instance of DAGSTER_HOME if that is set, else on a temporary one.

    Args:
        partition: an agency, which is added if it is new, or a day.
        selection: keys of the assets to materialize; all assets of the job if empty.
    """
    job = definitions.resolve_job_def(name)
    assets = definitions.resolve_asset_graph()
    partition_sets = {assets.get(dg.AssetKey(key)).partitions_def for key in selection} or {job.partitions_def}
    # The terminal shows the command's own lines; Dagster's are in its UI.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    instance = open_instance(settings) if settings.dagster_home else dg.DagsterInstance.ephemeral()
    with instance:
        for partitions in partition_sets:
            if partition is not None and isinstance(partitions, dg.DynamicPartitionsDefinition):
                add_partitions(instance, partitions, {partition})
        result = job.execute_in_process(
            run_config={**config, **quiet},
            partition_key=partition,
            # A person waits for the end, and can run the command again.
            tags={**tags, **NOT_REPEATED},
            asset_selection=[dg.AssetKey(key) for key in selection] or None,
            instance=instance,
            raise_on_error=False,
        )
    return _read(result)


def _read(result: dg.ExecuteInProcessResult) -> RunResult:
    reasons = [failure_reason(event) for event in result.filter_events(lambda event: event.is_step_failure)]
    for reason in reasons:
        log.error("run failed", extra={"run_id": result.run_id, "error": reason})
    shown = [
        event.step_materialization_data.materialization.metadata
        if event.is_step_materialization
        else event.asset_observation_data.asset_observation.metadata
        for event in result.filter_events(lambda event: event.is_step_materialization or event.is_asset_observation)
    ]
    failed = [
        check.check_name
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    summaries = [str(metadata["summary"].value) for metadata in shown if "summary" in metadata]
    error = None if result.success else "; ".join(reasons) or "no step reported a reason; see the run's log in Dagster"
    return RunResult(tuple(summaries), tuple(failed), error)
