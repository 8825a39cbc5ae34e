"""The engine's two commands, which check files or check contracts, and the exit codes of errors.

``etl-platform`` offers both among its own commands. ``etl-platform-check`` has only these two: it belongs to the
small distribution, without AWS and Dagster (docs/decisions/0023).
"""

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from etl_platform.engine.argument_parser import ArgumentParser
from etl_platform.engine.check_arguments import add_file_arguments
from etl_platform.engine.check_command import check_files
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import (
    BrokenContract,
    contract_paths,
    load_contract,
    read_contracts,
    read_folder,
)
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError
from etl_platform.engine.exit_codes import BAD, GOOD, USAGE
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.overlays.overlay_folder import (
    agencies_of,
    for_agency,
    is_overlay,
    list_overlays,
    unused_overlays,
)

_PROGRAM = "etl-platform-check"
_EXIT_CODES = "exit codes: 0 accepted; 1 rejected file or failure; 2 invalid argument or contract"
_SHIPPED_CONTRACTS = Path(__file__).parents[1] / "shipped" / "contracts"
# Windows has no SIGHUP.
_STOP = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``etl-platform-check``; it uses the contracts of the wheel."""

    def command() -> int:
        arguments = _parser().parse_args(argv)
        return int(arguments.command(arguments))

    return run_command(_PROGRAM, command)


def run_command(
    program: str,
    command: Callable[[], int],
    *,
    usage_errors: tuple[type[EtlPlatformError], ...] = (ContractError, UsageError),
) -> int:
    """The exit code of a command; its errors are printed to stderr as one line.

    Args:
        usage_errors: errors that the caller of the program has to correct.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Consoles that are not UTF-8 cannot print →, and file names may contain bytes that are not UTF-8.
            stream.reconfigure(errors="replace")
    try:
        with _stopped_by_signals():
            code = command()
        # Here, so that the handlers below see a closed pipe or a full disk.
        sys.stdout.flush()
    except usage_errors as error:
        print(f"{program}: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader closed the pipe, as `… | head` does. Without this, Python prints another error at exit.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
        return GOOD
    except (EtlPlatformError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt as stopped:
        return 128 + (stopped.args[0] if stopped.args else signal.SIGINT)
    return code


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt with their number, so that temporary files are removed.

    They hold values of the files that are read.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for each in before:
            # A second signal must not interrupt the clean-up.
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    here = threading.current_thread() is threading.main_thread()
    # nohup ignores SIGHUP; keep that.
    before = [each for each in _STOP if here and signal.getsignal(each) is signal.SIG_DFL]
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    except Exception as error:
        if received:
            # A library wraps what its callbacks raise, as DuckDB does.
            raise KeyboardInterrupt(received[0]) from error
        raise
    finally:
        for each in before:
            signal.signal(each, signal.SIG_DFL)


class _PrintVersion(argparse.Action):
    """Senders are asked which contracts they have: a newer wheel or executable has newer ones."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{_PROGRAM} {version(__name__.partition('.')[0])}")
        for contract in read_folder(_SHIPPED_CONTRACTS).good.values():
            print(f"  {contract.dataset} {contract.version}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog=_PROGRAM,
        description="Check files against their data contracts, without a network.",
        epilog=f"example:\n  {_PROGRAM} file Officer_Detail.csv\n\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=_PrintVersion, nargs=0, help="print the version and the contracts, and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    file = commands.add_parser(
        "file",
        help="check files against their contracts",
        epilog=f"example: {_PROGRAM} file Officer_Detail.csv Training.xlsx --out results",
    )
    add_file_arguments(file)
    file.set_defaults(command=lambda arguments: check_files(arguments, lambda: _SHIPPED_CONTRACTS))
    contract = commands.add_parser("contract", help="check contracts and their rules")
    contract.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    contract.set_defaults(command=lambda arguments: check_contracts(arguments.paths))
    return parser


def _contracts_of(place: Path) -> list[Path]:
    if is_overlay(place) and place.is_file():
        raise UsageError(f"{place} is an overlay; check the folder of its contract: {place.parents[2]}")
    paths = contract_paths(place) if place.is_dir() else [place]
    if not paths:
        raise UsageError(f"{place} has no *.odcs.yaml; name a contract, or a folder of contracts")
    return paths


def check_contracts(places: Sequence[Path]) -> int:
    """Check contracts and those of folders, with the overlays of agencies; print a line for each.

    Errors are printed to stderr.
    """
    from etl_platform.engine.check import check_contract

    errors: list[ContractError] = []
    # A foreign key may refer to the contract beside the one that is named.
    beside = [path for place in places if place.is_file() for path in contract_paths(place.parent)]
    contracts = read_contracts([path for place in places for path in _contracts_of(place)], beside)
    folders = {Path(found.path).parent for found in contracts.all}
    agencies = {folder: agencies_of(list_overlays(folder)) for folder in folders}
    for found in contracts.all:
        try:
            if isinstance(found, BrokenContract) and found.in_force:
                raise found.error
            contract = load_contract(Path(found.path)) if isinstance(found, BrokenContract) else found
            check_contract(contract)
        except ContractError as error:
            _print_error(error, errors)
            continue
        _print_contract(contract)
        _check_overlays(contract, agencies[Path(found.path).parent].get(contract.dataset, ()), errors)
    for folder in filter(Path.is_dir, places):
        for unused in unused_overlays(list_overlays(folder), contracts.datasets):
            _print_error(unused, errors)
    return USAGE if errors else GOOD


def _check_overlays(contract: Contract, agencies: Sequence[str], errors: list[ContractError]) -> None:
    from etl_platform.engine.overlays.check_overlay import check_overlay

    for agency in agencies:
        try:
            adapted = for_agency(contract, agency)
            check_overlay(adapted)
        except ContractError as error:
            _print_error(error, errors)
            continue
        if (overlay := adapted.overlay) is not None:
            print(f"  {overlay.name}")
            for line in (*overlay.settings, *overlay.meaning_texts):
                print(f"    {line}")


def _print_error(error: ContractError, errors: list[ContractError]) -> None:
    errors.append(error)
    for each in error.errors:
        print(each, file=sys.stderr)


def _print_contract(contract: Contract) -> None:
    from etl_platform.engine.rules.contract_rules import contract_rules

    derived = len(contract.columns) - len(contract.file_columns)
    columns = counted(len(contract.columns), "column") + (f" ({derived} of them derived)" if derived else "")
    rules = len(contract_rules(contract)) + len(contract.dataset_rules)
    print(f"{contract.path}: {contract.dataset}, {columns}, {counted(rules, 'rule')}")
    for note in contract.notes:
        print(f"  {note.removeprefix(contract.path).lstrip(': ')}")
