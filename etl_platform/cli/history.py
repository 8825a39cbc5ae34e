"""``etl-platform history``: the deliveries of an agency, with replays and successors, and who was notified."""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, current_agency, known_dataset, near_agency
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etl_platform.deliveries.history import DeliveryHistory
    from etl_platform.notifications.notices import Notice
    from etl_platform.platform import Platform

_AT_ONCE = 4
"""Each reads up to 16 reports at a time."""


def add(commands: Commands) -> None:
    history = add_command(
        commands,
        "history",
        "Show the deliveries of each file of an agency, newest first, with replays, successors, and who was notified",
        "etl-platform history --agency nm_albuquerque --dataset officer_detail\n"
        "  etl-platform history --delivery 3f9c0d51a7e2b8446c1d",
    )
    which = history.add_mutually_exclusive_group(required=True)
    which.add_argument("--agency", metavar="A", help="the agency, such as nm_albuquerque")
    which.add_argument("--delivery", metavar="ID", help="one file only, by the id of one of its deliveries")
    history.add_argument("--dataset", metavar="D", help="one dataset only")
    add_formats(history, "print whole reports as JSON lines")
    history.set_defaults(command=_history)


def _datasets(chosen: str | None, agency: str, platform: "Platform") -> list[str]:
    """The chosen dataset, or all that the agency ever sent."""
    from etl_platform.deliveries.last_deliveries import LastDeliveries

    contracts = platform.contract_folder
    if chosen:
        return [known_dataset(chosen, contracts)]
    sent = LastDeliveries(platform.store, platform.bucket, datetime.now(UTC)).partitions()
    return [dataset for dataset in contracts.datasets if (dataset, agency) in sent]


def _history(arguments: argparse.Namespace) -> int:
    from etl_platform import object_keys
    from etl_platform.cli.text_tables import print_unreadable, whole_history_table
    from etl_platform.deliveries.history import histories
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    if arguments.delivery and (ignored := _of_ignored(platform, arguments.delivery)):
        _print_ignored(ignored, platform, arguments)
        return GOOD
    unreadable: list[Exception] = []
    ledger = Ledger(platform.store, platform.bucket, on_unreadable=unreadable.append)
    agency, datasets = _partitions(arguments, platform)
    with ProgressLine("reading reports"), ThreadPoolExecutor(_AT_ONCE) as pool:
        reports = pool.map(lambda name: ledger.reports(object_keys.report_prefix(name, agency)), datasets)
        successors = pool.map(lambda name: ledger.successors(name, agency), datasets)
        by_key = histories(chain.from_iterable(reports), chain.from_iterable(successors))
        notices = _notices(platform, agency, datasets, unreadable)
    if arguments.delivery:
        by_key = {file: found for file, found in by_key.items() if arguments.delivery in _ids(found)}
        shown = _ids(chain.from_iterable(by_key.values()))
        notices = [notice for notice in notices if notice.event.delivery_id in shown]
    print_unreadable(unreadable)
    if arguments.json:
        _print_json(chain.from_iterable(by_key.values()), notices)
    elif arguments.csv:
        whole_history_table(by_key).print_csv()
    elif by_key or not unreadable:
        print(_text(by_key, notices) if by_key else _nothing(arguments, near_agency(agency, platform)))
        if arguments.delivery and by_key and not notices:
            print(f"\n{_nobody_notified(platform)}")
    return BAD if unreadable else GOOD


def _partitions(arguments: argparse.Namespace, platform: "Platform") -> tuple[str, list[str]]:
    """The agency, and the datasets of it that are asked for."""
    from etl_platform.deliveries.find_delivery import find_delivery

    if arguments.delivery is None:
        agency = current_agency(arguments.agency, platform)
        return agency, _datasets(arguments.dataset, agency, platform)
    report = find_delivery(platform.store, platform.bucket, arguments.delivery, datetime.now(UTC))
    if report is None:
        raise UsageError(f"--delivery {arguments.delivery}: unknown delivery; `etl-platform history --agency` has them")
    if report.dataset is None:
        raise UsageError(
            f"--delivery {arguments.delivery} was ignored, nobody was notified; `etl-platform show` has the reason"
        )
    dataset, agency = report.partition
    return agency, [dataset]


def _of_ignored(platform: "Platform", delivery_id: str) -> "Notice | None":
    """Who was notified of an ignored file, which has no history."""
    from etl_platform import object_keys
    from etl_platform.notifications.notices import Notice, Notices

    key = object_keys.ignored_notice_key(delivery_id)
    found = Notices(platform.store, platform.bucket).read_all([key]).get(key)
    return found if isinstance(found, Notice) else None


def _print_ignored(notice: "Notice", platform: "Platform", arguments: argparse.Namespace) -> None:
    from etl_platform.cli.text_tables import notified_table

    if arguments.json:
        print(json.dumps(notice.to_json(platform.bucket)))
    elif arguments.csv:
        notified_table([notice]).print_csv()
    else:
        print(notified_table([notice]))


def _notices(
    platform: "Platform", agency: str, datasets: "Iterable[str]", unreadable: list[Exception]
) -> "list[Notice]":
    """The notices of events that somebody was notified of, or was to be."""
    from etl_platform.notifications.notices import Notice, Notices

    found = [one for name in datasets for one in Notices(platform.store, platform.bucket).of_partition(name, agency)]
    unreadable.extend(one for one in found if not isinstance(one, Notice))
    return [one for one in found if isinstance(one, Notice) and one.notified]


def _print_json(deliveries: "Iterable[DeliveryHistory]", notices: "Sequence[Notice]") -> None:
    for delivery in deliveries:
        mine = [one for one in notices if one.event.delivery_id == delivery.arrival.delivery_id]
        notified = [{"event": str(one.event.kind), **to} for one in mine for to in one.notified_json()]
        print(json.dumps({**delivery.to_json(), "notified": notified}, ensure_ascii=False))


def _text(by_key: "dict[tuple[str, str], list[DeliveryHistory]]", notices: "Sequence[Notice]") -> str:
    from etl_platform.cli.text_tables import history_table, notified_table

    tables = [f"{dataset}: {key}\n{history_table(deliveries)}" for (dataset, key), deliveries in by_key.items()]
    return "\n\n".join([*tables, *([str(notified_table(notices))] if notices else [])])


def _nobody_notified(platform: "Platform") -> str:
    if platform.channels:
        return "nobody was notified of this file"
    return (
        "nobody was notified of this file: there is no channel; set DELIVERY_EVENTS_TOPIC_ARN, "
        f"or write {platform.contacts_file}"
    )


def _nothing(arguments: argparse.Namespace, near: str) -> str:
    of = f" of {arguments.dataset}" if arguments.dataset else ""
    return f"{arguments.agency} has delivered nothing{of} yet{near}"


def _ids(deliveries: "Iterable[DeliveryHistory]") -> set[str]:
    return {delivery.arrival.delivery_id for delivery in deliveries}
