"""The engine's two commands, which check one file or check contracts, and the exit codes of errors.

``etl-platform`` offers both among its own commands. ``etl-platform-check`` has only these two: it belongs to the
small distribution, without AWS and Dagster (docs/decisions/0023).
"""

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.engine.contract.contract_folder import (
    contract_paths,
    load_contract,
    load_contracts,
    refuse_duplicate_dataset,
)
from etl_platform.engine.contract.model import Contract, choose_contract
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError

if TYPE_CHECKING:
    from etl_platform.engine.result import CheckResult

GOOD, BAD, USAGE = 0, 1, 2
"""Exit codes: good; bad data or a failure; wrong arguments or a broken contract."""

_PROGRAM = "etl-platform-check"
_SHIPPED_CONTRACTS = Path(__file__).parents[1] / "shipped" / "contracts"


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
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Check files against their data contracts, without a network.",
        epilog="exit codes: 0 accepted; 1 rejected file or failure; 2 invalid argument or contract",
    )
    parser.add_argument("--version", action="version", version=version(__name__.partition(".")[0]))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    file = commands.add_parser("file", help="check one file against its contract")
    add_file_arguments(file)
    file.set_defaults(command=lambda arguments: check_one_file(arguments, lambda: _SHIPPED_CONTRACTS))
    contract = commands.add_parser("contract", help="check contracts and their rules")
    contract.add_argument("path", type=Path, metavar="PATH", help="a file or folder")
    contract.set_defaults(command=lambda arguments: check_contracts(arguments.path))
    return parser


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that ``check_one_file`` reads."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--contract", metavar="PATH_OR_NAME", help="contract file or dataset name [chosen by the file's name]"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep silver, quarantine and report.json there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--profile-only", action="store_true", help="read and profile any file, without a contract")


def check_one_file(arguments: argparse.Namespace, contracts_folder: Callable[[], Path]) -> int:
    """Check a file and print the verdict.

    Args:
        contracts_folder: called only where ``--contract`` is not a file.
    """
    if not arguments.file.is_file():
        problem = "is not a file" if arguments.file.exists() else "does not exist"
        raise UsageError(f"{arguments.file} {problem}; name one file to check")
    if arguments.profile_only and arguments.contract:
        raise UsageError("--profile-only reads without a contract; leave --contract out")
    contract = None if arguments.profile_only else _choose_contract(arguments, contracts_folder)
    result = _check(arguments, contract)
    if arguments.json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        _print_verdict(arguments.file.name, contract, result)
    return BAD if result.errors else GOOD


def _choose_contract(arguments: argparse.Namespace, contracts_folder: Callable[[], Path]) -> Contract:
    name = arguments.contract
    if name and Path(name).is_file():
        return load_contract(Path(name))
    contracts = load_contracts(contracts_folder())
    if name:
        if name not in contracts:
            raise UsageError(f"--contract {name}: neither a file nor one of {', '.join(contracts)}")
        return contracts[name]
    contract = choose_contract(contracts.values(), arguments.file.name)
    if contract is None:
        raise UsageError(
            f"no contract matches the file name {arguments.file.name}; name one with --contract "
            f"({', '.join(contracts)}) or look at the file with --profile-only"
        )
    return contract


def _check(arguments: argparse.Namespace, contract: Contract | None) -> "CheckResult":
    from etl_platform.engine.check import RESULTS, check_file, profile_file, write_report
    from etl_platform.engine.check_progress import CheckProgress

    progress = CheckProgress()
    with tempfile.TemporaryDirectory(prefix="etl-platform-") as scratch:
        out = arguments.out or Path(scratch)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from None
        if any(path.exists() and path.samefile(arguments.file) for path in map(out.joinpath, RESULTS)):
            raise UsageError(f"--out {out}: {arguments.file} would be overwritten there; name another folder")
        try:
            result = (
                check_file(arguments.file, contract, out, progress, as_of=datetime.now(UTC).date())
                if contract
                else profile_file(arguments.file, progress)
            )
        finally:
            progress.clear()
        if arguments.out:
            write_report(result, out)
    return result


def _print_verdict(file_name: str, contract: Contract | None, result: "CheckResult") -> None:
    from etl_platform.engine.rules.contract_rules import describe_reasons
    from etl_platform.engine.text_report import profile_table, verdict

    print(verdict(file_name, contract.dataset if contract else None, result))
    if contract is not None and result.reasons:
        print("", *describe_reasons(contract, result.reasons), sep="\n")
    if contract is None and result.profile:
        print(f"\n{profile_table(result.profile)}")


def check_contracts(path: Path) -> int:
    """Check one contract or those of a folder; print a line for each, and errors to stderr."""
    from etl_platform.engine.check import check_contract
    from etl_platform.engine.rules.contract_rules import contract_rules

    paths = contract_paths(path) if path.is_dir() else [path]
    if not paths:
        raise UsageError(f"{path} has no *.odcs.yaml; name a contract, or a folder of contracts")
    broken = 0
    seen: dict[str, Contract] = {}
    for item in paths:
        try:
            contract = load_contract(item)
            check_contract(contract)
            refuse_duplicate_dataset(contract, seen.setdefault(contract.dataset, contract))
        except ContractError as error:
            broken += 1
            print(error, file=sys.stderr)
            continue
        for note in contract.notes:
            print(note, file=sys.stderr)
        derived = len(contract.columns) - len(contract.file_columns)
        columns = f"{len(contract.columns)} columns" + (f" ({derived} of them derived)" if derived else "")
        rules = len(contract_rules(contract)) + len(contract.dataset_rules)
        print(f"{item}: {contract.dataset}, {columns}, {rules} rules")
    return USAGE if broken else GOOD
