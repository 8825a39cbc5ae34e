"""A job of the definitions, run in this process."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dagster as dg

from etl_platform.defs.failures import why
from etl_platform.defs.open_instance import open_instance
from etl_platform.defs.partitions import agencies, register_agencies
from etl_platform.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ran:
    """What became of a run.

    Attributes:
        summaries: the metadata ``summary`` of what was materialized or observed, in order: the UI shows it as well.
        failed_checks: names of the asset checks of severity ERROR that did not pass.
        error: why a step failed; None where none did.
    """

    summaries: tuple[str, ...]
    failed_checks: tuple[str, ...]
    error: str | None

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person is told: what was done, and last why not all of it was."""
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
) -> Ran:
    """A real job in this process: on the instance of DAGSTER_HOME if there is one, else on a passing one.

    Args:
        partition: an agency, added if it is new, or a day.
        selection: keys of the assets that are wanted; all of the job's where it is empty.
    """
    job = definitions.resolve_job_def(name)
    # Dagster's own lines are for its UI; a terminal gets ours.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    instance = open_instance(settings) if settings.dagster_home else dg.DagsterInstance.ephemeral()
    with instance:
        if partition is not None and job.partitions_def == agencies:
            register_agencies(instance, {partition})
        result = job.execute_in_process(
            run_config={**config, **quiet},
            partition_key=partition,
            tags=dict(tags),
            asset_selection=[dg.AssetKey(key) for key in selection] or None,
            instance=instance,
            raise_on_error=False,
        )
    errors = [why(event) for event in result.filter_events(lambda event: event.is_step_failure)]
    for error in errors:
        log.error("run failed", extra={"run_id": result.run_id, "error": error})
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
    summaries = tuple(str(metadata["summary"].value) for metadata in shown if "summary" in metadata)
    return Ran(summaries, tuple(failed), None if result.success else "; ".join(errors) or "Dagster did not say why")
