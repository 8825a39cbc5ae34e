"""email_archive_job from the command line."""

import argparse

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings


def _run(_arguments: argparse.Namespace, settings: Settings) -> int:
    platform = Platform(settings)
    # Check settings first: a missing one is then reported in one line, not as a failed run.
    _ = platform.email_archive
    ran = run_job(EMAILS.job, platform)
    # The error contains the counts of what was archived before it.
    print(f"{EMAILS.job}: {platform.drained if ran.error is None else f'failed: {ran.error}'}")
    return BAD if ran.error or ran.failed_checks else GOOD


EMAIL_ARCHIVE = Job(
    EMAILS.job, "Archive the emails in the email queue, one JSON document each.", "", lambda _parser: None, _run
)
