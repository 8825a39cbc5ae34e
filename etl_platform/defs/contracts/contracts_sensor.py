"""``contracts_sensor``: logs the check of a contract when its result changes, and ingests files that waited for it."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from etl_platform.defs.contracts.contract_checks import CONTRACT_CHECK, Declaration, contract_evaluation
from etl_platform.defs.intake.intake_config import config_of_versions
from etl_platform.defs.intake.run_request import intake_run_request
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.routing import RoutedObject
from etl_platform.errors import SettingsError
from etl_platform.object_keys import IGNORED_REPORTS
from etl_platform.platform import Platform

SENSOR_NAME = "contracts_sensor"
_DEADLINE_S = 20
_MAX_EVENTS, _RUN_FILES = 100, 200
_MARGIN = timedelta(hours=1)
"""Files may have been ignored before the sensor first saw the error."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoggedResult:
    """The result that the sensor logged last of a declaration's check.

    Attributes:
        identity: of the declaration that was checked.
        error: None if it had none.
        since: when the sensor first saw an error (UTC, ISO 8601).
    """

    identity: str
    error: str | None = None
    since: str | None = None


def build_contracts_sensor(job: Any, declared: Sequence[Declaration], interval_seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Logs {CONTRACT_CHECK} of a contract when its result changes. When a contract is correct again, "
        "it starts intake runs for the files that waited for it.",
    )
    def contracts_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.SensorResult | dg.SkipReason:
        known, now = read_cursor(context.cursor), datetime.now(UTC)
        current, events = check_changes(declared, known, now, time.monotonic() + _DEADLINE_S)
        if current == known:
            return dg.SkipReason("no contract has changed")
        since = corrected_since(known, current)
        requests = [] if since is None else run_requests(platform, since)
        # Without runs Dagster calls a tick skipped, also if it logs results.
        reason = None if requests else dg.SkipReason(f"{len(events)} results logged; no file waited")
        return dg.SensorResult(requests, reason, cursor=to_cursor(current), asset_events=events)

    return contracts_sensor


def check_changes(
    declared: Sequence[Declaration], known: Mapping[str, LoggedResult], now: datetime, deadline: float
) -> tuple[dict[str, LoggedResult], list[dg.AssetCheckEvaluation]]:
    """Check the declarations that changed, until the deadline (monotonic seconds); the rest follows in the next tick.

    Returns:
        What is known afterwards, without declarations that are gone, and an event for each result that changed.
    """
    current: dict[str, LoggedResult] = {}
    events: list[dg.AssetCheckEvaluation] = []
    for declaration in declared:
        name = declaration.key.to_user_string()
        before = known.get(name)
        if before is not None and before.identity == declaration.identity:
            current[name] = before
            continue
        if len(events) >= _MAX_EVENTS or time.monotonic() >= deadline:
            current |= {} if before is None else {name: before}
            continue
        error = declaration.find_error()
        text = None if error is None else str(error)
        since = None if text is None else before.since if before and before.since else now.isoformat()
        current[name] = LoggedResult(declaration.identity, text, since)
        if before is None or before.error != text:
            events.append(contract_evaluation(declaration, error).event(declaration.key))
    return current, events


def corrected_since(known: Mapping[str, LoggedResult], current: Mapping[str, LoggedResult]) -> datetime | None:
    """Since when files may have waited for declarations that are correct now, or gone; None if there are none."""
    corrected = [
        datetime.fromisoformat(before.since)
        for name, before in known.items()
        if before.since is not None and (name not in current or current[name].since is None)
    ]
    return min(corrected) - _MARGIN if corrected else None


def run_requests(platform: Platform, since: datetime) -> list[dg.RunRequest]:
    """Intake runs for the files that were ignored since then (UTC) and have a contract now, the oldest first."""
    try:
        ledger = Ledger(platform.store, platform.bucket, on_unreadable=lambda error: log.warning("%s", error))
    except SettingsError:
        return []
    ignored = sorted(ledger.reports(IGNORED_REPORTS, since), key=lambda report: report.attempt.began_at)
    router = platform.intake.router()
    waiting = [router.route(report.source) for report in ignored]
    files = [file for file in waiting if file.route.dataset]
    return [_run_request(files[start : start + _RUN_FILES], since) for start in range(0, len(files), _RUN_FILES)]


def _run_request(files: Sequence[RoutedObject], since: datetime) -> dg.RunRequest:
    return intake_run_request(
        ";".join([SENSOR_NAME, since.isoformat(), *(file.version.delivery_id for file in files)]),
        config_of_versions(file.version for file in files),
        deliveries=len(files),
        agencies={file.route.agency for file in files if file.route.agency},
        datasets={file.route.dataset for file in files if file.route.dataset},
    )


def read_cursor(text: str | None) -> dict[str, LoggedResult]:
    """What earlier ticks logged; nothing if the cursor cannot be read, so that everything is checked again."""
    try:
        return {name: LoggedResult(**item) for name, item in json.loads(text or "{}").items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def to_cursor(current: Mapping[str, LoggedResult]) -> str:
    """The values that are set; Dagster stores the cursor at each tick, and there may be 1,000 contracts."""
    items = {name: {k: v for k, v in asdict(item).items() if v is not None} for name, item in current.items()}
    return json.dumps(items, separators=(",", ":"))
