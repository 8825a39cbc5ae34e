"""``etl-platform index``: completes the index of reports, by day and by partition, from the reports."""

import argparse
from datetime import UTC, datetime

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.plain_text import counted
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    index = add_command(
        commands,
        "index",
        "Add the reports that are missing in the index of reports; reconcile_job does the same every day",
        "etl-platform index",
    )
    index.set_defaults(command=_index)


def _index(_: argparse.Namespace) -> int:
    from etl_platform.deliveries.last_deliveries import LastDeliveries
    from etl_platform.deliveries.overview.facts import keep_summaries
    from etl_platform.platform import Platform

    platform, now = Platform(load_settings()), datetime.now(UTC)
    with ProgressLine("listing all reports"):
        added = LastDeliveries(platform.store, platform.bucket, now).complete_index()
        keep_summaries(platform.store, platform.bucket, platform.contracts, now)
    print(f"the index of reports is complete; {counted(added, 'report was', 'reports were')} added")
    return GOOD
