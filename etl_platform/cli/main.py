"""The command line: parse, call one function, print. Each command group lives in ``commands``.

Exit 0 good, 1 bad data or failure, 2 usage or contract error.
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
from etl_platform.cli.arguments import BAD, GOOD, USAGE
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError
from etl_platform.errors import SettingsError
from etl_platform.settings import code_version

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
    """Entry point of ``etl-platform`` and ``python -m etl_platform``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console of another encoding than UTF-8 has no arrow, and a file's name may hold bytes that are no text.
            stream.reconfigure(errors="replace")
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        return _flushed(int(arguments.command(arguments)))
    except (ContractError, SettingsError, UsageError) as error:
        print(f"etl-platform: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader has seen enough, as in `… | head`; Python would complain once more at exit.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
        return GOOD
    except (EtlPlatformError, OSError) as error:
        print(f"etl-platform: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return 130


def _flushed(code: int) -> int:
    """The exit code, once stdout has really been written."""
    sys.stdout.flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="etl-platform", description="Check, ingest and follow the files that agencies deliver."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {code_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(commands)
    return parser
