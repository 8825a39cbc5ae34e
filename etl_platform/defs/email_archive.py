"""The asset ``email_archive``, one partition per day, with its job and sensor. The draining itself is in emails/."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import partitioned_check
from etl_platform.defs.intake.intake_runs import UNFINISHED, is_being_cancelled
from etl_platform.defs.runs.failures import as_dagster_failures, skip_unless_set
from etl_platform.defs.runs.run_counts import note_counts
from etl_platform.defs.runs.run_policies import BEFORE_BACKFILLS, NOT_REPEATED
from etl_platform.defs.runs.run_progress import RunProgress
from etl_platform.defs.runs.stop_signal import stop_event
from etl_platform.defs.sources import EMAIL_QUEUE
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.emails.archive import DrainResult, EmailCounts, EmailOutcome
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings

ASSET = dg.AssetKey("email_archive")
CHECK = "emails_are_readable"
# end_offset: today is a partition too, because an email is archived under the day on which it was sent.
DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_offset=1)


def build_email_archive(settings: Settings) -> dg.Definitions:
    job = dg.define_asset_job(
        EMAILS.job, selection=[ASSET], description="Archives the emails that wait in the email queue."
    )
    return dg.Definitions(assets=[_build_asset()], jobs=[job], sensors=[_build_sensor(job, settings)])


def _build_asset() -> dg.AssetsDefinition:
    """A run without a partition drains the queue and reports every day that it wrote to.

    A run for one day drains the queue too, and also reports what the archive holds for that day.
    """
    about = "Every message of the day is a readable email. A failure stays until the day is materialized by hand."
    check = partitioned_check(CHECK, ASSET, about, DAYS)
    spec = dg.AssetSpec(
        ASSET,
        deps=[EMAIL_QUEUE],
        description="Validated emails from the email queue.\n\n"
        "One JSON document per message, under the UTC day on which the message was sent.",
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
            requested = date.fromisoformat(context.partition_key) if context.has_partition_key else None
            with stop_event() as stop, RunProgress(context, "emails") as progress:
                drained = platform.drained = platform.email_archive.drain(
                    stop, lambda so_far: progress(so_far.counts.total(), f"so far {so_far}")
                )
            context.log.info(str(drained))
            note_counts(context.instance, context.run, _counts(drained, platform))
            for day in sorted(drained.days.keys() - {requested}):
                _log_day(context, day, drained)
            if requested is not None:
                counts = drained.days.get(requested, EmailCounts())
                emails, size_bytes = platform.email_archive.archived_on(requested)
                stored = {"emails_in_archive": emails, "bytes_in_archive": size_bytes}
                yield dg.MaterializeResult(asset_key=ASSET, metadata=_metadata(counts, drained) | stored)
                if context.selected_asset_check_keys:
                    yield dg.AssetCheckResult(asset_key=ASSET, check_name=CHECK, passed=_is_good(counts))
            _raise_if_incomplete(context, drained)

    return archive_emails


def _build_sensor(job: Any, settings: Settings) -> dg.SensorDefinition:
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name=EMAILS.sensor,
        job=job,
        minimum_interval_seconds=settings.email_poll_interval_seconds,
        # Without an email queue there is nothing to check.
        default_status=status.RUNNING if EMAILS.url(settings) else status.STOPPED,
        description=f"Starts a run of {EMAILS.job} when emails wait in the queue and no such run is unfinished.",
    )
    def email_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.RunRequest | dg.SkipReason:
        if skipped := skip_unless_set(EMAILS.job, lambda: platform.email_archive):
            return skipped
        if context.instance.get_runs(dg.RunsFilter(job_name=EMAILS.job, statuses=UNFINISHED), limit=1):
            return dg.SkipReason(f"a run of {EMAILS.job} is queued or running")
        waiting, _in_flight = platform.email_archive.queue.depth()
        if not waiting:
            return dg.SkipReason("the email queue is empty")
        # Each selected check would leave a planned result without a partition.
        tags = {**BEFORE_BACKFILLS, **NOT_REPEATED}
        return dg.RunRequest(asset_selection=[ASSET], asset_check_keys=[], tags=tags)

    return email_arrivals_sensor


def _log_day(context: dg.AssetExecutionContext, day: date, drained: DrainResult) -> None:
    partition, counts = day.isoformat(), drained.days[day]
    # A day to which nothing was written is only observed, so that its last materialization stays current.
    event = dg.AssetMaterialization if counts.counts[EmailOutcome.ARCHIVED] else dg.AssetObservation
    context.log_event(event(ASSET, metadata=_metadata(counts, drained), partition=partition))
    # A passed result is never logged: the next drain, seconds later, would hide a failed one before it was seen.
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
    """Counts of the day, and the errors of the whole drain."""
    return {
        "summary": str(counts),
        **{str(outcome): counts.counts[outcome] for outcome in EmailOutcome},
        "bytes": counts.size_bytes,
        "oldest_message_age_s": round(counts.oldest_s, 1),
        "errors": list(drained.errors),
    }


def _raise_if_incomplete(context: dg.AssetExecutionContext, drained: DrainResult) -> None:
    """Fail the run if messages stay in the queue that should not. The sensor requests the next run."""
    for error in drained.errors:
        context.log.error(error)
    if drained.returned and is_being_cancelled(context.instance, context.run):
        raise dg.DagsterExecutionInterruptedError
    if drained.errors or drained.undeleted:
        first = f"; the first error: {drained.errors[0]}" if drained.errors else ""
        raise dg.Failure(f"{drained if drained.days else 'no email was received'}{first}", allow_retries=False)
