"""``etl-platform quarantine``: what an agency's deliveries hold back, and its export to be corrected."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl_platform.cli.arguments import GOOD, Commands, add_command, known_dataset
from etl_platform.engine.errors import UsageError
from etl_platform.object_keys import base_name, segment
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    quarantine = add_command(
        commands,
        "quarantine",
        "Show which deliveries have rows in quarantine; with --out, write those rows to correct and give to replay",
        "etl-platform quarantine --agency la_new_orleans --dataset officer_detail --out fix.csv",
    )
    quarantine.add_argument("--agency", metavar="A", required=True)
    quarantine.add_argument("--dataset", metavar="D", required=True)
    quarantine.add_argument("--delivery", metavar="ID", help="one delivery only")
    quarantine.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="write the rows there: it may be personal data"
    )
    quarantine.set_defaults(command=_quarantine)


def _quarantine(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.replay.quarantine import Quarantine
    from etl_platform.engine.output.plain_text import table
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    dataset = known_dataset(arguments.dataset, platform.contracts)
    held = Quarantine(platform.store, platform.bucket, dataset, segment(arguments.agency))
    records = held.waiting(arguments.delivery)
    if not records:
        print(f"{arguments.agency} has no row of {dataset} in quarantine that could still come in")
        return GOOD
    if arguments.out is None:
        print(table(("delivery", "file", "outcome", "rows", "quarantined", "why"), [_line(r) for r in records]))
        return GOOD
    if arguments.out.exists():
        raise UsageError(f"--out {arguments.out} is there already; name a new file")
    rows = held.export(records, arguments.out)
    print(
        f"{rows:,} rows of {len(records)} deliveries in {arguments.out}. Correct them, keep _line, then:\n"
        f"etl-platform replay --agency {arguments.agency} --dataset {dataset} --corrections {arguments.out} --dry-run"
    )
    return GOOD


def _line(record: Mapping[str, Any]) -> tuple[Any, ...]:
    why = ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(record["reasons"].items(), key=lambda r: -r[1]))
    file = base_name(record["source"]["key"])
    return record["delivery_id"], file, record["outcome"], record["rows"], record["quarantined_rows"], why
