"""``etl-platform ui``: Dagster's UI with everything that changes something, for pages of one origin."""

import argparse
import re
from pathlib import Path

from etl_platform.cli.arguments import Commands, add_command, port
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD


def add(commands: Commands) -> None:
    ui = add_command(
        commands,
        "ui",
        "Run Dagster's UI for pages of one origin; it has no login, so put one in front of it",
        "etl-platform ui --origin https://etl.example.gov --workspace workspace.yaml",
    )
    ui.add_argument(
        "--origin",
        type=_origin,
        required=True,
        help="scheme and host of the UI in browsers; what a page of another origin sends is refused",
    )
    ui.add_argument("--workspace", type=Path, required=True, metavar="FILE", help="Dagster's workspace.yaml")
    ui.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    ui.add_argument("--port", type=port, default=3000, metavar="PORT", help="port to listen on [3000]")
    ui.set_defaults(command=_ui)


def _ui(arguments: argparse.Namespace) -> int:
    if not arguments.workspace.is_file():
        raise UsageError(f"there is no file {arguments.workspace}; name Dagster's workspace.yaml")
    from etl_platform.defs.writable_ui import serve_writable_ui

    serve_writable_ui(arguments.workspace, arguments.origin, arguments.host, arguments.port)
    return GOOD


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin; write https://HOST, without a path")
    return text
