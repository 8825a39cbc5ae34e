"""``etl-platform status``: the recent deliveries and their outcomes."""

import argparse
import json
from datetime import UTC, datetime, timedelta

from etl_platform.cli.arguments import Commands, add_command, age
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    status = add_command(
        commands,
        "status",
        "Show recent deliveries and their outcomes, newest first",
        "etl-platform status --since 7d",
    )
    status.add_argument(
        "--since", type=age, default=timedelta(hours=24), metavar="AGE", help="such as 90m, 24h, 7d [24h]"
    )
    status.add_argument("--agency", metavar="A", help="one agency only")
    status.add_argument("--json", action="store_true", help="print the reports as JSON lines")
    status.set_defaults(command=_status)


def _status(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import deliveries_table, happened_at, print_unreadable
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.object_keys import segment
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    since = datetime.now(UTC) - arguments.since
    unreadable: list[Exception] = []
    reports = Ledger(platform.store, platform.bucket, on_unreadable=unreadable.append).reports(since=since)
    if arguments.agency:
        reports = [report for report in reports if report.agency == segment(arguments.agency)]
    reports.sort(key=happened_at, reverse=True)
    if arguments.json:
        for report in reports:
            print(json.dumps(report.to_json(), ensure_ascii=False))
    elif reports:
        print(deliveries_table(reports))
    else:
        print(f"no report since {since:%Y-%m-%d %H:%M} UTC; `etl-platform doctor` shows waiting messages")
    print_unreadable(unreadable)
    return BAD if unreadable else GOOD
