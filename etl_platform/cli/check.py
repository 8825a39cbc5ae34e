"""``etl-platform check``: the engine's command, with the contracts of the settings."""

import argparse

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.check_arguments import add_file_arguments
from etl_platform.engine.check_command import check_files


def add(commands: Commands) -> None:
    check = add_command(
        commands,
        "check",
        "Check files against their contracts, without a network",
        "etl-platform check Officer_Detail.csv --out result\n  etl-platform check a.csv --contract training --json\n"
        "  etl-platform check deliveries/ Training.xlsx --out results",
    )
    add_file_arguments(check)
    check.set_defaults(command=_check)


def _check(arguments: argparse.Namespace) -> int:
    from etl_platform.settings import load_settings

    return check_files(arguments, lambda: load_settings().contracts_dir)
