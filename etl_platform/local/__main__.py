"""``python -m etl_platform.local``: the commands of make demo, dev, drop, drop-email and infra/local."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from etl_platform.errors import SettingsError
from etl_platform.local.processes import LocalStackError

_EPILOG = """\
example:
  make dev                                             # in one terminal
  python -m etl_platform.local drop Officer_Detail.csv --agency nm_albuquerque

exit codes: 0 success, 1 failure, 2 invalid argument or setting, 130 interrupted
"""
_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    _stop_on_signals()
    try:
        return int(arguments.run(arguments))
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; all processes are stopped", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m etl_platform.local", description=__doc__, epilog=_EPILOG, formatter_class=layout
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run every job on sample data and check the results")
    demo.set_defaults(run=_demo)
    dev = commands.add_parser("dev", help="run the same stack with Dagster's UI until Ctrl-C")
    dev.add_argument(
        "--keep", action="store_true", help="keep bucket, queues and history in .local/kept for the next --keep"
    )
    dev.add_argument("--ui-port", type=int, default=3000, metavar="PORT", help="of Dagster's UI [3000]")
    dev.add_argument("--emulator-port", type=int, default=4566, metavar="PORT", help="of the AWS emulator [4566]")
    dev.set_defaults(run=_dev)
    drop = commands.add_parser(
        "drop", help="upload one file into the running dev stack", epilog=_EPILOG, formatter_class=layout
    )
    drop.add_argument("file", metavar="FILE", help="the file to upload")
    drop.add_argument("--agency", default="", help="the sender, such as nm_albuquerque")
    drop.add_argument("--key", help="the object key [from_client/AGENCY/<name of FILE>]")
    drop.set_defaults(run=_drop, parser=drop)
    email = commands.add_parser("drop-email", help="send sample emails into the running dev stack")
    email.add_argument("--count", type=int, default=5, metavar="N", help="how many [5]")
    email.add_argument("--poison", action="store_true", help="also send a message that is not an email")
    email.set_defaults(run=_drop_email, parser=email)
    provision = commands.add_parser("provision", help="create buckets, topic, queues and subscriptions in an emulator")
    provision.add_argument("endpoint_url", metavar="URL", help="the emulator, such as http://127.0.0.1:4566")
    provision.set_defaults(run=_provision)
    return parser


def _demo(_: argparse.Namespace) -> int:
    from etl_platform.local.demo import run_demo

    return run_demo()


def _dev(arguments: argparse.Namespace) -> int:
    from etl_platform.local.dev import run_dev

    try:
        run_dev(keep=arguments.keep, ui_port=arguments.ui_port, emulator_port=arguments.emulator_port)
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    return 0


def _drop(arguments: argparse.Namespace) -> int:
    from etl_platform.local.dev import drop, runs_page

    if not arguments.file:
        arguments.parser.error("FILE is empty: make drop FILE=path AGENCY=nm_albuquerque")
    if not arguments.agency.strip(" /") and not arguments.key:
        arguments.parser.error("AGENCY is empty: make drop FILE=path AGENCY=nm_albuquerque")
    if not Path(arguments.file).is_file():
        arguments.parser.error(f"FILE: {arguments.file!r} does not exist")
    key = drop(Path(arguments.file), arguments.agency, arguments.key)
    print(f"Uploaded as {key}")
    print(f"Watch its run:  {runs_page()}")
    print("Its outcome:    .venv/bin/etl-platform status")
    return 0


def _drop_email(arguments: argparse.Namespace) -> int:
    from etl_platform.local.dev import drop_email, runs_page

    if arguments.count < 0:
        arguments.parser.error("--count takes a whole number from 0")
    sent = drop_email(arguments.count, poison=arguments.poison)
    print(f"Sent {sent} messages to the email queue")
    print(f"Watch their run:  {runs_page()}")
    return 0


def _provision(arguments: argparse.Namespace) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    from etl_platform.local.emulator import is_emulator
    from etl_platform.local.provision import provision

    url = arguments.endpoint_url
    if not is_emulator(url):
        raise LocalStackError(f"no emulator answers at {url}; start one: make dev or infra/local/docker-compose.yml")
    try:
        made = provision(url)
    except (BotoCoreError, ClientError) as error:
        raise LocalStackError(f"the emulator at {url} refused: {error}") from error
    for name, value in made.environment.items():
        print(f"{name}={value}")
    return 0


def _stop_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt once; later signals do not interrupt the clean-up."""
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    # nohup ignores SIGHUP; keep that.
    signals = [number for number in signals if number != signal.SIGHUP or not _is_ignored(number)]

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, stop)


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


if __name__ == "__main__":
    sys.exit(main())
