"""``etl-platform overview``: a page of all agencies: what is stuck, refused or overdue, and who sent what, when."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, current_agency, positive_number
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.overview.facts import OverviewFacts
    from etl_platform.deliveries.overview.state import Overview
    from etl_platform.platform import Platform

_MOST_DAYS = 3_660
_SECTIONS = {"failed", "ignored", "overdue"}
"""Checks of ``status --stuck`` that have a section of their own on the page."""


def add(commands: Commands) -> None:
    overview = add_command(
        commands,
        "overview",
        "Write a page of all agencies: what is stuck, refused or overdue now, and a calendar of what they sent",
        "etl-platform overview --html overview.html\n"
        "  etl-platform overview --html year.html --days 365 --agency nm_albuquerque",
    )
    overview.add_argument("--html", type=Path, required=True, metavar="OUT", help="the page to write")
    overview.add_argument("--days", type=positive_number, metavar="N", help="days of the calendar [90]")
    overview.add_argument("--agency", metavar="A", help="one agency only")
    overview.set_defaults(command=_overview)


def _overview(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import print_unreadable
    from etl_platform.deliveries.overview.facts import DAYS, read_facts
    from etl_platform.deliveries.overview.page import overview_page
    from etl_platform.engine.check_arguments import require_target
    from etl_platform.platform import Platform
    from etl_platform.progress import ProgressLine

    require_target("--html", arguments.html, ".html")
    platform, now = Platform(load_settings()), datetime.now(UTC)
    agency = current_agency(arguments.agency, platform) if arguments.agency else None
    with ProgressLine("reading reports") as progress:
        facts = read_facts(
            platform.store,
            platform.bucket,
            platform.contracts,
            _state(platform, now, agency),
            now,
            days=min(arguments.days or DAYS, _MOST_DAYS),
            agency=agency,
            progress=progress,
        )
    arguments.html.write_text(overview_page(facts), "utf-8")
    print_unreadable(facts.unreadable)
    print(f"{_summary(facts)}; the page is {arguments.html}")
    return BAD if facts.unreadable else GOOD


def _summary(facts: "OverviewFacts") -> str:
    from etl_platform.engine.output.plain_text import counted

    state, overdue = facts.state, facts.state.overdue
    obstacles = f"{counted(len(state.obstacles), 'place')} stuck" if state.obstacles else "nothing is stuck"
    return (
        f"{obstacles}, {len(facts.refused):,} refused, {len(overdue.files) if overdue else 0:,} overdue, "
        f"{len(state.failed):,} tried again, {len(state.ignored):,} not recognised"
    )


def _state(platform: "Platform", now: datetime, agency: str | None) -> "Overview":
    """What is stuck, retried, overdue and ignored now; with an agency, the files of others are left out."""
    from etl_platform.aws.health_checks import State, run_checks
    from etl_platform.cli.stuck import stuck_checks
    from etl_platform.deliveries import stuck
    from etl_platform.deliveries.overview.facts import overdue_now
    from etl_platform.deliveries.overview.state import Overview

    settings, store, bucket = platform.settings, platform.store, platform.bucket
    checks = [check for check in stuck_checks(settings) if check.name not in _SECTIONS]
    results = run_checks(checks, settings.aws_region)
    obstacles = [
        stuck.Answer(True, one.detail if one.state is State.WARNING else f"{one.name}: {one.detail}", one.remedy)
        for one in results
        if one.state in {State.WARNING, State.FAILED}
    ]
    failed = platform.intake.waiting.unfinished()
    keep_failing = stuck.failed_deliveries(failed, now, platform.count_dead_letters)
    ignored = stuck.waiting_ignored_files(store, bucket, platform.intake.router().route, now)
    return Overview(
        failed=[one for one in failed if agency in {None, one.agency}],
        ignored=[one for one in ignored if agency in {None, one.agency}],
        overdue=overdue_now(store, bucket, platform.contracts, now, agency),
        obstacles=[*([keep_failing] if keep_failing.is_stuck else []), *obstacles],
        queue=next((one.detail for one in results if one.name == "queue"), ""),
    )
