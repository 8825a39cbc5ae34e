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
from etl_platform.emails.archive import Drained, EmailOutcome, Tally
from etl_platform.errors import SettingsError
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings

ASSET = dg.AssetKey("email_archive")
CHECK = "emails_are_readable"
# Today is a partition as well: an email is archived on the day on which it is sent.
DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_offset=1)


def build_email_asset() -> dg.AssetsDefinition:
    """Launched without a partition it drains the queue and tells of every day that it touched.

    Launched for a day it drains too, and then also says what the archive holds of that day.
    """
    check = partitioned_check(
        CHECK, ASSET, "No message of the day was poison. Red until the day is materialized by hand.", DAYS
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
            asked = date.fromisoformat(context.partition_key) if context.has_partition_key else None
            with stop_event() as stop, RunProgress(context, "emails") as progress:
                drained = platform.drained = platform.email_archive.drain(
                    stop, lambda so_far: progress(so_far.counts.total(), f"so far {so_far}")
                )
            context.log.info(str(drained))
            note_counts(context.instance, context.run, _counts(drained, platform))
            for day in sorted(drained.days.keys() - {asked}):
                _log_day(context, day, drained)
            if asked is not None:
                tally = drained.days.get(asked, Tally())
                emails, size_bytes = platform.email_archive.stored(asked)
                stored = {"emails_in_archive": emails, "bytes_in_archive": size_bytes}
                yield dg.MaterializeResult(asset_key=ASSET, metadata=_metadata(tally, drained) | stored)
                if context.selected_asset_check_keys:
                    yield dg.AssetCheckResult(asset_key=ASSET, check_name=CHECK, passed=_is_good(tally))
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
        # A platform without email has nothing to look at.
        default_status=status.RUNNING if EMAILS.url(settings) else status.STOPPED,
        description="Starts a run when emails wait in the queue and none is under way.",
    )
    def email_arrivals_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            queue = platform.email_archive.queue
        except SettingsError as error:
            return dg.SkipReason(f"no email is archived here: {error}")
        if context.instance.get_runs(dg.RunsFilter(job_name=EMAILS.job, statuses=UNFINISHED), limit=1):
            return dg.SkipReason(f"a run of {EMAILS.job} is queued or under way")
        waiting, _held = queue.depth()
        if not waiting:
            return dg.SkipReason("no emails wait")
        # Selected checks would each leave a planned row without a partition.
        return dg.RunRequest(asset_selection=[ASSET], asset_check_keys=[])

    return email_arrivals_sensor


def _log_day(context: dg.AssetExecutionContext, day: date, drained: Drained) -> None:
    partition, tally = day.isoformat(), drained.days[day]
    # A day of which nothing was written is observed; its last materialization stays what it was.
    event = dg.AssetMaterialization if tally.counts[EmailOutcome.ARCHIVED] else dg.AssetObservation
    context.log_event(event(ASSET, metadata=_metadata(tally, drained), partition=partition))
    # Never green: the next drain of the day, seconds later, would hide the red one before anybody saw it.
    if not _is_good(tally):
        context.log_event(dg.AssetCheckEvaluation(asset_key=ASSET, check_name=CHECK, passed=False, partition=partition))


def _counts(drained: Drained, platform: Platform) -> RunCounts:
    done = drained.total.counts
    return RunCounts(
        received=done.total() + drained.given_back,
        deleted=done.total() - done[EmailOutcome.FAILED] - drained.undeleted,
        archived=done[EmailOutcome.ARCHIVED],
        s3_errors=platform.s3_errors,
    )


def _is_good(tally: Tally) -> bool:
    return not tally.counts[EmailOutcome.POISON]


def _metadata(tally: Tally, drained: Drained) -> dict[str, Any]:
    """Counts are of the day, errors of the whole drain."""
    return {
        "summary": str(tally),
        **{str(outcome): tally.counts[outcome] for outcome in EmailOutcome},
        "bytes": tally.size_bytes,
        "oldest_message_age_s": round(tally.oldest_s, 1),
        "errors": list(drained.errors),
    }


def _end(context: dg.AssetExecutionContext, drained: Drained) -> None:
    """Fail where something is left in the queue that should not be; the sensor asks for the next run."""
    for error in drained.errors:
        context.log.error(error)
    if drained.given_back and is_being_cancelled(context.instance, context.run):
        raise dg.DagsterExecutionInterruptedError
    if drained.errors or drained.undeleted:
        first = f"; the first error: {drained.errors[0]}" if drained.errors else ""
        raise dg.Failure(f"{drained if drained.days else 'no email came'}{first}", allow_retries=False)
