"""The command that checks files: the contract of each file, the folder of its results, and what is printed."""

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from etl_platform.engine.check_progress import CheckProgress
from etl_platform.engine.contract.contract_folder import load_contract, load_contracts
from etl_platform.engine.contract.model import Contract, choose_contract
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError
from etl_platform.engine.exit_codes import BAD, GOOD, USAGE
from etl_platform.engine.header_fit import fitting_contract, hint
from etl_platform.engine.ignored_names import ignored_name
from etl_platform.engine.named_files import NamedFile, NamedFiles, find_files
from etl_platform.engine.result import CheckResult, FileError


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that ``check_files`` reads."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE_OR_FOLDER", help="files, or folders with all below them"
    )
    parser.add_argument(
        "--contract", metavar="PATH_OR_NAME", help="contract file or dataset name [chosen by each file's name]"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep silver, quarantine and report.json there; of several files in DIR/<file name>/",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON; of several files one a line")
    parser.add_argument("--profile-only", action="store_true", help="read and profile any file, without a contract")


def check_files(arguments: argparse.Namespace, contracts_folder: Callable[[], Path]) -> int:
    """Check files and print the verdicts; the exit code is the worst of all files.

    Args:
        contracts_folder: called only where ``--contract`` is not a file.
    """
    if arguments.profile_only and arguments.contract:
        raise UsageError("--profile-only reads without a contract; leave --contract out")
    found = find_files(arguments.files, arguments.out)
    contracts = _Contracts(arguments.contract, contracts_folder, profile_only=arguments.profile_only)
    if len(arguments.files) > 1 or arguments.files[0].is_dir():
        return _check_many(found, contracts, arguments)
    file = found.files[0]
    contract = contracts.choose(file)
    result = _check(file.path, contract, arguments.out, CheckProgress())
    if arguments.json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        _print_verdict(file.label, contract, result)
    return BAD if result.errors else GOOD


class NotADeliveryError(UsageError):
    """A file that would be ignored on arrival, with the code that its report would have."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class _Contracts:
    """The contract of each file; contracts are read once."""

    def __init__(self, name: str | None, folder: Callable[[], Path], *, profile_only: bool) -> None:
        self._name, self._folder, self._profile_only = name, folder, profile_only

    @cached_property
    def _named(self) -> Contract | None:
        """The contract that the arguments name."""
        if not self._name:
            return None
        if Path(self._name).is_file():
            return load_contract(Path(self._name))
        if self._name not in self._all:
            raise UsageError(f"--contract {self._name}: neither a file nor one of {', '.join(self._all)}")
        return self._all[self._name]

    @cached_property
    def _all(self) -> dict[str, Contract]:
        return load_contracts(self._folder())

    def read(self) -> None:
        """Raise now what concerns all files, such as a broken contract."""
        if not self._profile_only and self._named is None:
            self._all  # noqa: B018

    def choose(self, file: NamedFile) -> Contract | None:
        """None if files are only profiled; NotADeliveryError if the name decides and no contract matches it."""
        if self._profile_only:
            return None
        if self._named:
            return self._named
        name = file.path.name
        if ignored := ignored_name(name):
            raise NotADeliveryError(ignored.code, f"{name} would be ignored on arrival: {ignored.message}")
        contract = choose_contract(self._all.values(), name)
        if contract is None:
            fits = fitting_contract(file.path, self._all.values())
            problem = f"no contract matches the file name {name}; " + (f"{hint(fits)}; " if fits else "")
            advice = f"name one with --contract ({', '.join(self._all)}) or look at the file with --profile-only"
            raise NotADeliveryError("no_contract", problem + advice)
        return contract


def _check_many(found: NamedFiles, contracts: _Contracts, arguments: argparse.Namespace) -> int:
    """Check each file; one that cannot be checked does not stop the others."""
    from etl_platform.engine.text_report import FileLine, not_checked, summary

    contracts.read()
    if arguments.out is not None:
        _make_folder(arguments.out)
    lines: list[FileLine] = []
    worst = GOOD
    for number, file in enumerate(found.files, 1):
        progress = CheckProgress(f"{number:,} of {len(found.files):,} files, ")
        contract, result, code = _check_one_of_many(file, contracts, arguments.out, progress)
        outcome = str(result.outcome) if code is None else "not_checked"
        if arguments.json:
            dataset = contract.dataset if contract else None
            document = {"file": str(file.path), "dataset": dataset} | result.to_json() | {"outcome": outcome}
            print(json.dumps(document, ensure_ascii=False))
        elif code is None:
            _print_verdict(file.label, contract, result)
            print()
        else:
            print(f"{not_checked(file.label, result.errors[0])}\n")
        worst = max(worst, (BAD if result.errors else GOOD) if code is None else code)
        lines.append(FileLine(file.label, outcome, result.rows or 0, result.accepted_rows or 0, result.errors[:1]))
    if not arguments.json:
        print(summary(lines, found.left_out))
    return worst


def _check_one_of_many(
    file: NamedFile, contracts: _Contracts, out: Path | None, progress: CheckProgress
) -> tuple[Contract | None, CheckResult, int | None]:
    """Contract and result; if the file cannot be checked, the exit code and a result with the reason alone."""
    contract = None
    try:
        contract = contracts.choose(file)
        return contract, _check(file.path, contract, None if out is None else out / file.label, progress), None
    except NotADeliveryError as error:
        code, reason, message = USAGE, error.code, str(error)
    except (ContractError, UsageError) as error:
        code, reason, message = USAGE, "failed", str(error)
    except (EtlPlatformError, OSError, MemoryError) as error:
        code, reason, message = BAD, "failed", str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 - a file with a fault of the program must not stop the others
        code, reason, message = BAD, "failed", f"unexpected error: {type(error).__name__}: {error}"
    return contract, CheckResult(errors=(FileError(reason, message),)), code


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from None


def _check(path: Path, contract: Contract | None, out: Path | None, progress: CheckProgress) -> CheckResult:
    """Check one file, or profile it; results stay in ``out``."""
    from etl_platform.engine.check import RESULTS, check_file, profile_file, write_report

    with tempfile.TemporaryDirectory(prefix="etl-platform-") as scratch:
        folder = out or Path(scratch)
        _make_folder(folder)
        if any(result.exists() and result.samefile(path) for result in map(folder.joinpath, RESULTS)):
            raise UsageError(f"--out {folder}: {path} would be overwritten there; name another folder")
        try:
            result = (
                check_file(path, contract, folder, progress, as_of=datetime.now(UTC).date())
                if contract
                else profile_file(path, progress)
            )
        finally:
            progress.clear()
        if out:
            write_report(result, folder)
    return result


def _print_verdict(label: str, contract: Contract | None, result: CheckResult) -> None:
    from etl_platform.engine.rules.contract_rules import describe_reasons
    from etl_platform.engine.text_report import profile_table, verdict

    print(verdict(label, contract.dataset if contract else None, result))
    if contract is not None and result.reasons:
        print("", *describe_reasons(contract, result.reasons), sep="\n")
    if contract is None and result.profile:
        print(f"\n{profile_table(result.profile)}")
