"""``etl-platform doctor``: check that every configured external system is reachable and permitted."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.engine.output.terminal_table import lines_of
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_platform.aws.health_checks import CheckResult


def add(commands: Commands) -> None:
    doctor = add_command(
        commands,
        "doctor",
        "Check that every configured queue, bucket, key and database is reachable and permitted",
        "etl-platform doctor\n  etl-platform doctor --json",
    )
    add_formats(doctor, "print one JSON document")
    doctor.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from etl_platform.aws.health_checks import State, run_checks
    from etl_platform.doctor import ExternalSystems

    settings = load_settings()
    with ProgressLine("asking every system"):
        results = run_checks(ExternalSystems(settings).checks(), settings.aws_region)
    good = all(result.state is not State.FAILED for result in results)
    if arguments.json:
        print(json.dumps({"good": good, "checks": [asdict(result) for result in results]}, ensure_ascii=False))
    elif arguments.csv:
        rows = [(str(one.state), one.name, one.where, one.detail, one.remedy) for one in results]
        Table(("state", "name", "where", "detail", "remedy"), rows).print_csv()
    else:
        _print(results)
    return GOOD if good else BAD


def _print(results: "Sequence[CheckResult]") -> None:
    rows = []
    for result in results:
        shown = ": ".join(text for text in (result.where, result.detail) if text)
        remedy = f"; {result.remedy}" if result.remedy else ""
        rows.append((str(result.state), result.name, f"{shown}{remedy}"))
    print(lines_of(rows))
