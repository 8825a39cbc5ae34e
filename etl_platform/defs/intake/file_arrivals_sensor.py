"""``file_arrivals_sensor``: receives SQS messages and requests runs for the files in them.

The runs delete their messages once their deliveries are recorded.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg

from etl_platform.defs.dagster_internals import open_connections
from etl_platform.defs.intake.agency_turns import AgencyTurns
from etl_platform.defs.intake.breaker_state import held_agencies, limits_of, read_breaker
from etl_platform.defs.intake.dead_runs import release_messages_of_dead_runs
from etl_platform.defs.intake.intake_config import config_of_files
from etl_platform.defs.intake.intake_runs import (
    IGNORED_JOB_NAME,
    ONLY_AGENCY_TAG,
    ONLY_DELIVERY_TAG,
    PROBE_TAG,
    SENSOR_NAME,
    probed_opening,
    unfinished_runs,
)
from etl_platform.defs.intake.queued_runs import keep_hidden
from etl_platform.defs.intake.receive_files import ReceivedFiles, receive_files
from etl_platform.defs.intake.record_ignored import MAX_RECORDED_PER_TICK, record_ignored
from etl_platform.defs.intake.run_request import ignored_run_request, intake_run_request
from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.defs.runs.run_policies import NOT_REPEATED
from etl_platform.deliveries.circuit_breaker import only_delivery, status_of
from etl_platform.deliveries.plan_runs import (
    MAX_IGNORED,
    MessageFiles,
    PlannedRun,
    QueuedFile,
    RunPlan,
    Suspects,
    fit_runs,
    plan_runs,
)
from etl_platform.engine.output.plain_text import counted
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings

TICK_DEADLINE_S = 20
MAX_WAIT_S = 20
"""SQS answers after at most 20 s, also if there is no message."""
WORTH_A_RUN = 10
"""So many waiting messages start a run although another one is unfinished."""

_NO_SUSPECTS, _ALL_AGENCIES = Suspects(), AgencyTurns()


def build_file_arrivals_sensor(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """The sensor that starts runs of these jobs: the intake, and the one that records ignored files."""

    @dg.sensor(
        name=SENSOR_NAME,
        jobs=jobs,
        # A tick waits for messages itself, so the next one follows at once.
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Waits for S3 events in SQS and starts runs for their files. It does not receive while the circuit "
        "breaker is open or MAX_RUNS_IN_FLIGHT runs are unfinished. While a run is unfinished, a few files wait for "
        "others, at most POLL_INTERVAL_SECONDS.",
    )
    def file_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if skipped := skip_unless_set(FILE_EVENTS.job, lambda: (platform.queue(FILE_EVENTS), platform.bucket)):
            yield skipped
            return
        last_tick_at = context.last_tick_completion_time or 0.0
        with open_connections(context.instance):
            allowed = allowance(context.instance, platform, last_tick_at=last_tick_at, now=time.time())
        if allowed.runs < 1:
            yield dg.SkipReason(allowed.why)
            return
        # Only after the breaker was checked: while it is open, no outside system is called.
        if warning := platform.bucket_warning():
            context.log.warning(warning)
        if held := ", ".join(sorted(allowed.turns.held)):
            context.log.warning(f"retried messages are held back of agencies of which only failures are known: {held}")
        wait_s = _wait_s(platform.settings)
        requests = list(
            run_requests(
                platform,
                deadline=time.monotonic() + wait_s + TICK_DEADLINE_S,
                room=allowed.runs,
                ignored_room=allowed.ignored_runs,
                probe_of=allowed.probe_of,
                suspects=allowed.suspects,
                turns=allowed.turns,
                wait_s=wait_s,
                record=partial(record_ignored, context.instance, platform),
            )
        )
        if not requests:
            yield dg.SkipReason("no message in the queue needs a run")
        yield from requests

    return file_arrivals_sensor


def _wait_s(settings: Settings) -> int:
    """How long a tick waits for a message; shorter than the read timeout, or each wait would end as an error."""
    return min(MAX_WAIT_S, settings.poll_interval_seconds, settings.aws_read_timeout_seconds // 2)


@dataclass(frozen=True)
class Allowance:
    """How many runs a tick may request.

    Attributes:
        ignored_runs: of the job that records ignored files. Without one, a tick receives what it can record itself.
        why: why no more runs may start.
        probe_of: if the one allowed run is a probe, the number of the run that opened the breaker.
        turns: whose messages they may start.
        suspects: messages that may have killed their run.
    """

    runs: int
    ignored_runs: int
    why: str
    probe_of: int | None = None
    turns: AgencyTurns = field(default_factory=AgencyTurns)
    suspects: Suspects = _NO_SUSPECTS


def allowance(instance: dg.DagsterInstance, platform: Platform, *, last_tick_at: float, now: float) -> Allowance:
    """What a tick may start at ``now``. Before, messages of queued runs are hidden, and those of dead runs released.

    Times are epoch seconds.

    Args:
        last_tick_at: when the tick before this one ended.
    """
    settings = platform.settings
    limits, cap = limits_of(settings), settings.max_runs_in_flight
    breaker = read_breaker(instance, limits, now)
    records, ignored = unfinished_runs(instance), unfinished_runs(instance, IGNORED_JOB_NAME)
    runs = [record.dagster_run for record in records]
    keep_hidden(
        [*runs, *(record.dagster_run for record in ignored)],
        platform.queue(FILE_EVENTS),
        settings.visibility_timeout_seconds,
        last_tick_at=last_tick_at,
        now=now,
    )
    room = breaker.room(sum(breaker.is_probe(probed_opening(run)) for run in runs))
    if room == 0:
        return Allowance(0, 0, str(status_of(breaker, now, limits)))
    free, ignored_runs = max(0, cap - len(runs)), max(0, cap - len(ignored))
    allowed = min(room, free if ignored_runs else 0) if room is not None else free
    if not allowed:
        unfinished = f"{len(runs)} intake runs and {len(ignored)} runs of ignored files are unfinished"
        return Allowance(0, ignored_runs, f"{unfinished} and MAX_RUNS_IN_FLIGHT is {cap}; messages wait in SQS")
    died = release_messages_of_dead_runs(
        instance, platform.queue(FILE_EVENTS), settings.visibility_timeout_seconds, now
    )
    suspects = Suspects.spread(died, allowed)
    if room is not None:
        # A tick of a probe records no ignored file itself.
        turns = AgencyTurns(failing=breaker.failing_agencies)
        return Allowance(allowed, ignored_runs, "", breaker.opened_by, turns, suspects)
    # Messages of a dead run have waited long enough.
    if not died and (collecting := _collecting(records, platform, now)):
        return Allowance(0, 0, collecting)
    turns = AgencyTurns(held_agencies(instance, limits, now, runs))
    return Allowance(allowed, ignored_runs, "", turns=turns, suspects=suspects)


def _collecting(unfinished: Sequence[dg.RunRecord], platform: Platform, now: float) -> str | None:
    """Why files wait for others, or None. A run costs seconds of CPU, whatever the number of its files."""
    newest = max((record.create_timestamp.timestamp() for record in unfinished), default=0.0)
    longest_s = platform.settings.poll_interval_seconds
    left_s = newest + longest_s - now
    # If a clock was set back, a run was requested in the future: nobody waits for that time.
    if not 0 < left_s <= longest_s:
        return None
    waiting, _ = platform.queue(FILE_EVENTS).depth()
    if waiting >= WORTH_A_RUN:
        return None
    until = f"at most {left_s:.0f} s or until the unfinished run has ended"
    return f"waiting for others: {counted(waiting, 'message')}, {until}"


def run_requests(
    platform: Platform,
    *,
    deadline: float,
    room: int | None = None,
    ignored_room: int | None = None,
    probe_of: int | None = None,
    suspects: Suspects = _NO_SUSPECTS,
    turns: AgencyTurns = _ALL_AGENCIES,
    wait_s: int = 0,
    record: Callable[[Sequence[MessageFiles]], Sequence[MessageFiles]] | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[dg.RunRequest]:
    """Receive messages, see ``receive_files``, and request runs for their files.

    Args:
        deadline: when to stop receiving, in seconds of ``monotonic``.
        room: how many runs of files may start; ``ignored_room`` of ignored files. By default MAX_RUNS_IN_FLIGHT.
        probe_of: if the run is to probe the breaker, the number of the run that opened it.
        suspects: messages that may have killed their run.
        turns: whose messages may start.
        record: records a few ignored files and returns the messages that need a run. A probe has runs for all.
    """
    received_at, cap = clock(), platform.settings.max_runs_in_flight
    is_probe = probe_of is not None
    received = ReceivedFiles(
        cap if room is None else room,
        cap if ignored_room is None else ignored_room,
        RunPlan(suspects),
        recordable=0 if record is None or is_probe else MAX_RECORDED_PER_TICK,
    )
    receive_files(platform, received, turns, deadline=deadline, is_probe=is_probe, wait_s=wait_s, monotonic=monotonic)
    for run in fit_runs(received.files.by_partition().runs, received.room):
        yield _run_request(run, received_at, probe_of)
    ignored = received.ignored.runs
    if record is not None and 0 < received.ignored.messages <= received.recordable:
        ignored = plan_runs(record([message for run in ignored for message in run]), max_files=MAX_IGNORED)
    for run in fit_runs(ignored, received.ignored_room):
        files = [file for message in run for file in message]
        yield ignored_run_request(_identity(files), config_of_files(files, received_at), deliveries=len(files))


def _run_request(run: PlannedRun, received_at: float, probe_of: int | None) -> dg.RunRequest:
    files = [file for message in run for file in message]
    alone, agencies = only_delivery(files), {file.agency for file in files if file.agency}
    return intake_run_request(
        _identity(files),
        config_of_files(files, received_at),
        deliveries=len(files),
        agencies=agencies,
        datasets={file.dataset for file in files if file.dataset},
        tags={
            **NOT_REPEATED,
            **({} if alone is None else {ONLY_DELIVERY_TAG: alone}),
            **({} if len(agencies) > 1 else {ONLY_AGENCY_TAG: min(agencies)}),
            **({} if probe_of is None else {PROBE_TAG: str(probe_of)}),
        },
    )


def _identity(files: Sequence[QueuedFile]) -> str:
    """What a run is requested for, with receive counts, because a redelivered message needs another run."""
    return ";".join(sorted({f"{file.message_id}:{file.receive_count}" for file in files}))
