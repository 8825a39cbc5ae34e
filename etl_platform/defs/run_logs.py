"""What a run writes to stderr: JSON lines with its id, and one for each delivery: whose it is, what became of it."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.execution import context_creation_job

from etl_platform.defs.delivery_events import logged_outcome
from etl_platform.defs.failures import why
from etl_platform.logs import JsonLines
from etl_platform.settings import load_settings

_DAGSTERS_OWN = ("dagster_meta", "dagster_event", "dagster_event_batch_metadata")
_OF_A_DELIVERY = ("delivery_id", "outcome", "seconds", "repeated")


@dg.logger(
    config_schema={"log_level": dg.Field(str, is_required=False)},
    description="One JSON object a line on stderr, from LOG_LEVEL upwards.",
)
def json_lines(context: dg.InitLoggerContext) -> logging.Logger:
    level = logging.getLevelName(context.logger_config.get("log_level") or load_settings().log_level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RunLines())
    # Every event of Dagster is of level DEBUG; that of a delivery is what people look for.
    handler.addFilter(lambda record: record.levelno >= level or (level <= logging.INFO and bool(_delivery(record))))
    logger = logging.Logger("etl_platform.runs")
    logger.addHandler(handler)
    return logger


def log_json_by_default() -> None:
    """Every run whose config names no logger logs so, whoever starts it.

    Dagster has no setting for it: a job's default config reaches neither its partitions nor what an asset's page
    starts. So the one function is exchanged that names the loggers of such runs.
    """

    def loggers(instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, object]]]:  # noqa: ARG001
        return [(json_lines, {})]

    context_creation_job.default_system_loggers = loggers  # type: ignore[attr-defined]


class RunLines(JsonLines):
    """Dagster's own record of a message, taken apart into fields of ours."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        delivery = _delivery(record)
        event = meta.get("dagster_event")
        fields: dict[str, Any] = {
            "run_id": meta.get("run_id"),
            "job": meta.get("job_name"),
            "step": meta.get("step_key"),
            "event": None if event is None or delivery else event.event_type_value,
            # Dagster has it in its formatted text only, with the values that an exception may quote.
            "error": why(event.step_failure_data) if event is not None and event.is_step_failure else None,
            **delivery,
        }
        others = {name: value for name, value in vars(record).items() if name not in _DAGSTERS_OWN}
        told = {"msg": "delivery done" if delivery else meta.get("orig_message", record.msg), "args": ()}
        if delivery:
            told |= {"levelno": logging.INFO, "levelname": "INFO"}
        known = {name: value for name, value in fields.items() if value is not None}
        return super().format(logging.makeLogRecord({**others, **told, **known}))


def _delivery(record: logging.LogRecord) -> dict[str, Any]:
    """Fields of the one event that stands for a delivery; empty for any other record."""
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    if event is None or not (event.is_step_materialization or event.is_asset_observation):
        return {}
    said: dg.AssetMaterialization | dg.AssetObservation = (
        event.step_materialization_data.materialization
        if event.is_step_materialization
        else event.asset_observation_data.asset_observation
    )
    if logged_outcome(said) is None:
        return {}
    values = {name: said.metadata[name].value for name in _OF_A_DELIVERY if name in said.metadata}
    return {"agency": said.partition, "dataset": said.asset_key.path[-1], **values}
