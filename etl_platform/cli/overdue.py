"""``etl-platform overdue``: which agencies should have sent a file by now."""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, current_agency
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.engine.contract.cadence import Timeliness


def add(commands: Commands) -> None:
    overdue = add_command(
        commands,
        "overdue",
        "Show which agencies should have sent a file by now, the longest overdue first; exit code 1 if any should",
        "etl-platform overdue --agency nm_albuquerque",
    )
    overdue.add_argument("--agency", metavar="A", help="one agency only")
    overdue.add_argument("--json", action="store_true", help="print JSON lines")
    overdue.set_defaults(command=_overdue)


def _overdue(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
    from etl_platform.engine.output.plain_text import counted
    from etl_platform.platform import Platform

    platform, now = Platform(load_settings()), datetime.now(UTC)
    agency = current_agency(arguments.agency, platform) if arguments.agency else None
    expected, contracts = ExpectedFiles(platform.store, platform.bucket, now), platform.contracts
    checked = [
        (name, dataset, found)
        for dataset, contract in sorted(contracts.items())
        for name, found in expected.timeliness(contract)
        if agency in {None, name}
    ]
    overdue = sorted((one for one in checked if one[2].overdue), key=lambda one: (one[2].expected_by, one[:2]))
    if arguments.json:
        for one in overdue:
            print(json.dumps(_document(*one), ensure_ascii=False))
    elif overdue:
        print(_table(overdue, now))
    else:
        print(f"no file is overdue; {counted(len(checked), 'expected file')} checked")
    return BAD if overdue else GOOD


def _table(overdue: "list[tuple[str, str, Timeliness]]", now: datetime) -> str:
    from etl_platform.engine.output.terminal_table import table

    rows = [
        (
            agency,
            dataset,
            f"{found.expected_by:%Y-%m-%d}",
            (now - found.expected_by).days,
            f"{found.last.arrived_at:%Y-%m-%d}",
            found.last.outcome,
            found.last.name,
        )
        for agency, dataset, found in overdue
    ]
    header = ("agency", "dataset", "expected by", "days late", "last arrived", "outcome", "last file")
    return table(header, rows)


def _document(agency: str, dataset: str, found: "Timeliness") -> dict[str, str]:
    return {
        "agency": agency,
        "dataset": dataset,
        "expected_by": found.expected_by.isoformat(),
        "last_file": found.last.name,
        "last_outcome": str(found.last.outcome),
        "last_arrived_at": found.last.arrived_at.isoformat(),
    }
