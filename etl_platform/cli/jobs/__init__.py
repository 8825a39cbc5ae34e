"""The jobs that ``etl-platform run`` can start, one module per subject, with their help and arguments."""

from etl_platform.cli.jobs.api_ingestion import API_INGESTION
from etl_platform.cli.jobs.attachments import ATTACHMENTS
from etl_platform.cli.jobs.daily import EXPECTED_FILES, OVERVIEW_PAGE, RECONCILE
from etl_platform.cli.jobs.email_archive import EMAIL_ARCHIVE
from etl_platform.cli.jobs.employment_history import EMPLOYMENT_HISTORY
from etl_platform.cli.jobs.intake import INTAKE
from etl_platform.cli.jobs.job import Job
from etl_platform.cli.jobs.retention import RETENTION

JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        INTAKE,
        API_INGESTION,
        ATTACHMENTS,
        EMAIL_ARCHIVE,
        EMPLOYMENT_HISTORY,
        RECONCILE,
        EXPECTED_FILES,
        OVERVIEW_PAGE,
        RETENTION,
    )
}
