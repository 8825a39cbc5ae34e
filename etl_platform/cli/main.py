"""Entry point of ``etl-platform``: parses arguments, calls one command, and turns errors into exit codes.

Exit codes: 0 success; 1 failure, rejected file or finding; 2 invalid argument, setting or contract; 130 interrupted.
"""

import argparse
import io
import os
import sys
from pathlib import Path

from etl_platform.cli import (
    api,
    breaker,
    check,
    contracts,
    dlq,
    doctor,
    gateway,
    history,
    quarantine,
    reconcile,
    replay,
    run_job,
    status,
)
from etl_platform.cli.arguments import BAD, GOOD, USAGE, help_epilog, more_help
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError
from etl_platform.errors import SettingsError

_GROUPS = (
    check,
    contracts,
    api,
    status,
    history,
    quarantine,
    replay,
    reconcile,
    dlq,
    breaker,
    run_job,
    gateway,
    doctor,
)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Consoles that are not UTF-8 cannot print →, and file names may contain bytes that are not UTF-8.
            stream.reconfigure(errors="replace")
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        return _flushed(int(arguments.command(arguments)))
    except (ContractError, SettingsError, UsageError) as error:
        print(f"etl-platform: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader closed the pipe, as `… | head` does. Without this, Python prints another error at exit.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
        return GOOD
    except (EtlPlatformError, OSError) as error:
        print(f"etl-platform: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return 130


def _flushed(code: int) -> int:
    """Flush stdout, so that a closed pipe raises here; returns the exit code."""
    sys.stdout.flush()
    return code


class _PrintVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"etl-platform {version('etl-platform')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="etl-platform",
        description="Check, ingest and trace the files that agencies deliver.",
        epilog=f"{more_help('etl-platform')}\n\n{help_epilog('etl-platform check Officer_Detail.csv')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(commands)
    return parser
