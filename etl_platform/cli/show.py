"""``etl-platform show``: the verdict on one delivery, as text or as a page to send on."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.table_formats import add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    show = add_command(
        commands,
        "show",
        "Show the verdict on one delivery: what to do, the broken rules, how the file was read, the files before it",
        "etl-platform show 5f3a0c41d2b7e9806a1c\n  etl-platform show 5f3a0c41d2b7e9806a1c --html verdict.html",
    )
    show.add_argument("delivery", metavar="DELIVERY", help="the delivery id, as `etl-platform history --json` shows it")
    form = add_formats(show, "print the report as one JSON document")
    form.add_argument("--html", type=Path, metavar="OUT", help="write a page for the sender, without personal values")
    show.set_defaults(command=_show)


def _show(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.delivery_page import page_facts
    from etl_platform.deliveries.find_delivery import find_delivery
    from etl_platform.engine.check_arguments import require_target
    from etl_platform.platform import Platform

    require_target("--html", arguments.html, ".html")
    platform = Platform(load_settings())
    with ProgressLine("reading reports"):
        report = find_delivery(platform.store, platform.bucket, arguments.delivery, datetime.now(UTC))
    if report is None:
        raise UsageError(
            f"no report of a delivery {arguments.delivery}; `etl-platform history --agency A --json` lists them"
        )
    if arguments.json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return GOOD
    contract = platform.contract_folder.good.get(report.dataset or "")
    facts = page_facts(platform.store, platform.bucket, report, contract)
    if arguments.csv:
        from etl_platform.engine.problem_table import problem_rows, problem_table

        problem_table(list(problem_rows(facts.file, facts.dataset, facts.outcome, facts.result))).print_csv()
        return GOOD
    if arguments.html is None:
        from etl_platform.engine.pages.text_page import text_page

        print(text_page(facts))
        return GOOD
    from etl_platform.engine.pages.html_page import html_page

    arguments.html.write_text(html_page(facts), "utf-8")
    print(f"{facts.outcome}: {facts.file}; the page is {arguments.html}")
    return GOOD
