"""``etl-platform status``: the deliveries that failed and wait, and the recent ones; or whether anything is stuck."""

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, age, current_agency, near_agency
from etl_platform.deliveries.delivery import Outcome
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.near_names import did_you_mean
from etl_platform.engine.output.table_formats import add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.platform import Platform


def add(commands: Commands) -> None:
    status = add_command(
        commands,
        "status",
        "Show deliveries that failed and wait, then recent ones with their outcomes, newest first",
        "etl-platform status --since 7d\n  etl-platform status --outcome rejected --agency nm_albuquerque\n"
        "  etl-platform status --stuck",
    )
    status.add_argument(
        "--since", type=age, default=timedelta(hours=24), metavar="AGE", help="such as 90m, 24h, 7d [24h]"
    )
    status.add_argument("--agency", metavar="A", help="one agency only")
    status.add_argument("--dataset", metavar="D", help="one dataset only")
    status.add_argument(
        "--outcome",
        choices=[outcome for outcome in Outcome if outcome is not Outcome.DUPLICATE],
        metavar="O",
        help="one outcome only, such as rejected, ignored or failed",
    )
    status.add_argument(
        "--stuck",
        action="store_true",
        help="only whether anything is stuck, and what to do: failed, ignored and overdue files, dead letters, queues, "
        "breaker; exit code 1 if anything is",
    )
    add_formats(
        status, "print waiting deliveries (outcome failed) and reports as JSON lines; with --stuck one document"
    )
    status.set_defaults(command=_status)


def _status(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import deliveries_table, happened_at, print_unreadable, waiting_table
    from etl_platform.deliveries.ignored_files import without_ingested
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.deliveries.waiting import WaitingRecords
    from etl_platform.platform import Platform

    settings = load_settings()
    if arguments.stuck:
        if arguments.agency or arguments.dataset or arguments.outcome:
            raise UsageError("--stuck looks at everything; leave out --agency, --dataset and --outcome")
        from etl_platform.cli.stuck import print_stuck

        return print_stuck(settings, arguments)
    platform = Platform(settings)
    now = datetime.now(UTC)
    since = now - arguments.since
    agency = current_agency(arguments.agency, platform) if arguments.agency else None
    unreadable: list[Exception] = []
    # Before the reports: a delivery that is finished meanwhile is then shown twice rather than not at all.
    with ProgressLine("reading reports"):
        waiting = WaitingRecords(platform.store, platform.bucket).unfinished(unreadable.append)
        ledger = Ledger(platform.store, platform.bucket, on_unreadable=unreadable.append)
        reports = ledger.reports(since=since, agency=agency)
    waiting = [record for record in waiting if agency in {None, record.agency}]
    # A report that was copied for a renamed agency is younger than what it is about.
    reports = [report for report in reports if happened_at(report) >= since]
    if arguments.dataset:
        waiting = [record for record in waiting if record.dataset == arguments.dataset]
        reports = [report for report in reports if report.dataset == arguments.dataset]
    if arguments.outcome:
        waiting = waiting if arguments.outcome == Outcome.FAILED else []
        reports = [report for report in reports if report.outcome == arguments.outcome]
    reports.sort(key=happened_at, reverse=True)
    if arguments.json:
        for document in [*(record.to_json() for record in waiting), *(report.to_json() for report in reports)]:
            print(json.dumps(document, ensure_ascii=False))
    elif arguments.csv:
        deliveries_table(without_ingested(reports), waiting).print_csv()
    else:
        if waiting:
            print(f"failed, and not done yet:\n{waiting_table(waiting, now)}\n")
        print(deliveries_table(without_ingested(reports)) if reports else _nothing(arguments, agency, since, platform))
        for problem in _failing_channels(platform, now):
            print(f"\nnotifications fail: {problem}")
    print_unreadable(unreadable)
    return BAD if unreadable else GOOD


def _failing_channels(platform: "Platform", now: datetime) -> list[str]:
    from etl_platform.notifications.channel_health import channel_problems

    outbox = platform.outbox.load() if platform.channels else None
    return channel_problems(outbox.channels, now) if outbox else []


def _nothing(arguments: argparse.Namespace, agency: str | None, since: datetime, platform: "Platform") -> str:
    what = f"{arguments.outcome} delivery" if arguments.outcome else "report"
    about = [f"of {name}" for name in (arguments.dataset, agency) if name]
    found = " ".join([f"no {what}", *about, f"since {since:%Y-%m-%d %H:%M} UTC"])
    if arguments.dataset and (near := did_you_mean(arguments.dataset, platform.contract_folder.datasets)):
        return f"{found}{near}"
    if agency:
        return f"{found}{near_agency(agency, platform) or '; `etl-platform agency list` shows all agencies'}"
    if arguments.dataset or arguments.outcome:
        return f"{found}; `etl-platform status` shows all"
    return f"{found}; `etl-platform doctor` shows waiting messages"
