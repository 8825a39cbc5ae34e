"""``etl-platform notify test``: sends a test event to each channel, and prints what became of it."""

import argparse
import logging
from datetime import UTC, datetime

from etl_platform.cli.arguments import Commands, add_command, add_group
from etl_platform.engine.errors import EtlPlatformError, UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    group = add_group(commands, "notify", "Try the channels to which events of deliveries are sent")
    test = add_command(
        group,
        "test",
        "Send a test event to each channel; exit code 1 if one does not take it",
        "etl-platform notify test\n  etl-platform notify test topic",
    )
    test.add_argument("channel", nargs="?", metavar="CHANNEL", help="topic, or the name of a contact [all]")
    test.set_defaults(command=_test)


def _test(arguments: argparse.Namespace) -> int:
    from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
    from etl_platform.platform import Platform

    platform = Platform(load_settings())
    channels = platform.channels
    if not channels:
        raise UsageError(f"there is no channel; set DELIVERY_EVENTS_TOPIC_ARN, or write {platform.contacts_file}")
    chosen = [channel for channel in channels if arguments.channel in {None, channel.name}]
    if not chosen:
        names = [channel.name for channel in channels]
        raise UsageError(f"unknown channel {arguments.channel}{did_you_mean_or_all(arguments.channel, names)}")
    now = datetime.now(UTC)
    event = DeliveryEvent(id=f"{now:%Y%m%dT%H%M%S%f}.test", kind=EventKind.TEST, at=now)
    code, width = GOOD, max(len(channel.name) for channel in chosen)
    # Here Apprise may say what went wrong, with servers and addresses.
    logging.getLogger("apprise").setLevel(logging.WARNING)
    for channel in chosen:
        try:
            error = "the event was refused" if channel.send([event]) else ""
        except EtlPlatformError as raised:
            error = str(raised)
        print(f"{'FAILED' if error else 'sent':<6}  {channel.name:<{width}}  {error or event.id}")
        code = BAD if error else code
    return code
