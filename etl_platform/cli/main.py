"""The command line: parse, call one function, print. Each command group is a module of this package.

Exit 0 good, 1 bad data or failure, 2 usage or contract error.
"""

import argparse

from etl_platform.cli import (
    api,
    breaker,
    check,
    contracts,
    dlq,
    doctor,
    gateway,
    history,
    quarantine,
    reconcile,
    replay,
    run_job,
    status,
)
from etl_platform.engine.command_line import run_command
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.errors import SettingsError

_GROUPS = (
    check,
    contracts,
    api,
    status,
    history,
    quarantine,
    replay,
    reconcile,
    dlq,
    breaker,
    run_job,
    gateway,
    doctor,
)


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``etl-platform`` and ``python -m etl_platform``."""

    def command() -> int:
        arguments = _parser().parse_args(argv)
        return int(arguments.command(arguments))

    return run_command("etl-platform", command, usage_errors=(ContractError, SettingsError, UsageError))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="etl-platform", description="Check, ingest and follow the files that agencies deliver."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(commands)
    return parser
