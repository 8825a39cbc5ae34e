"""employment_history_job from the command line, for one agency or all in turn."""

import argparse

from etl_platform.cli.jobs.agency_argument import agency_id, choose_agency
from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.settings import Settings

_NAME = "employment_history_job"


def _arguments(parser: argparse.ArgumentParser) -> None:
    agency = parser.add_mutually_exclusive_group(required=True)
    agency.add_argument("--agency-id", metavar="ID", type=agency_id, help="the agency's id in the database")
    agency.add_argument("--agency", metavar="A", help="the agency's partition, such as nm_albuquerque")
    agency.add_argument("--all", action="store_true", help="every agency of the database, in turn")


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from etl_platform.defs.employment_history import make_export

    platform = Platform(settings)
    # Check settings first: a missing one is then reported in one line, not as a failed run.
    make_export(platform)
    chosen = platform.database.agencies()
    if not arguments.all:
        chosen = [choose_agency(chosen, number=arguments.agency_id, partition=arguments.agency)]
    if not chosen:
        print(f"{_NAME}: the application database has no agencies, nothing to do")
    failed = False
    for agency in chosen:
        ran = run_job(_NAME, platform, partition=agency.partition)
        failed |= ran.error is not None
        for line in ran.summaries if ran.error is None else (f"{agency.partition}: failed: {ran.error}",):
            print(f"{_NAME}: {line}")
    return BAD if failed else GOOD


EMPLOYMENT_HISTORY = Job(
    _NAME,
    "Export an agency's employment history from the application database as CSV and Parquet.",
    "--agency nm_albuquerque",
    _arguments,
    _run,
)
