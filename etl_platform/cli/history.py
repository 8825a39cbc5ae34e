"""``etl-platform history``: the deliveries of an agency, with their replays and successors."""

import argparse
import json

from etl_platform.cli.arguments import Commands, add_command, known_dataset
from etl_platform.engine.command_line import GOOD
from etl_platform.settings import load_settings


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


def _history(arguments: argparse.Namespace) -> int:
    from etl_platform import object_keys
    from etl_platform.cli.text_tables import history_table
    from etl_platform.deliveries.history import histories
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    ledger, agency = Ledger(platform.store, platform.bucket), object_keys.segment(arguments.agency)
    datasets = [known_dataset(arguments.dataset, platform.contracts)] if arguments.dataset else platform.contracts
    chains = histories(
        [record for name in datasets for record in ledger.read(object_keys.report_prefix(name, agency))],
        [fact for name in datasets for fact in ledger.read(object_keys.facts_prefix(name, agency))],
    )
    if arguments.json:
        for entries in chains.values():
            for entry in entries:
                print(json.dumps(entry.to_json(), ensure_ascii=False))
        return GOOD
    if not chains:
        print(f"{arguments.agency} has delivered nothing{f' of {arguments.dataset}' if arguments.dataset else ''} yet")
    print("\n\n".join(f"{dataset}: {key}\n{history_table(entries)}" for (dataset, key), entries in chains.items()))
    return GOOD
