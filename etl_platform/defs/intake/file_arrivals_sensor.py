"""``file_arrivals_sensor``: receives SQS messages and requests intake runs for the files in them.

It deletes only messages that need no run. The run deletes its messages once their deliveries are recorded.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from etl_platform.aws.queue import Message
from etl_platform.defs.intake.agency_turns import AgencyTurns
from etl_platform.defs.intake.breaker_state import held_agencies, limits_of, read_breaker
from etl_platform.defs.intake.dead_runs import release_messages_of_dead_runs
from etl_platform.defs.intake.ignored_files import ignored_event
from etl_platform.defs.intake.intake_config import config_of_files
from etl_platform.defs.intake.intake_runs import (
    ONLY_AGENCY_TAG,
    ONLY_DELIVERY_TAG,
    PROBE_TAG,
    SENSOR_NAME,
    probe_value,
    probes,
    runs_in_flight,
)
from etl_platform.defs.intake.run_request import intake_run_request
from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.defs.runs.run_policies import NOT_REPEATED
from etl_platform.deliveries.agency_register import Agencies
from etl_platform.deliveries.check_errors import describe
from etl_platform.deliveries.circuit_breaker import only_delivery, status_of
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.plan_runs import QueuedFile, Suspects, fit_runs, plan_runs
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.s3_events import ParsedMessage, parse_message
from etl_platform.errors import ReportError, TransientError
from etl_platform.platform import Platform
from etl_platform.queue_work.lease import retry_delay_s
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings

TICK_DEADLINE_S = 20
MAX_MESSAGES_PER_TICK = 1_000
_MAX_BODY = 200_000
log = logging.getLogger(__name__)


def build_file_arrivals_sensor(job: Any, interval_seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR_NAME,
        job=job,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Receives S3 events from SQS and starts intake runs. It waits while the circuit breaker is open or "
        "MAX_RUNS_IN_FLIGHT runs are unfinished.",
    )
    def file_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if skipped := skip_unless_set(FILE_EVENTS.job, lambda: (platform.queue(FILE_EVENTS), platform.bucket)):
            yield skipped
            return
        allowed = _allowance(context.instance, platform.settings)
        if allowed.runs < 1:
            yield dg.SkipReason(allowed.why)
            return
        # Only after the breaker was checked: while it is open, no outside system is called.
        if warning := platform.bucket_warning():
            context.log.warning(warning)
        if held := ", ".join(sorted(allowed.turns.held)):
            context.log.warning(f"retried messages are held back of agencies of which only failures are known: {held}")
        settings, queue = platform.settings, platform.queue(FILE_EVENTS)
        released = release_messages_of_dead_runs(
            context.instance, queue, settings.visibility_timeout_seconds, time.time()
        )
        requests = list(
            run_requests(
                platform,
                deadline=time.monotonic() + TICK_DEADLINE_S,
                room=allowed.runs,
                probe_of=allowed.probe_of,
                suspects=Suspects.spread(released, allowed.runs),
                turns=allowed.turns,
                on_ignored=lambda report: _log_ignored(context.instance, report),
            )
        )
        if not requests:
            yield dg.SkipReason("no message in the queue needs a run")
        yield from requests

    return file_arrivals_sensor


@dataclass(frozen=True)
class _Allowance:
    """How many runs a tick may request.

    Attributes:
        why: why no more runs may start.
        probe_of: if the one allowed run is a probe, when the breaker opened.
        turns: whose messages they may start.
    """

    runs: int
    why: str
    probe_of: float | None = None
    turns: AgencyTurns = field(default_factory=AgencyTurns)


def _allowance(instance: dg.DagsterInstance, settings: Settings) -> _Allowance:
    now, limits = time.time(), limits_of(settings)
    breaker = read_breaker(instance, limits, now)
    in_flight = runs_in_flight(instance)
    room = breaker.room(len(probes(in_flight, breaker.opened_at)))
    if room == 0:
        return _Allowance(0, str(status_of(breaker, now, limits)))
    cap = settings.max_runs_in_flight
    why = f"{len(in_flight)} intake runs are unfinished and MAX_RUNS_IN_FLIGHT is {cap}; messages wait in SQS"
    free = max(0, cap - len(in_flight))
    if room is not None:
        return _Allowance(min(room, free), why, breaker.opened_at, AgencyTurns(failing=breaker.failing_agencies))
    return _Allowance(free, why, turns=AgencyTurns(held_agencies(instance, limits, now, in_flight)))


def run_requests(
    platform: Platform,
    *,
    deadline: float,
    room: int | None = None,
    probe_of: float | None = None,
    suspects: Suspects = Suspects(),  # noqa: B008 - it is immutable
    turns: AgencyTurns = AgencyTurns(),  # noqa: B008 - the same
    on_ignored: Callable[[Report], None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Iterator[dg.RunRequest]:
    """Receive messages until the queue is empty, ``room`` runs are full or the deadline (monotonic seconds) is reached.

    Each call receives at most as many messages as runs may still start, because each message may need its own run, and
    an unused message would return one receive nearer to the dead-letter queue. When no other run may start, the last
    one is filled with single messages, as long as they are received for the first time. A message that does not fit
    starts in a run of its own, the only one beyond ``room``. A probe of the breaker that opened at ``probe_of``
    starts only one message.
    """
    queue = platform.queue(FILE_EVENTS)
    room = platform.settings.max_runs_in_flight if room is None else room
    messages: list[list[QueuedFile]] = []
    router: Router | None = None
    received_at = clock()
    received, per_call = 0, platform.settings.max_messages_per_poll if probe_of is None else 1
    while received < MAX_MESSAGES_PER_TICK and time.monotonic() < deadline:
        free = room - len(plan_runs(messages, suspects))
        if probe_of is not None and not turns.needs_another(messages):
            break
        if probe_of is None and (free < 0 or (free == 0 and any(map(_is_retried, messages)))):
            break
        try:
            batch = queue.receive(min(per_call, max(free, 1)), platform.settings.visibility_timeout_seconds)
        except TransientError as error:
            if not received:
                raise
            # The messages received before must start, or they would stay hidden until their timeout ends.
            log.warning("the queue does not answer", extra={"error": str(error)})
            break
        if not batch:
            break
        received += len(batch)
        for message in batch:
            try:
                router = router or _router(platform)
                files = _routable(platform, router, message, parse_message(message.body), on_ignored)
            except Exception as error:  # noqa: BLE001 - the edge of one message: logged, and retried by the queue
                _retry_later(platform, message, error)
                continue
            if files and turns.admit(files, queue, messages):
                messages.append(files)
    if probe_of is not None:
        messages = turns.choose_probe(messages, queue)
    for run in fit_runs(plan_runs(messages, suspects), room):
        yield _run_request([file for files in run for file in files], received_at, probe_of)


def _retry_later(platform: Platform, message: Message, error: Exception) -> None:
    """Leave a message that could not be handled to a later tick, each time after a longer delay."""
    about = {"message_id": message.message_id, "error": describe(error)}
    log.warning("message could not be handled and will be redelivered", extra=about, exc_info=error)
    try:
        delay_s = retry_delay_s(message.receive_count)
        platform.queue(FILE_EVENTS).change_visibility([message.receipt_handle], delay_s)
    except TransientError as failed:
        log.warning("message was not delayed", extra={"message_id": message.message_id, "error": str(failed)})


def _router(platform: Platform) -> Router:
    """The router of a tick; if the register of agencies cannot be read, one for which all agencies are active.

    The run reads the register again. If the store is down, the run fails, and only failed runs open the breaker.
    """
    try:
        return platform.intake.router()
    except (ReportError, TransientError) as error:
        log.warning("the register of agencies could not be read; the runs read it again", extra={"error": str(error)})
        return platform.intake.router(Agencies())


def _is_retried(files: Sequence[QueuedFile]) -> bool:
    return files[0].receive_count > 1


def _log_ignored(instance: dg.DagsterInstance, report: Report) -> None:
    if event := ignored_event(report):
        instance.report_runless_asset_event(event)


def _routable(
    platform: Platform,
    router: Router,
    message: Message,
    parsed: ParsedMessage,
    on_ignored: Callable[[Report], None],
) -> list[QueuedFile]:
    """The files of the message that a run must ingest.

    The rest is handled here: a message with malformed parts is sent to the dead-letter queue with the reason, and an
    object without a contract is recorded as ignored.
    """
    files: list[QueuedFile] = []
    for version in parsed.created:
        arrived = router.route(version)
        agency, dataset = arrived.route.agency, arrived.route.dataset
        if agency is None or dataset is None:
            ignored = platform.intake.ingest(arrived, Trigger(Cause.EVENT, message_id=message.message_id))
            # Before the message is deleted. A tick that is killed in between logs the event once more.
            on_ignored(ignored.report)
            continue
        files.append(
            QueuedFile(version, agency, dataset, message.message_id, message.receipt_handle, message.receive_count)
        )
    if parsed.malformed and not _is_buried(platform, message, parsed.malformed):
        # The run must not delete the message: its malformed part would be lost.
        return [replace(file, receipt_handle=None) for file in files]
    if not files:
        platform.queue(FILE_EVENTS).delete([message.receipt_handle])
    return files


def _is_buried(platform: Platform, message: Message, malformed: Sequence[str]) -> bool:
    """Send a message with malformed parts to the dead-letter queue; returns whether it accepted the message."""
    try:
        # Sent at every receive, because it is unknown whether the previous receive got this far. The body is cut
        # because a message with its attributes must stay below SQS's limit of 256 KiB.
        platform.dead_letters(FILE_EVENTS).send(message.body[:_MAX_BODY], {"reason": "; ".join(malformed)[:1_000]})
    except TransientError as error:
        _retry_later(platform, message, error)
        return False
    return True


def _run_request(files: Sequence[QueuedFile], received_at: float, probe_of: float | None) -> dg.RunRequest:
    alone = only_delivery(files)
    return intake_run_request(
        # With receive counts, because a redelivered message needs another run.
        ";".join(sorted({f"{file.message_id}:{file.receive_count}" for file in files})),
        config_of_files(files, received_at),
        deliveries=len(files),
        agencies={file.agency for file in files},
        datasets={file.dataset for file in files},
        tags={
            **NOT_REPEATED,
            **({} if alone is None else {ONLY_DELIVERY_TAG: alone}),
            **({} if len({file.agency for file in files}) > 1 else {ONLY_AGENCY_TAG: files[0].agency}),
            **({} if probe_of is None else {PROBE_TAG: probe_value(probe_of)}),
        },
    )
