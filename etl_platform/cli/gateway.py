"""``etl-platform gateway``: run the HTTP server until it is stopped."""

import argparse

from etl_platform.cli.arguments import Commands, add_command, port
from etl_platform.engine.exit_codes import GOOD
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    gateway = add_command(
        commands,
        "gateway",
        "Run the HTTP server: SNS notifications to SQS, health, metrics, circuit breaker",
        "etl-platform gateway --host 0.0.0.0 --port 8080",
    )
    gateway.add_argument("--host", help="address to listen on [GATEWAY_HOST, 127.0.0.1]")
    gateway.add_argument(
        "--port", type=port, metavar="PORT", help="port to listen on; 0 chooses a free port [PORT, 8080]"
    )
    gateway.add_argument(
        "--only",
        choices=("webhook", "metrics", "check"),
        help="serve the posts of SNS only, metrics and the breaker only, or the check of files only [all]",
    )
    gateway.set_defaults(command=_gateway)


def _gateway(arguments: argparse.Namespace) -> int:
    from etl_platform.gateway.server import serve
    from etl_platform.gateway.systems import Part
    from etl_platform.logs import configure_logs

    settings = load_settings()
    configure_logs(settings.log_level, "uvicorn")
    chosen = settings.port if arguments.port is None else arguments.port
    serve(settings, arguments.host or settings.gateway_host, chosen, Part(arguments.only) if arguments.only else None)
    return GOOD
