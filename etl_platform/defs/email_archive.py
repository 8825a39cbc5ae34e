"""The asset ``email_archive``, a partition a day: its job drains the email queue, its sensor asks for a run."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from etl_platform.defs.failures import as_dagster_failures
from etl_platform.defs.intake_runs import UNFINISHED, is_being_cancelled
from etl_platform.defs.partitions import partitioned_check
from etl_platform.defs.run_counts import note_counts
from etl_platform.defs.run_progress import RunProgress
from etl_platform.defs.stop_signal import stop_event
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.emails.archive import DrainResult, EmailCounts, EmailOutcome
from etl_platform.errors import SettingsError
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings

ASSET = dg.AssetKey("email_archive")
CHECK = "emails_are_readable"
# Today is a partition as well: an email is archived on the day on which it is sent.
DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_offset=1)


def build_email_asset() -> dg.AssetsDefinition:
    """Without a partition, a run drains the queue and logs an event for every day on which an email was sent.

    With a day as partition it does the same, and also reports what the archive holds for that day.
    """
    check = partitioned_check(
        CHECK, ASSET, "No message of the day was a poison message. Red until the day is materialized by hand.", DAYS
    )
    spec = dg.AssetSpec(
        ASSET,
        description="Validated emails: one JSON document per message, by the UTC day on which the message was sent.",
        group_name="emails",
        kinds={"s3", "sqs"},
        partitions_def=DAYS,
        skippable=True,
    )

    @dg.multi_asset(name="archive_emails", specs=[spec], check_specs=[check], can_subset=True)
    def archive_emails(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with as_dagster_failures():
            day = date.fromisoformat(context.partition_key) if context.has_partition_key else None
            with stop_event() as stop, RunProgress(context, "emails") as progress:
                drained = platform.drained = platform.email_archive.drain(
                    stop, lambda so_far: progress(so_far.counts.total(), f"so far {so_far}")
                )
            context.log.info(str(drained))
            note_counts(context.instance, context.run, _counts(drained, platform))
            for other in sorted(drained.days.keys() - {day}):
                _log_day(context, other, drained)
            if day is not None:
                counts = drained.days.get(day, EmailCounts())
                emails, size_bytes = platform.email_archive.archived_on(day)
                stored = {"emails_in_archive": emails, "bytes_in_archive": size_bytes}
                yield dg.MaterializeResult(asset_key=ASSET, metadata=_metadata(counts, drained) | stored)
                if context.selected_asset_check_keys:
                    yield dg.AssetCheckResult(asset_key=ASSET, check_name=CHECK, passed=_is_good(counts))
            _end(context, drained)

    return archive_emails


def build_email_job() -> Any:
    return dg.define_asset_job(
        EMAILS.job, selection=[ASSET], description="Archives the emails that wait in the email queue."
    )


def build_email_sensor(job: Any, settings: Settings) -> dg.SensorDefinition:
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name=EMAILS.sensor,
        job=job,
        minimum_interval_seconds=settings.email_poll_interval_seconds,
        # Without an email queue there is nothing to poll.
        default_status=status.RUNNING if EMAILS.url(settings) else status.STOPPED,
        description="Starts a run when emails wait in the queue and no run is queued or started.",
    )
    def email_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            queue = platform.email_archive.queue
        except SettingsError as error:
            return dg.SkipReason(f"the email archive is off: {error}")
        if context.instance.get_runs(dg.RunsFilter(job_name=EMAILS.job, statuses=UNFINISHED), limit=1):
            return dg.SkipReason(f"a run of {EMAILS.job} is queued or started")
        waiting, _held = queue.depth()
        if not waiting:
            return dg.SkipReason("the email queue is empty")
        # Selected checks would each leave a planned row without a partition.
        return dg.RunRequest(asset_selection=[ASSET], asset_check_keys=[])

    return email_arrivals_sensor


def _log_day(context: dg.AssetExecutionContext, day: date, drained: DrainResult) -> None:
    partition, counts = day.isoformat(), drained.days[day]
    # If nothing was written, an observation is logged, and the last materialization stays the latest one.
    event = dg.AssetMaterialization if counts.counts[EmailOutcome.ARCHIVED] else dg.AssetObservation
    context.log_event(event(ASSET, metadata=_metadata(counts, drained), partition=partition))
    # A pass is never logged: the next drain, seconds later, would hide the failure before anybody saw it.
    if not _is_good(counts):
        context.log_event(dg.AssetCheckEvaluation(asset_key=ASSET, check_name=CHECK, passed=False, partition=partition))


def _counts(drained: DrainResult, platform: Platform) -> RunCounts:
    done = drained.total.counts
    return RunCounts(
        received=done.total() + drained.returned,
        deleted=done.total() - done[EmailOutcome.FAILED] - drained.undeleted,
        archived=done[EmailOutcome.ARCHIVED],
        s3_errors=platform.s3_errors,
    )


def _is_good(counts: EmailCounts) -> bool:
    return not counts.counts[EmailOutcome.POISON]


def _metadata(counts: EmailCounts, drained: DrainResult) -> dict[str, Any]:
    """Counts of the day, errors of the whole drain."""
    return {
        "summary": str(counts),
        **{str(outcome): counts.counts[outcome] for outcome in EmailOutcome},
        "bytes": counts.size_bytes,
        "oldest_message_age_s": round(counts.oldest_s, 1),
        "errors": list(drained.errors),
    }


def _end(context: dg.AssetExecutionContext, drained: DrainResult) -> None:
    """Fail the run if a message should have left the queue and did not; the sensor requests the next run."""
    for error in drained.errors:
        context.log.error(error)
    if drained.returned and is_being_cancelled(context.instance, context.run):
        raise dg.DagsterExecutionInterruptedError
    if drained.errors or drained.undeleted:
        first = f"; the first error: {drained.errors[0]}" if drained.errors else ""
        raise dg.Failure(f"{drained if drained.days else 'no email was received'}{first}", allow_retries=False)
