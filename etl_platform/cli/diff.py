"""``etl-platform diff``: how a delivery differs from another one, or from the previous file of its series."""

import argparse
import json
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.engine.output.terminal_table import wrapped_line
from etl_platform.object_keys import base_name
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.report import Report
    from etl_platform.engine.drift.finding import Finding
    from etl_platform.engine.drift.summary import FileSummary
    from etl_platform.platform import Platform

_WIDTH = 80


def add(commands: Commands) -> None:
    diff = add_command(
        commands,
        "diff",
        "Show how a delivery differs from another one, or from the previous file of its series",
        "etl-platform diff 5f3a0c41d2b7e9806a1c\n  etl-platform diff 5f3a0c41d2b7e9806a1c 90bd1e6d2a41c7f35e08",
    )
    diff.add_argument("delivery", metavar="DELIVERY", help="the delivery id, as `etl-platform history --json` shows it")
    diff.add_argument("earlier", nargs="?", metavar="EARLIER", help="the delivery to compare with [the previous file]")
    add_formats(diff, "print one JSON document")
    diff.set_defaults(command=_diff)


def _diff(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.series import rules_without_column
    from etl_platform.engine.contract.drift_limits import DriftLimits
    from etl_platform.engine.drift.compare import compare
    from etl_platform.engine.drift.summary import FileSummary
    from etl_platform.engine.overlays.overlay_folder import for_agency
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    report = _report(platform, arguments.delivery)
    earlier = _report(platform, arguments.earlier or _last(report))
    contract = platform.contract_folder.good.get(report.dataset or "")
    contract = for_agency(contract, report.partition[1]) if contract else None
    keys = contract.keys if contract else frozenset()
    if report.partition[0] != earlier.partition[0]:
        datasets = f"{report.delivery_id} is of {report.partition[0]}, {earlier.delivery_id} of {earlier.partition[0]}"
        raise UsageError(f"two deliveries of one dataset can be compared; {datasets}")
    after, before = (
        FileSummary.of(one.check, one.delivery_id, one.source.order.last_modified, keys, base_name(one.source.key))
        for one in (report, earlier)
    )
    limits = contract.drift_limits if contract else DriftLimits()
    rules = rules_without_column(contract, report.check) if contract else {}
    findings = compare(after, [before], limits, rules)
    if arguments.json:
        document = {
            "before": before.to_json(),
            "after": after.to_json(),
            "findings": [one.to_json() for one in findings],
        }
        print(json.dumps(document, ensure_ascii=False))
    elif arguments.csv:
        _columns_table(before, after).print_csv()
    else:
        _print(earlier, before, report, after, findings)
    return BAD if findings else GOOD


def _report(platform: "Platform", delivery_id: str) -> "Report":
    from etl_platform.deliveries.find_delivery import find_delivery

    report = find_delivery(platform.store, platform.bucket, delivery_id, datetime.now(UTC))
    if report is None:
        raise UsageError(f"no report of a delivery {delivery_id}; `etl-platform history --agency A --json` lists them")
    if not report.check.rows:
        raise UsageError(f"{delivery_id} was {report.outcome} without a row that was checked, so it cannot be compared")
    return report


def _last(report: "Report") -> str:
    if report.drift is None or report.drift.last is None:
        raise UsageError(
            f"{report.delivery_id} was not compared with a previous file; name the delivery to compare with"
        )
    return report.drift.last


def _print(
    earlier: "Report", before: "FileSummary", report: "Report", after: "FileSummary", findings: "tuple[Finding, ...]"
) -> None:
    from etl_platform.engine.drift.words import percent
    from etl_platform.engine.output.plain_text import escape_control_characters

    files = [f"{one.source.key}, {one.source.order.last_modified:%Y-%m-%d %H:%M}" for one in (earlier, report)]
    for name, file in zip(("before:", "after: "), files, strict=True):
        print(wrapped_line(f"{name} {escape_control_characters(file)}"))
    print()
    rows = [(name, file.rows, percent(file.quarantined)) for name, file in (("before", before), ("after", after))]
    print(Table(("", "rows", "in quarantine"), rows))
    print(f"\n{_columns_table(before, after)}\n")
    for message in [finding.message for finding in findings] or ["nothing unusual"]:
        lines = textwrap.wrap(
            escape_control_characters(message), _WIDTH, subsequent_indent="  ", break_on_hyphens=False
        )
        print(*lines, sep="\n")


def _columns_table(before: "FileSummary", after: "FileSummary") -> Table:
    columns = [_column(name, before, after) for name in dict.fromkeys([*before.columns, *after.columns])]
    return Table(("column", "empty", "different", "median"), columns)


def _column(name: str, before: "FileSummary", after: "FileSummary") -> tuple[str, ...]:
    from etl_platform.engine.drift.words import percent

    cells = []
    for file in (before, after):
        column = file.columns.get(name)
        if column is None:
            cells.append(("absent", "", ""))
        else:
            median = "" if column.median is None else column.median
            cells.append((percent(column.nulls), f"{column.distinct:,}", median))
    return (
        name,
        *(one if one == other else f"{one or '-'} → {other or '-'}" for one, other in zip(*cells, strict=True)),
    )
