"""``etl-platform quarantine``: show deliveries with quarantined rows, and export the rows to correct them."""

import argparse
import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from etl_platform.cli.arguments import Commands, add_command, current_agency, known_dataset, near_agency
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.object_keys import base_name
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_platform.deliveries.replay.quarantine import Quarantine
    from etl_platform.deliveries.report import Report
    from etl_platform.platform import Platform


def add(commands: Commands) -> None:
    quarantine = add_command(
        commands,
        "quarantine",
        "Show deliveries with rows in quarantine; with --out, export the rows to correct them for replay",
        "etl-platform quarantine --agency la_new_orleans --dataset officer_detail --out fix.csv",
    )
    quarantine.add_argument("--agency", metavar="A", required=True, help="the agency, such as nm_albuquerque")
    quarantine.add_argument("--dataset", metavar="D", required=True, help="the dataset, such as officer_detail")
    quarantine.add_argument("--delivery", metavar="ID", help="one delivery only")
    form = add_formats(quarantine, "print the reports of these deliveries as JSON lines")
    form.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="export the rows to a new .csv or, with notes, .xlsx; they may be personal data",
    )
    quarantine.set_defaults(command=_quarantine)


def _quarantine(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.replay.quarantine import Quarantine
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    dataset = known_dataset(arguments.dataset, platform.contract_folder)
    agency = current_agency(arguments.agency, platform)
    quarantine = Quarantine(platform.store, platform.bucket, dataset, agency)
    reports = quarantine.replayable(arguments.delivery)
    table = Table(("delivery", "file", "outcome", "rows", "quarantined", "why"), [_line(report) for report in reports])
    if arguments.json:
        for report in reports:
            print(json.dumps(report.to_json(), ensure_ascii=False))
    elif arguments.csv:
        table.print_csv()
    elif not reports:
        print(
            f"{agency} has no quarantined rows of {dataset} that a replay could accept{near_agency(agency, platform)}"
        )
    elif arguments.out is None:
        print(table)
    else:
        _export(quarantine, reports, platform, (dataset, agency), arguments.out)
    return GOOD


def _export(
    quarantine: "Quarantine", reports: "Sequence[Report]", platform: "Platform", partition: tuple[str, str], out: Path
) -> None:
    from etl_platform.engine.output.plain_text import counted
    from etl_platform.engine.overlays.overlay_folder import for_agency

    if out.exists():
        raise UsageError(f"--out {out} exists already; name a new file")
    dataset, agency = partition
    contract = platform.contract_folder.good.get(dataset)
    with ProgressLine("exporting"):
        rows = quarantine.export(reports, out, for_agency(contract, agency) if contract else None)
    written = f"{counted(rows, 'row')} of {counted(len(reports), 'delivery', 'deliveries')} written to {out}"
    print(
        f"{written}. Correct them, keep _line, then run:\n"
        f"etl-platform replay --agency {agency} --dataset {dataset} --corrections {quote(str(out))} --dry-run"
    )


def _line(report: "Report") -> tuple[Any, ...]:
    check = report.check
    why = ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(check.reasons.items(), key=lambda r: -r[1]))
    file = base_name(report.source.key)
    return report.delivery_id, file, str(report.outcome), check.rows, check.quarantined_rows, why
