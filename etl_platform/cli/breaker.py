"""``etl-platform breaker``: show and reset the circuit breaker of s3_data_quality_job."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, add_group
from etl_platform.cli.caller import identify_or_name
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.circuit_breaker import BreakerStatus


def add(commands: Commands) -> None:
    group = add_group(commands, "breaker", "Show and reset the circuit breaker of s3_data_quality_job")
    status = add_command(
        group,
        "status",
        "Show whether the circuit breaker stops new runs, and until when",
        "etl-platform breaker status --json",
    )
    status.set_defaults(command=_status)
    reset = add_command(
        group,
        "reset",
        "Close the circuit breaker, so that the sensor starts runs at its next tick",
        "etl-platform breaker reset",
    )
    reset.set_defaults(command=_reset)
    for command in (status, reset):
        command.add_argument("--json", action="store_true", help="print the state as JSON")


def _status(arguments: argparse.Namespace) -> int:
    from etl_platform.defs.intake.breaker_state import breaker_status
    from etl_platform.defs.open_instance import open_instance

    settings = load_settings()
    with open_instance(settings) as instance:
        _print(breaker_status(instance, settings), as_json=arguments.json)
    return GOOD


def _reset(arguments: argparse.Namespace) -> int:
    from etl_platform.defs.intake.breaker_state import breaker_status, reset_breaker
    from etl_platform.defs.open_instance import open_instance

    settings = load_settings()
    with open_instance(settings) as instance:
        was_reset = reset_breaker(instance, settings, by=str(identify_or_name(settings)))
        _print(breaker_status(instance, settings), as_json=arguments.json)
    return GOOD if was_reset else BAD


def _print(status: "BreakerStatus", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(status)))
        return
    text = str(status)
    print(text[0].upper() + text[1:])
