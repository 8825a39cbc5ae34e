"""The asset ``operations/overview``: the page of the person on call, and the sensor that keeps it current.

The sensor reports the asset without a run, because starting a process takes longer than the work.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.overdue_files import OVERDUE_FILES, overdue_files
from etl_platform.defs.dagster_internals import with_target
from etl_platform.defs.intake.breaker_state import breaker_status
from etl_platform.defs.intake.ignored_files import IGNORED_FILES, ignored_since
from etl_platform.defs.operations.recent_arrivals import recent_arrivals
from etl_platform.defs.runs.failures import as_dagster_failures, skip_unless_set
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries import stuck
from etl_platform.deliveries.ignored_files import IgnoredFile, IgnoredFiles
from etl_platform.deliveries.overview.calendar import last_attempts
from etl_platform.deliveries.overview.refused_now import refused_now
from etl_platform.deliveries.overview.state import Arrival, Overdue, Overview
from etl_platform.deliveries.overview.summaries import DeliverySummaries
from etl_platform.deliveries.stuck import Answer
from etl_platform.errors import ReportError, TransientError
from etl_platform.notifications.channel_health import answer
from etl_platform.object_keys import base_name
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS, QUEUES

T = TypeVar("T")
OVERVIEW = dg.AssetKey(["operations", "overview"])
SENSOR_NAME = "overview_sensor"
STUCK, LATE, KNOWN = "nothing_is_stuck", "no_file_is_overdue", "every_file_has_a_contract"
_INTERVAL_S = 60
_ARRIVALS_FOR = timedelta(hours=24)
_REPORT_EVERY = timedelta(hours=1)
_LIST_VALID_FOR = timedelta(hours=26)
_ROWS_SHOWN, _IGNORED_SHOWN, _FAILED_READ = 25, 50, 100


def build_overview() -> dg.Definitions:
    return dg.Definitions(assets=[_build_asset()], sensors=[_build_sensor()])


def _build_asset() -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        OVERVIEW,
        deps=[IGNORED_FILES, OVERDUE_FILES],
        group_name=OVERVIEW.path[0],
        description="What arrived in the last 24 hours, what was refused and why, who is late, and whether anything is "
        f"stuck.\n\n{SENSOR_NAME} reports it when something has changed, at most once a minute. *Materialize* "
        "refreshes it at once.",
    )
    abouts = {
        STUCK: "No delivery keeps failing, no message is a dead letter, the circuit breaker is closed, and no "
        "contract is in error.",
        LATE: "No agency's next file is overdue. expected_files_job looks once a day.",
        KNOWN: "No ignored file of the last seven days waits for a contract or for another name.",
    }
    checks = [dg.AssetCheckSpec(name, asset=OVERVIEW, description=about) for name, about in abouts.items()]

    @dg.multi_asset(name="report_overview", specs=[spec], check_specs=checks, can_subset=True)
    def report_overview(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with as_dagster_failures():
            now = datetime.now(UTC)
            overview = read_overview(context.instance, platform, now)
        if OVERVIEW in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=OVERVIEW, metadata=_metadata(overview, now))
        for check in _evaluations(overview):
            if dg.AssetCheckKey(OVERVIEW, check.name) in context.selected_asset_check_keys:
                yield check.result(OVERVIEW)

    return report_overview


def _build_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports operations/overview when something has changed, and else once an hour. It starts no run.",
    )
    def overview_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.SensorResult | dg.SkipReason:
        if skipped := skip_unless_set(FILE_EVENTS.job, lambda: (platform.queue(FILE_EVENTS), platform.bucket)):
            return skipped
        now = datetime.now(UTC)
        overview = read_overview(context.instance, platform, now)
        state = hashlib.sha256(repr(overview).encode()).hexdigest()[:16]
        cursor = json.dumps({"state": state, "reported_at": now.isoformat()})
        if not _is_due(context.cursor, state, now):
            return dg.SkipReason("nothing has changed")
        _report(context.instance, overview, now)
        return dg.SensorResult(skip_reason=overview.summary, cursor=cursor)

    return overview_sensor


def _report(instance: dg.DagsterInstance, overview: Overview, now: datetime) -> None:
    """Log the asset without a run, then its checks. Dagster shows a check if it is about the latest materialization."""
    made = dg.AssetMaterialization(OVERVIEW, description=overview.summary, metadata=_metadata(overview, now))
    instance.report_runless_asset_event(made)
    target = instance.fetch_materializations(OVERVIEW, limit=1).records[0]
    for evaluation in _evaluations(overview):
        instance.report_runless_asset_event(with_target(evaluation.event(OVERVIEW), target))


def _is_due(cursor: str | None, state: str, now: datetime) -> bool:
    """Whether the state differs from the one reported last, or that is an hour old."""
    try:
        last = json.loads(cursor or "")
        return bool(last["state"] != state) or now - datetime.fromisoformat(last["reported_at"]) >= _REPORT_EVERY
    except (KeyError, TypeError, ValueError):
        return True


def read_overview(instance: dg.DagsterInstance, platform: Platform, now: datetime) -> Overview:
    """Read everything again. A part that cannot be read is an obstacle and hides no other part.

    Raises:
        SettingsError: a setting is missing.
    """
    obstacles: list[Answer] = []
    _add(obstacles, stuck.contracts_in_error(platform.contract_folder))
    _add(obstacles, stuck.breaker(breaker_status(instance, platform.settings)))
    queue = _readable("the queues", lambda: _queues(platform, obstacles), obstacles)
    ignored = _readable("ignored files", lambda: _ignored(instance, platform, now), obstacles)
    failed = _readable("failed deliveries", lambda: platform.intake.waiting.unfinished(limit=_FAILED_READ), obstacles)
    if keep_failing := _readable(
        "dead letters", lambda: stuck.failed_deliveries(failed or [], now, platform.count_dead_letters), obstacles
    ):
        _add(obstacles, keep_failing)
    if platform.channels and (
        notifications := _readable("notifications", lambda: answer(platform.outbox.load(), now), obstacles)
    ):
        _add(obstacles, notifications)
    arrivals = recent_arrivals(instance, now - _ARRIVALS_FOR)
    rejected = [arrival for arrival in arrivals if arrival.outcome == "rejected"]
    refused = _readable("reports", lambda: _refused(rejected, platform, now), obstacles)
    overdue = overdue_files(instance, arrivals)
    if overdue is not None and now - overdue.listed_at > _LIST_VALID_FOR:
        what = f"overdue files were last looked for at {_time(overdue.listed_at)} UTC"
        obstacles.append(Answer(True, what, "open the runs of expected_files_job"))
    shown = rejected if refused is None else refused
    return Overview(arrivals, shown, failed or (), ignored or (), overdue, obstacles, queue or "")


def _add(obstacles: list[Answer], answer: Answer) -> None:
    if answer.is_stuck:
        obstacles.append(answer)


def _readable(what: str, read: Callable[[], T], obstacles: list[Answer]) -> T | None:
    try:
        return read()
    except (ReportError, TransientError) as error:
        obstacles.append(Answer(True, f"{what} could not be read: {error}", "run `etl-platform doctor`"))
        return None


def _queues(platform: Platform, obstacles: list[Answer]) -> str:
    """The file queue in words. Dead letters of any queue are obstacles."""
    for queue in QUEUES:
        if queue.dlq_url(platform.settings):
            _add(obstacles, stuck.dead_letters(queue, platform.dead_letters(queue).depth()))
    return stuck.waiting_messages(platform.queue(FILE_EVENTS).depth(), None).text


def _ignored(instance: dg.DagsterInstance, platform: Platform, now: datetime) -> list[IgnoredFile]:
    files = IgnoredFiles(platform.store, platform.bucket, platform.intake.router().route)
    return files.still_waiting(ignored_since(instance, now - stuck.IGNORED_WITHIN, _IGNORED_SHOWN))


def _refused(rejected: Sequence[Arrival], platform: Platform, now: datetime) -> Sequence[Arrival]:
    """Those that are refused now; the ledger knows which were sent again or read again since."""
    if not rejected:
        return ()
    since = (now - _ARRIVALS_FOR).date()
    read = DeliverySummaries(platform.store, platform.bucket).since(since, now, lambda _error: None)
    last = last_attempts(read)
    settled = {one.delivery_id for one in last} - {one.delivery_id for one in refused_now(last)}
    return [arrival for arrival in rejected if arrival.delivery_id not in settled]


def _metadata(overview: Overview, now: datetime) -> dict[str, Any]:
    # What decides comes first: the page cuts tables off on the right unless the window is very wide.
    tables: dict[str, Sequence[dict[str, Any]]] = {
        "stuck": [{"what": it.text, "to do": it.remedy} for it in overview.obstacles],
        "refused": [
            {"agency": it.agency, "dataset": it.dataset, "verdict": it.verdict, "processed (UTC)": _time(it.at)}
            for it in overview.refused[:_ROWS_SHOWN]
        ],
        "failed": [
            {"agency": it.agency, "dataset": it.dataset, "next": it.next_try(now), "why": it.history}
            | {"since (UTC)": _time(it.since)}
            for it in overview.failed[:_ROWS_SHOWN]
        ],
        "overdue": [vars(it) for it in _overdue(overview)[:_ROWS_SHOWN]],
        "ignored": [
            {"agency": it.agency, "file": _file_name(it), "why": it.why, "ignored (UTC)": _time(it.ignored_at)}
            for it in overview.ignored[:_ROWS_SHOWN]
        ],
        "arrived": [
            {"outcome": it.outcome, "agency": it.agency, "dataset": it.dataset, "file": it.file}
            | {"processed (UTC)": _time(it.at)}
            for it in overview.arrivals[:_ROWS_SHOWN]
        ],
    }
    return {
        "summary": overview.summary,
        "as_of": dg.MetadataValue.timestamp(now),
        "file_queue": overview.queue,
        **{name: table(rows) for name, rows in tables.items() if rows},
    }


def _evaluations(overview: Overview) -> list[CheckEvaluation]:
    obstacles = "; ".join(it.text for it in overview.obstacles)
    late = "; ".join(f"{it.agency} {it.dataset}: {it.why}" for it in _overdue(overview))
    not_yet = "" if overview.overdue else "expected_files_job has not run yet, so no file is known to be overdue."
    unknown = "; ".join(f"{_file_name(it)}: {it.why}" for it in overview.ignored)
    return [
        _evaluation(STUCK, obstacles, dg.AssetCheckSeverity.ERROR, "Nothing is stuck."),
        _evaluation(LATE, late, dg.AssetCheckSeverity.WARN, not_yet or "No file is overdue."),
        _evaluation(KNOWN, unknown, dg.AssetCheckSeverity.WARN, "No ignored file waits."),
    ]


def _evaluation(name: str, problems: str, severity: dg.AssetCheckSeverity, all_is_well: str) -> CheckEvaluation:
    return CheckEvaluation(name, not problems, severity, description=problems[:1_000] or all_is_well)


def _overdue(overview: Overview) -> Sequence[Overdue]:
    return overview.overdue.files if overview.overdue else ()


def _file_name(file: IgnoredFile) -> str:
    return base_name(file.version.key) or file.version.key


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
