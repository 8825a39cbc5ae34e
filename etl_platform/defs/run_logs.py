"""The log of a run on stderr: JSON lines with the run id, and one line per delivery with dataset and outcome."""

import logging
import sys
from typing import Any

import dagster as dg

from etl_platform.defs.dagster_internals import LOG_RECORD_ATTRIBUTES, logged_by, use_logger_by_default
from etl_platform.defs.intake.delivery_events import logged_outcome
from etl_platform.defs.runs.failures import failure_reason
from etl_platform.logs import JsonLines
from etl_platform.settings import load_settings

_KEY = "console"
_DELIVERY_FIELDS = ("delivery_id", "outcome", "seconds", "repeated")


@dg.logger(
    config_schema={"log_level": dg.Field(str, is_required=False)},
    description="One JSON object per line on stderr, from LOG_LEVEL upwards.",
)
def json_lines(context: dg.InitLoggerContext) -> logging.Logger:
    level = logging.getLevelName(context.logger_config.get("log_level") or load_settings().log_level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RunLines())
    # Dagster logs every event at level DEBUG; the one of a delivery is shown at INFO, because people look for it.
    handler.addFilter(lambda record: record.levelno >= level or (level <= logging.INFO and bool(_delivery(record))))
    logger = logging.Logger("etl_platform.runs")
    logger.addHandler(handler)
    return logger


def run_loggers() -> dict[str, dg.LoggerDefinition]:
    """The loggers of the definitions. With them every run writes JSON lines, even one started from the UI."""
    use_logger_by_default(_KEY, json_lines)
    return {_KEY: json_lines}


class RunLines(JsonLines):
    """A record of a run as flat fields, without Dagster's own objects and formatted text."""

    def format(self, record: logging.LogRecord) -> str:
        logged, delivery = logged_by(record), _delivery(record)
        event = logged.event
        fields: dict[str, Any] = {
            "run_id": logged.run_id,
            "job": logged.job,
            "step": logged.step,
            "event": None if event is None or delivery else event.event_type_value,
            # Dagster's formatted text also holds the error, but with the values that an exception may quote.
            "error": failure_reason(event) if event is not None and event.is_step_failure else None,
            **delivery,
        }
        others = {name: value for name, value in vars(record).items() if name not in LOG_RECORD_ATTRIBUTES}
        message: dict[str, Any] = {"msg": "delivery done" if delivery else logged.message, "args": ()}
        if delivery:
            message |= {"levelno": logging.INFO, "levelname": "INFO"}
        known = {name: value for name, value in fields.items() if value is not None}
        return super().format(logging.makeLogRecord({**others, **message, **known}))


def _delivery(record: logging.LogRecord) -> dict[str, Any]:
    """Fields of the one event that represents a delivery; empty for any other record."""
    event = logged_by(record).event
    if event is None or not (event.is_step_materialization or event.is_asset_observation):
        return {}
    logged: dg.AssetMaterialization | dg.AssetObservation = (
        event.step_materialization_data.materialization
        if event.is_step_materialization
        else event.asset_observation_data.asset_observation
    )
    if logged_outcome(logged) is None:
        return {}
    values = {name: logged.metadata[name].value for name in _DELIVERY_FIELDS if name in logged.metadata}
    return {"agency": logged.partition, "dataset": logged.asset_key.path[-1], **values}
