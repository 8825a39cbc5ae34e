"""The job ``reconcile_job`` and its daily schedule. The job fails if ``reconcile`` finds a discrepancy."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.last_deliveries import LastDeliveries
from etl_platform.deliveries.overview.facts import keep_summaries
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy
from etl_platform.deliveries.reconcile.reconcile import Reconciler, default_grace
from etl_platform.deliveries.reconcile.reconciled import Reconciled
from etl_platform.platform import Platform

JOB_NAME = "reconcile_job"
_MAX_SHOWN = 200


def make_reconciler(
    platform: Platform, now: datetime, grace: timedelta | None = None, since: timedelta | None = None
) -> Reconciler:
    """A reconciler of the platform's bucket.

    Args:
        grace: files younger than this may still be in progress; by default it follows from the visibility timeout.
        since: report only discrepancies that are not older than this.
    """
    grace = default_grace(platform.settings.visibility_timeout_seconds) if grace is None else grace
    return Reconciler(
        platform.store,
        platform.bucket,
        platform.contracts,
        platform.settings.source_prefix,
        now,
        now - grace,
        now - since if since else None,
        platform.contract_folder.broken,
    )


def build_reconciliation() -> dg.Definitions:
    job = _build_job()
    schedule = build_schedule(job, "0 5 * * *", "Looks for missing, stale and orphaned objects every day at 5:00 UTC.")
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _build_job() -> dg.JobDefinition:
    @dg.op(name="reconcile", out=dg.Out(dg.Nothing))
    def reconcile(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.Output[None]]:
        now = datetime.now(UTC)
        with retried_if_transient(context):
            platform.intake.waiting.clear_finished(now)
            indexed = LastDeliveries(platform.store, platform.bucket, now).complete_index()
            keep_summaries(platform.store, platform.bucket, platform.contracts, now)
            found = make_reconciler(platform, now).reconcile()
        if indexed:
            context.log.warning(f"{indexed} reports were not in the index of reports by day; they are now")
        context.log.info(f"{found.versions} file versions of {found.agencies} agencies: {found.summary}")
        if found.findings:
            raise dg.Failure(
                f"{found.summary}; `etl-platform reconcile` lists them all, `--repair` ingests missing files",
                metadata=_metadata(found),
                allow_retries=False,
            )
        yield dg.Output(None, metadata=_metadata(found))

    @dg.job(
        name=JOB_NAME,
        description="Compares the files that arrived with what is recorded and stored; fails on any discrepancy.",
        executor_def=dg.in_process_executor,
    )
    def reconcile_job() -> None:
        reconcile()

    return reconcile_job


def _metadata(found: Reconciled) -> dict[str, Any]:
    shown = sorted(found.findings, key=lambda finding: (finding.kind, finding.since))[:_MAX_SHOWN]
    rows = [
        {
            "": str(finding.kind),
            "agency": finding.agency,
            "dataset": finding.dataset,
            "key": finding.key,
            "since": f"{finding.since:%Y-%m-%d %H:%M} UTC",
            "why": finding.why,
        }
        for finding in shown
    ]
    return {
        "file_versions": found.versions,
        "agencies": found.agencies,
        "in_flight": found.in_flight,
        "deleted_from_source": len(found.deleted),
        **{str(kind): found.counts[kind] for kind in Discrepancy},
        **({"findings": table(rows)} if rows else {}),
    }
