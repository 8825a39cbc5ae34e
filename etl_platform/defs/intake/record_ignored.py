"""Records a few ignored files inside a tick, because a run for one such file costs seconds of CPU.

A flood of them goes to runs of ``ignored_files_job``, so that no file waits for it.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import dagster as dg

from etl_platform.defs.intake.ignored_files import ignored_event
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.plan_runs import QueuedFile
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS

MAX_RECORDED_PER_TICK = 20
"""Messages of ignored files that a tick records itself."""
_TIMEOUT_S, _AT_ONCE = 5.0, 8
log = logging.getLogger(__name__)


def record_ignored(
    instance: dg.DagsterInstance, platform: Platform, messages: Sequence[Sequence[QueuedFile]]
) -> list[Sequence[QueuedFile]]:
    """Record the files of messages, log their events, then delete the messages.

    Returns:
        The messages of which a file could not be recorded within 5 s. They are as received.
    """
    pool = ThreadPoolExecutor(min(_AT_ONCE, len(messages)))
    try:
        recording = [pool.submit(_record, platform, files) for files in messages]
        wait(recording, _TIMEOUT_S)
    finally:
        # A call that hangs ends with its own timeout.
        pool.shutdown(wait=False, cancel_futures=True)
    left, done = list[Sequence[QueuedFile]](), list[str]()
    for files, reports in zip(messages, recording, strict=True):
        if _log_events(instance, files, reports):
            done += [files[0].receipt_handle] if files[0].receipt_handle else []
        else:
            left.append(files)
    if done:
        try:
            platform.queue(FILE_EVENTS).delete(done)
        except TransientError as error:
            log.warning("messages were not deleted and will be redelivered", extra={"error": str(error)})
    return left


def _record(platform: Platform, files: Sequence[QueuedFile]) -> list[Report]:
    router = platform.intake.waiting_router()
    reports = list[Report]()
    for file in files:
        arrived = router.route(file.version)
        if arrived.route.contract is not None and arrived.route.agency is not None:
            raise TransientError(f"{file.version.key} has a contract now")
        trigger = Trigger(Cause.EVENT, None, file.message_id, file.receive_count, file.redriven_by)
        reports.append(platform.intake.ingest(arrived, trigger).report)
    return reports


def _log_events(instance: dg.DagsterInstance, files: Sequence[QueuedFile], recording: Future[list[Report]]) -> bool:
    """Log the events of a message; returns whether it is done."""
    about = {"message_id": files[0].message_id}
    if recording.cancelled() or not recording.done():
        log.warning("ignored files were not recorded in time and are left to a run", extra=about)
        return False
    try:
        for report in recording.result():
            log.info(f"{report.outcome} {report.source.key} ({report.delivery_id})")
            if event := ignored_event(report):
                instance.report_runless_asset_event(event)
    except Exception as error:  # noqa: BLE001 - the edge of one message: logged, and left to a run or the queue
        log.warning("ignored files were not recorded and are left to a run", extra=about | {"error": str(error)})
        return False
    return True
