"""The asset ``attachments``, its check, and the job that copies an agency's files. The copying is in attachments/."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from etl_platform.application_db.agencies import Agency, find_agency
from etl_platform.attachments.copy_agency import CopyResult
from etl_platform.attachments.plan import COPIED_STATUSES, Status
from etl_platform.defs.datasets.partitions import agencies, partitioned_check
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.run_progress import RunProgress
from etl_platform.defs.sources import APPLICATION_DATABASE, DOCUMENT_STORE
from etl_platform.defs.table_metadata import table
from etl_platform.engine.errors import PermanentError
from etl_platform.errors import TransientError
from etl_platform.object_keys import attachments_metadata_key
from etl_platform.platform import Platform

JOB_NAME = "get_s3_files_job"
ASSET = dg.AssetKey("attachments")
CHECK = "counts_match_the_database"
_MAX_SHOWN = 200


class AttachmentsConfig(dg.Config):
    """Buckets to use instead of ATTACHMENTS_SOURCE_BUCKET and ATTACHMENTS_DESTINATION_BUCKET."""

    source_bucket: str | None = None
    destination_bucket: str | None = None


def build_attachments() -> dg.Definitions:
    job = dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.assets(ASSET),
        description="Copies an agency's attachment files to the research bucket and writes their metadata table.",
    )
    return dg.Definitions(assets=[_build_asset()], jobs=[job])


def _build_asset() -> dg.AssetsDefinition:
    about = "Every attachment in the database exists at the destination, with the size that the database states."

    @dg.asset(
        key=ASSET,
        partitions_def=agencies,
        deps=[APPLICATION_DATABASE, DOCUMENT_STORE],
        group_name="attachments",
        kinds={"s3", "parquet"},
        check_specs=[partitioned_check(CHECK, ASSET, about, agencies)],
        description="The agency's attachment files, copied from the application's document store.\n\n"
        "One object and one row of the metadata table per attachment in the application's database.",
    )
    def attachments(
        context: dg.AssetExecutionContext, config: AttachmentsConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with retried_if_transient(context):
            copies = platform.attachment_copies(config.source_bucket, config.destination_bucket)
            agency = find_agency(context.partition_key, platform.database.agencies())
            if agency is None:
                raise PermanentError(
                    f"the application database has no agency with the slug {context.partition_key}: "
                    "check the partition, or add the agency there"
                )
            files = platform.database.attachment_files(agency.id)
            with RunProgress(context, "copies") as progress:
                copied = copies.run(agency, files, lambda done, of: progress(done, f"{done:,} of {of:,} copies"))
            context.log.info(summary(agency, copied))
            yield dg.MaterializeResult(metadata=_metadata(agency, copied), check_results=[_check(copied)])
            if failed := copied.statuses[Status.FAILED]:
                raise TransientError(
                    f"{failed:,} of {len(files):,} attachments were not copied because S3 failed: run the job again"
                )

    return attachments


def summary(agency: Agency, copied: CopyResult) -> str:
    """One line for people: the agency, how many attachments it has, and how many have which status."""
    if not copied.rows:
        return f"{agency.partition}: no attachments in the database, nothing to do"
    statuses = copied.statuses
    made = sum(statuses[status] for status in COPIED_STATUSES)
    problems = [f"{statuses[status]:,} {status}" for status in Status if status != Status.COPIED and statuses[status]]
    new = min(made, copied.attempted - statuses[Status.FAILED])
    counts = [f"{new:,} copied", f"{made - new:,} already there", *problems]
    return f"{agency.partition}: {', '.join(counts)} of {len(copied.rows):,} attachments"


def _check(copied: CopyResult) -> dg.AssetCheckResult:
    statuses = copied.statuses
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not copied.not_copied,
        metadata={"in_database": len(copied.rows), "at_destination": statuses[Status.COPIED]},
    )


def _metadata(agency: Agency, copied: CopyResult) -> dict[str, Any]:
    problems = [
        {"attachment_id": row.attachment_id, "source_key": row.source_key, "status": row.status, "why": row.error}
        for row in copied.not_copied[:_MAX_SHOWN]
    ]
    return {
        "summary": summary(agency, copied),
        "dagster/partition_row_count": len(copied.rows),
        "size_bytes": copied.size_bytes,
        **{str(status): copied.statuses[status] for status in Status},
        **({"metadata_key": attachments_metadata_key(agency.partition, "parquet")} if copied.rows else {}),
        **({"not_copied": table(problems)} if problems else {}),
    }
