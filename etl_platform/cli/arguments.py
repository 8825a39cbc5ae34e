"""What the arguments of every command share: help with an example, exit codes, ages."""

import argparse
import getpass
import os
import re
from collections.abc import Collection
from datetime import timedelta
from typing import TypeAlias

from etl_platform.engine.errors import UsageError

GOOD, BAD, USAGE = 0, 1, 2

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


def add_command(commands: Commands, name: str, about: str, example: str) -> argparse.ArgumentParser:
    """A command whose ``--help`` says what it is about and shows an example."""
    return commands.add_parser(
        name,
        help=about,
        description=f"{about}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_group(commands: Commands, name: str, about: str) -> Commands:
    """A command that has commands of its own."""
    return commands.add_parser(name, help=about, description=f"{about}.").add_subparsers(
        required=True, metavar="COMMAND"
    )


def age(text: str) -> timedelta:
    """``90m``, ``24h`` or ``7d``, as a type of an argument."""
    match = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write 90m, 24h or 7d")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})


def count(text: str) -> int:
    """A whole number from 1, as a type of an argument."""
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return str(os.getuid())


def known_dataset(name: str, contracts: Collection[str]) -> str:
    """The dataset that was asked for; UsageError where no contract has it."""
    if name not in contracts:
        raise UsageError(f"--dataset {name}: there is no such contract; there is {', '.join(sorted(contracts))}")
    return name
