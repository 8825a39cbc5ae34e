"""Parts of the parser that commands share: help with an example and exit codes, and argument types."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.engine.near_names import did_you_mean, did_you_mean_or_all
from etl_platform.object_keys import partition_of

if TYPE_CHECKING:
    from etl_platform.platform import Platform

EXIT_CODES = "exit codes: 0 success; 1 failure, rejected file or finding; 2 invalid argument, setting or contract"

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


def add_command(commands: Commands, name: str, about: str, example: str) -> argparse.ArgumentParser:
    """Add a command whose ``--help`` shows what it does, an example and the exit codes."""
    return commands.add_parser(
        name,
        help=about,
        description=f"{about}.",
        epilog=help_epilog(example),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_group(commands: Commands, name: str, about: str) -> Commands:
    """Add a command with subcommands."""
    group = commands.add_parser(name, help=about, description=f"{about}.", epilog=more_help(f"etl-platform {name}"))
    return group.add_subparsers(required=True, metavar="COMMAND")


def help_epilog(example: str) -> str:
    return f"example:\n  {example}\n\n{EXIT_CODES}"


def more_help(command: str) -> str:
    return f"`{command} COMMAND --help` shows the arguments of a command, with an example."


def age(text: str) -> timedelta:
    """An argument such as ``90m``, ``24h`` or ``7d``."""
    match = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age; write 90m, 24h or 7d")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})


def port(text: str) -> int:
    """An argument that is a port."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def positive_number(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def current_agency(name: str, platform: "Platform") -> str:
    """The partition of an agency that a person names; of a renamed agency that of its new name."""
    return platform.agency_register.read().current_name(partition_of(name))


def near_agency(name: str, platform: "Platform") -> str:
    """``; did you mean …?`` to end a message that nothing of this agency was found; empty if it has sent something."""
    from etl_platform.deliveries.last_deliveries import LastDeliveries

    sent = LastDeliveries(platform.store, platform.bucket, datetime.now(UTC)).partitions()
    agencies = {agency for _, agency in sent}
    return "" if name in agencies else did_you_mean(name, agencies)


def known_dataset(name: str, contracts: ContractFolder) -> str:
    """The dataset itself; raises UsageError if no contract describes it. That contract may be in error."""
    if name not in contracts.datasets:
        raise UsageError(f"--dataset {name}: unknown dataset{did_you_mean_or_all(name, contracts.datasets)}")
    return name


def usable_dataset(name: str, contracts: ContractFolder) -> str:
    """The dataset itself; raises UsageError if no contract describes it, or its contract is in error."""
    try:
        contracts.find(known_dataset(name, contracts))
    except ContractError as error:
        raise UsageError(f"--dataset {name}: its contract is in error and set aside: {error}") from None
    return name
