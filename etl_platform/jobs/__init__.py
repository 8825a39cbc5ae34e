"""What ``etl-platform run`` can start: one file per subject, each job with its line of help and its arguments."""

from etl_platform.jobs.api_ingestion import API_INGESTION
from etl_platform.jobs.attachments import ATTACHMENTS
from etl_platform.jobs.daily import EXPECTED_FILES, RECONCILE
from etl_platform.jobs.email_archive import EMAIL_ARCHIVE
from etl_platform.jobs.employment_history import EMPLOYMENT_HISTORY
from etl_platform.jobs.intake import INTAKE
from etl_platform.jobs.job import Job

JOBS: dict[str, Job] = {
    job.name: job
    for job in (INTAKE, API_INGESTION, ATTACHMENTS, EMAIL_ARCHIVE, EMPLOYMENT_HISTORY, RECONCILE, EXPECTED_FILES)
}
