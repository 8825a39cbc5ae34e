"""Entry point of ``etl-platform``: parses arguments, calls one command, and turns errors into exit codes.

Exit codes: 0 success; 1 failure, rejected file or finding; 2 invalid argument, setting or contract; 130 interrupted.
"""

import argparse

from etl_platform.cli import (
    agency,
    api,
    breaker,
    check,
    contracts,
    diff,
    dlq,
    doctor,
    erase,
    gateway,
    history,
    index,
    notify,
    overdue,
    overview,
    quarantine,
    reconcile,
    replay,
    run_job,
    show,
    sql,
    status,
    today,
    token,
    ui,
)
from etl_platform.cli.arguments import help_epilog, more_help
from etl_platform.engine.argument_parser import ArgumentParser
from etl_platform.engine.command_line import run_command
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.errors import SettingsError

_COMMANDS = (
    check,
    contracts,
    api,
    today,
    status,
    overdue,
    overview,
    history,
    show,
    diff,
    quarantine,
    sql,
    replay,
    reconcile,
    index,
    agency,
    erase,
    dlq,
    breaker,
    notify,
    run_job,
    gateway,
    token,
    ui,
    doctor,
)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""

    def command() -> int:
        arguments = build_parser().parse_args(argv)
        return int(arguments.command(arguments))

    return run_command("etl-platform", command, usage_errors=(ContractError, SettingsError, UsageError))


class _PrintVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"etl-platform {version('etl-platform')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="etl-platform",
        description="Check, ingest and trace the files that agencies deliver.",
        epilog=f"{more_help('etl-platform')}\n\n{help_epilog('etl-platform check Officer_Detail.csv')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
