"""Daily and hourly jobs from the command line; they have no arguments."""

import argparse

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.settings import Settings


def _daily(name: str, summary: str) -> Job:
    def run(_arguments: argparse.Namespace, settings: Settings) -> int:
        platform = Platform(settings)
        # Check settings first: a missing one is then reported in one line, not as a failed run.
        _ = platform.intake
        ran = run_job(name, platform)
        for line in ran.lines or ("done",):
            print(f"{name}: {line}")
        return BAD if ran.error else GOOD

    return Job(name, summary, "", lambda _parser: None, run)


RECONCILE = _daily(
    "reconcile_job", "Compare source files, reports and stored objects; fail if anything is missing, stale or orphaned."
)
OVERVIEW_PAGE = _daily("overview_page_job", "Write the page of all agencies that the gateway serves as /overview.")
EXPECTED_FILES = _daily("expected_files_job", "Check for every agency and dataset whether the next file is overdue.")
