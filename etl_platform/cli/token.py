"""``etl-platform token``: a new token for an agency, and its line for the file of tokens. Nothing is stored."""

import argparse

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD


def add(commands: Commands) -> None:
    command = add_command(
        commands,
        "token",
        "Make a token with which an agency checks files at the gateway",
        "etl-platform token la_new_orleans",
    )
    command.add_argument("agency", metavar="AGENCY", help="the agency's folder, whose overlays apply")
    command.set_defaults(command=_token)


def _token(arguments: argparse.Namespace) -> int:
    from etl_platform.gateway.checks.tokens import new_token

    if not arguments.agency or any(character.isspace() for character in arguments.agency):
        raise UsageError("the agency's folder has no spaces; write %20 for one")
    token, line = new_token(arguments.agency)
    print(f"token, for the agency; it is not shown again:\n  {token}")
    print(f"line, for GATEWAY_CHECK_TOKENS_FILE:\n  {line}")
    return GOOD
