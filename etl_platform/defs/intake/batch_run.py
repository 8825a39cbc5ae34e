"""The body of an intake run of queue messages, or of files that a person names. The work itself is ``ingest_batch``."""

import time
from collections.abc import Sequence

import dagster as dg

from etl_platform.defs.dagster_internals import open_connections
from etl_platform.defs.intake.dagster_event_log import DagsterEventLog
from etl_platform.defs.intake.failed_runs import FAILED
from etl_platform.defs.intake.intake_config import EXAMPLE_BUCKET, QueuedDelivery, messages_of
from etl_platform.defs.intake.intake_runs import is_being_cancelled, is_redundant_probe
from etl_platform.defs.runs.run_counts import CountedQueue, note_counts
from etl_platform.defs.runs.run_tags import note_outcomes
from etl_platform.defs.runs.stop_signal import stop_event
from etl_platform.deliveries.batch import FailedDelivery
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.deliveries.files_by_hand import require_named_files
from etl_platform.deliveries.ingest_batch import deliveries_text, ingest_batch, outcomes_text
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.plain_text import counted
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.queue_work.workers import Threads

_MAX_FAILURES_SHOWN = 100


def ingest_deliveries(context: dg.OpExecutionContext, deliveries: Sequence[QueuedDelivery], platform: Platform) -> None:
    """Ingest deliveries from the queue or from the command line, and log their events under their agencies."""
    _require_files(deliveries, platform)
    with open_connections(context.instance):
        _ingest(context, deliveries, platform)


def _ingest(context: dg.OpExecutionContext, deliveries: Sequence[QueuedDelivery], platform: Platform) -> None:
    settings, messages = platform.settings, messages_of(deliveries, platform.intake)
    handles = [message.receipt_handle for message in messages if message.receipt_handle]
    if is_redundant_probe(context.instance, context.run):
        context.log.info("another run already probes the circuit breaker; the messages return to the queue")
        platform.queue(FILE_EVENTS).change_visibility(handles, 0)
        return
    if warning := platform.bucket_warning():
        context.log.warning(warning)
    queue = CountedQueue(platform.queue(FILE_EVENTS)) if handles else None
    with stop_event() as stop:
        batch = ingest_batch(
            messages,
            platform.intake,
            DagsterEventLog(context, platform),
            run_id=context.run.run_id,
            queue=queue,
            workers=Threads(settings.sns_worker_max, stop, settings.shutdown_grace_seconds),
            visibility_timeout_s=settings.visibility_timeout_seconds,
            clock=time.time,
        )
    platform.finished += batch.results
    counts = RunCounts(deleted=queue.deleted if queue else 0, s3_errors=platform.s3_errors)
    note_counts(context.instance, context.run, counts)
    routes = [file.route for message in messages for file in message.files]
    agencies = {route.agency for route in routes if route.agency}
    datasets = {route.dataset for route in routes if route.dataset}
    note_outcomes(context.instance, context.run, agencies, datasets, outcomes_text(batch.outcomes))
    context.log.info(deliveries_text(len(deliveries), batch.outcomes))
    _warn_of_untouched(context, len(deliveries) - len(batch.results) - len(batch.failures), is_stopped=stop.is_set())
    if stop.is_set() and is_being_cancelled(context.instance, context.run):
        raise dg.DagsterExecutionInterruptedError
    if batch.failures:
        _fail(context, batch.failures, len(deliveries))


def _require_files(deliveries: Sequence[QueuedDelivery], platform: Platform) -> None:
    """Fail the run if it is not about delivered files. A queue message is about one, even if it was deleted since."""
    if any(delivery.bucket == EXAMPLE_BUCKET for delivery in deliveries):
        raise dg.Failure(
            "The run config is still the example. Replace bucket and key by those of a delivered file. To read an "
            "agency's files again, materialize its partition instead",
            allow_retries=False,
        )
    by_hand = [delivery.version for delivery in deliveries if not (delivery.message_id or delivery.receipt_handle)]
    try:
        require_named_files(platform.store, by_hand)
    except UsageError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _warn_of_untouched(context: dg.OpExecutionContext, number: int, *, is_stopped: bool) -> None:
    """Say why the run did nothing for some of its deliveries: it was stopped, or re-executed in the UI later."""
    if is_stopped:
        context.log.warning(f"the run was stopped: {number} deliveries return to the queue, for another run")
    elif number:
        context.log.warning(
            f"{counted(number, 'delivery', 'deliveries')} not processed: another run has received their messages, or "
            "has deleted them when they were done. To read a file again, materialize its agency's partition"
        )


def _fail(context: dg.OpExecutionContext, failures: Sequence[FailedDelivery], deliveries: int) -> None:
    for failed in failures:
        context.log.error(
            f"failed {failed.file.key}: {failed.error!r}",
            exc_info=failed.error,
            extra={"agency": failed.file.route.agency, "dataset": failed.file.route.dataset},
        )
    raise dg.Failure(
        f"{len(failures)} of {deliveries} deliveries failed; the first: {failures[0]}",
        metadata={FAILED: dg.MetadataValue.json([str(failed) for failed in failures[:_MAX_FAILURES_SHOWN]])},
        allow_retries=False,
    )
