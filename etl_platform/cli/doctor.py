"""``etl-platform doctor``: check that every configured external system is reachable and permitted."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.command_line import BAD, GOOD
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_platform.doctor import Finding


def add(commands: Commands) -> None:
    doctor = add_command(
        commands,
        "doctor",
        "Check that every configured queue, bucket, key and database is reachable and permitted",
        "etl-platform doctor\n  etl-platform doctor --json",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    doctor.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from etl_platform.doctor import OutsideSystems, State, examine

    settings = load_settings()
    findings = examine(OutsideSystems(settings).checks(), settings.aws_region)
    good = all(finding.state is not State.FAILED for finding in findings)
    if arguments.json:
        print(json.dumps({"good": good, "checks": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    else:
        _print(findings)
    return GOOD if good else BAD


def _print(findings: "Sequence[Finding]") -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        result = ": ".join(text for text in (finding.where, finding.detail) if text)
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        print(f"{finding.state:<7}  {finding.name:<{width}}  {result}{remedy}")
