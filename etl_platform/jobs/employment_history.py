"""employment_history_job from the command line: one agency, or all of them one after the other."""

import argparse
import re
from collections.abc import Sequence

from etl_platform.adapters.database import Agency
from etl_platform.core.errors import UsageError
from etl_platform.core.layout import segment
from etl_platform.jobs.job import Job, run_in_process
from etl_platform.pipelines.resources import Platform
from etl_platform.settings import Settings

_NAME = "employment_history_job"


def _arguments(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--agency-id", metavar="ID", type=_whole_number, help="the agency's id in the database")
    whose.add_argument("--agency", metavar="A", help="its name as a partition, such as nm_albuquerque")
    whose.add_argument("--all", action="store_true", help="every agency of the database, one after the other")


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from etl_platform.pipelines.employment_history import make_export  # noqa: PLC0415 - Dagster, for who runs it

    platform = Platform(settings)
    # Made before a run starts, so that a missing setting is one line and not a failed run.
    make_export(platform)
    chosen = _chosen(arguments, platform.database.agencies())
    if not chosen:
        print(f"{_NAME}: the application database has no agencies, nothing to do")
    failed = False
    for agency in chosen:
        ran = run_in_process(_NAME, platform, partition=segment(agency.slug))
        failed |= not ran.succeeded
        for summary in ran.summaries or (f"{agency.slug}: failed",):
            print(f"{_NAME}: {summary}")
    return 1 if failed else 0


def _chosen(arguments: argparse.Namespace, agencies: Sequence[Agency]) -> list[Agency]:
    chosen = [
        agency
        for agency in agencies
        if arguments.all or agency.id == arguments.agency_id or segment(agency.slug) == arguments.agency
    ]
    if not chosen and not arguments.all:
        asked = f"--agency {arguments.agency}" if arguments.agency is not None else f"--agency-id {arguments.agency_id}"
        known = ", ".join(f"{agency.id} {agency.slug}" for agency in agencies) or "none"
        raise UsageError(f"{asked}: the application database has no such agency; it has {known}")
    return chosen


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


EMPLOYMENT_HISTORY = Job(
    _NAME, "Export an agency's employment history from the application database as CSV and Parquet.", _arguments, _run
)
