"""``etl-platform history``: the deliveries of an agency, with their replays and successors."""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, current_agency, known_dataset
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.platform import Platform

_AT_ONCE = 4
"""Each reads up to 16 reports at a time."""


def add(commands: Commands) -> None:
    history = add_command(
        commands,
        "history",
        "Show the deliveries of each file of an agency, newest first, with replays and successors",
        "etl-platform history --agency nm_albuquerque --dataset officer_detail",
    )
    history.add_argument("--agency", metavar="A", required=True, help="the agency, such as nm_albuquerque")
    history.add_argument("--dataset", metavar="D", help="one dataset only")
    history.add_argument("--json", action="store_true", help="print whole reports as JSON lines")
    history.set_defaults(command=_history)


def _datasets(chosen: str | None, agency: str, platform: "Platform") -> list[str]:
    """The chosen dataset, or all that the agency has ever sent."""
    from etl_platform.deliveries.last_deliveries import LastDeliveries

    contracts = platform.contract_folder
    if chosen:
        return [known_dataset(chosen, contracts)]
    sent = LastDeliveries(platform.store, platform.bucket).read()
    return [dataset for dataset in contracts.datasets if (dataset, agency) in sent]


def _history(arguments: argparse.Namespace) -> int:
    from etl_platform import object_keys
    from etl_platform.cli.text_tables import history_table, print_unreadable
    from etl_platform.deliveries.history import histories
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    unreadable: list[Exception] = []
    ledger = Ledger(platform.store, platform.bucket, on_unreadable=unreadable.append)
    agency = current_agency(arguments.agency, platform)
    datasets = _datasets(arguments.dataset, agency, platform)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reports = pool.map(lambda name: ledger.reports(object_keys.report_prefix(name, agency)), datasets)
        successors = pool.map(lambda name: ledger.successors(name, agency), datasets)
        by_key = histories(chain.from_iterable(reports), chain.from_iterable(successors))
    print_unreadable(unreadable)
    code = BAD if unreadable else GOOD
    if arguments.json:
        for deliveries in by_key.values():
            for delivery in deliveries:
                print(json.dumps(delivery.to_json(), ensure_ascii=False))
        return code
    if not by_key and not unreadable:
        print(f"{arguments.agency} has delivered nothing{f' of {arguments.dataset}' if arguments.dataset else ''} yet")
    tables = [f"{dataset}: {key}\n{history_table(deliveries)}" for (dataset, key), deliveries in by_key.items()]
    print("\n\n".join(tables))
    return code
