"""``etl-platform overdue``: which agencies should have sent a file by now."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, current_agency, near_agency
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.engine.contract.cadence import Timeliness
    from etl_platform.platform import Platform


def add(commands: Commands) -> None:
    overdue = add_command(
        commands,
        "overdue",
        "Show which agencies should have sent a file by now, the longest overdue first; exit code 1 if any should",
        "etl-platform overdue --agency nm_albuquerque",
    )
    overdue.add_argument("--agency", metavar="A", help="one agency only")
    add_formats(overdue, "print JSON lines")
    overdue.set_defaults(command=_overdue)


@dataclass(frozen=True)
class ExpectedFile:
    """The next file of an agency and dataset."""

    agency: str
    dataset: str
    timeliness: "Timeliness"


def expected_files(platform: "Platform", now: datetime) -> list[ExpectedFile]:
    """Every file that is expected, the longest overdue first; ``now`` is UTC."""
    from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles

    expected = ExpectedFiles(platform.store, platform.bucket, now)
    found = [
        ExpectedFile(agency, dataset, timeliness)
        for dataset, contract in sorted(platform.contracts.items())
        for agency, timeliness in expected.timeliness(contract)
    ]
    return sorted(found, key=lambda one: (one.timeliness.expected_by, one.agency, one.dataset))


def _overdue(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.output.plain_text import counted
    from etl_platform.platform import Platform

    platform, now = Platform(load_settings()), datetime.now(UTC)
    agency = current_agency(arguments.agency, platform) if arguments.agency else None
    with ProgressLine("looking at the last deliveries"):
        expected = [one for one in expected_files(platform, now) if agency in {None, one.agency}]
    overdue = [one for one in expected if one.timeliness.overdue]
    if arguments.json:
        for one in overdue:
            print(json.dumps(overdue_document(one), ensure_ascii=False))
    elif arguments.csv:
        overdue_table(overdue, now).print_csv()
    elif overdue:
        print(overdue_table(overdue, now))
    else:
        hint = near_agency(agency, platform) if agency else ""
        print(f"no file is overdue; {counted(len(expected), 'expected file')} checked{hint}")
    return BAD if overdue else GOOD


def overdue_table(overdue: Sequence[ExpectedFile], now: datetime) -> Table:
    """One line per file, in the order given."""
    rows = [
        (
            one.agency,
            one.dataset,
            f"{one.timeliness.expected_by:%Y-%m-%d}",
            (now - one.timeliness.expected_by).days,
            f"{one.timeliness.last.arrived_at:%Y-%m-%d}",
            one.timeliness.last.outcome,
            one.timeliness.last.name,
        )
        for one in overdue
    ]
    header = ("agency", "dataset", "expected by", "days late", "last arrived", "outcome", "last file")
    return Table(header, rows)


def overdue_document(one: ExpectedFile) -> dict[str, str]:
    """An overdue file as JSON."""
    last = one.timeliness.last
    return {
        "agency": one.agency,
        "dataset": one.dataset,
        "expected_by": one.timeliness.expected_by.isoformat(),
        "last_file": last.name,
        "last_outcome": str(last.outcome),
        "last_arrived_at": last.arrived_at.isoformat(),
    }
