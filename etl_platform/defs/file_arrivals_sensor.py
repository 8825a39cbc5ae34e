"""file_arrivals_sensor: SQS messages → run requests.

It receives, routes and asks for runs; it deletes no message that still holds work.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from etl_platform.aws.queue import Message
from etl_platform.defs.breaker_state import limits_of, read_breaker
from etl_platform.defs.intake_config import config_of_files
from etl_platform.defs.intake_runs import (
    ONLY_DELIVERY_TAG,
    PROBE_TAG,
    SENSOR_NAME,
    probe_value,
    probes,
    runs_in_flight,
)
from etl_platform.deliveries.circuit_breaker import only_delivery, status_of
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.plan_runs import QueuedFile, fit_runs, plan_runs
from etl_platform.deliveries.report import Trigger
from etl_platform.deliveries.s3_events import ParsedMessage, parse_message
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
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
        description="Starts intake runs for the S3 events that wait in SQS.",
    )
    def file_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        allowed = _allowance(context.instance, platform.settings)
        if allowed.runs < 1:
            yield dg.SkipReason(allowed.why)
            return
        # Not before: while the breaker is open, nothing is asked of anybody.
        if warning := platform.new_warning():
            context.log.warning(warning)
        requests = list(
            run_requests(
                platform,
                deadline=time.monotonic() + TICK_DEADLINE_S,
                room=allowed.runs,
                probe_of=allowed.probe_of,
            )
        )
        if not requests:
            yield dg.SkipReason("no messages with work in them")
        yield from requests

    return file_arrivals_sensor


@dataclass(frozen=True)
class _Allowance:
    """How many runs a tick may ask for, and why no more; ``probe_of`` when its one run probes the breaker."""

    runs: int
    why: str
    probe_of: float | None = None


def _allowance(instance: dg.DagsterInstance, settings: Settings) -> _Allowance:
    now, limits = time.time(), limits_of(settings)
    breaker = read_breaker(instance, limits, now)
    in_flight = runs_in_flight(instance)
    room = breaker.room(len(probes(in_flight, breaker.opened_at)))
    if room == 0:
        return _Allowance(0, str(status_of(breaker, now, limits)))
    cap = settings.max_runs_in_flight
    why = f"{len(in_flight)} intake runs are in flight, MAX_RUNS_IN_FLIGHT is {cap}; messages wait in SQS"
    free = max(0, cap - len(in_flight))
    return _Allowance(free, why) if room is None else _Allowance(min(room, free), why, breaker.opened_at)


def run_requests(
    platform: Platform,
    *,
    deadline: float,
    room: int | None = None,
    probe_of: float | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[dg.RunRequest]:
    """Receive until the queue is empty, the runs fill the room or the deadline (monotonic seconds) is reached.

    It receives no more messages than runs may start, a probe of the breaker (that opened at ``probe_of``) one: each
    may need a run of its own, and what goes back unused is a receive nearer to the dead-letter queue. The last run is
    still filled with messages that come for the first time, one by one, until one comes that does not fit.
    """
    room = platform.settings.max_runs_in_flight if room is None else room
    messages: list[list[QueuedFile]] = []
    received_at = clock()
    received, most = 0, platform.settings.max_messages_per_poll if probe_of is None else 1
    while received < MAX_MESSAGES_PER_TICK and time.monotonic() < deadline:
        free = room - len(plan_runs(messages))
        if free < 0 or (free == 0 and (probe_of is not None or any(map(_came_back, messages)))):
            break
        batch = platform.queue.receive(min(most, max(free, 1)), platform.settings.visibility_timeout_seconds)
        if not batch:
            break
        if free == 0 and batch[0].receive_count > 1:
            # Hidden for a tick's time: the queue would only give it again.
            platform.queue.change_visibility([batch[0].receipt_handle], platform.settings.poll_interval_seconds)
            break
        received += len(batch)
        for message in batch:
            try:
                files = _routable(platform, message, parse_message(message.body))
            except TransientError as error:
                # One message must not cost the others their tick; it comes again.
                log.warning("message not settled", extra={"message_id": message.message_id, "error": str(error)})
                continue
            if files:
                messages.append(files)
    runs, waiting = fit_runs(plan_runs(messages), room)
    platform.queue.change_visibility([files[0].receipt_handle for run in waiting for files in run], 0)
    for run in runs:
        yield _run_request([file for files in run for file in files], received_at, probe_of)


def _came_back(files: Sequence[QueuedFile]) -> bool:
    return files[0].receive_count > 1


def _routable(platform: Platform, message: Message, parsed: ParsedMessage) -> list[QueuedFile]:
    """The message's files that a run must ingest; what needs none is settled here.

    A malformed part goes to the dead-letter queue with its reason; an ignored object leaves its trace.
    """
    files: list[QueuedFile] = []
    for version in parsed.created:
        arrived = platform.intake.route(version)
        if arrived.route.dataset is None:
            platform.intake.ingest(arrived, Trigger(Cause.EVENT, message_id=message.message_id))
            continue
        files.append(
            QueuedFile(
                version, arrived.route.dataset, message.message_id, message.receipt_handle, message.receive_count
            )
        )
    if parsed.malformed:
        # With every receive: nobody knows whether the one before came as far as this. With its attributes a message
        # must stay below SQS's 256 KiB.
        platform.dead_letters.send(message.body[:_MAX_BODY], {"reason": "; ".join(parsed.malformed)[:1_000]})
    if not files:
        platform.queue.delete([message.receipt_handle])
    return files


def _run_request(files: Sequence[QueuedFile], received_at: float, probe_of: float | None) -> dg.RunRequest:
    # A key that exists suppresses a request for ever, even for a failed run: so it counts receives too.
    identity = ";".join(sorted({f"{file.message_id}:{file.receive_count}" for file in files}))
    datasets = sorted({file.dataset for file in files})
    return dg.RunRequest(
        run_key=hashlib.sha256(identity.encode()).hexdigest()[:32],
        run_config=config_of_files(files, received_at),
        tags={
            "etl_platform/deliveries": str(len(files)),
            "etl_platform/datasets": ",".join(datasets),
            **({} if (alone := only_delivery(files)) is None else {ONLY_DELIVERY_TAG: alone}),
            **({} if probe_of is None else {PROBE_TAG: probe_value(probe_of)}),
        },
        asset_selection=[dg.AssetKey([layer, name]) for name in datasets for layer in ("bronze", "silver")],
        # Selected checks would each leave a planned row without a partition.
        asset_check_keys=[],
    )
