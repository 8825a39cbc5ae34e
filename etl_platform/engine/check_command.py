"""The command that checks files: the contract of each file, the folder of its results, and what is printed."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.engine.check_arguments import names_several, refuse_contradictions, require_target
from etl_platform.engine.check_contracts import CheckContracts, NotADeliveryError
from etl_platform.engine.check_output import (
    CheckedFile,
    print_csv,
    print_verdict,
    problems,
    write_page,
    write_refused_rows,
    write_report,
)
from etl_platform.engine.check_progress import CheckProgress
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, EtlPlatformError, UsageError
from etl_platform.engine.exit_codes import BAD, GOOD, USAGE
from etl_platform.engine.named_files import NamedFile, NamedFiles, find_files, require_file
from etl_platform.engine.overlays.overlay_folder import why_without
from etl_platform.engine.result import CheckResult, FileError

if TYPE_CHECKING:
    from etl_platform.engine.isolated import Isolated


def check_files(arguments: argparse.Namespace, contracts_folder: Callable[[], Path]) -> int:
    """Check files and print the verdicts; the exit code is the worst of all files.

    Args:
        contracts_folder: called only where ``--contract`` is not a file.
    """
    refuse_contradictions(arguments)
    if arguments.serve:
        from etl_platform.engine.web_check.local_server import serve

        return serve(arguments, contracts_folder)
    found = find_files(arguments.files, filter(None, (arguments.out, arguments.html, arguments.xlsx)))
    contracts = CheckContracts.read(arguments, contracts_folder)
    if names_several(arguments):
        return _check_many(found, contracts, arguments)
    file = found.files[0]
    require_target("--html", arguments.html, ".html", file.path)
    require_target("--xlsx", arguments.xlsx, ".xlsx", file.path)
    try:
        contract = contracts.choose(file.path.name, file.path)
        checked = _check(file, contract, arguments.out, CheckProgress(), contracts, xlsx=arguments.xlsx)
    except EtlPlatformError as error:
        if arguments.html:
            write_page(contracts.not_checked(file, error), arguments.html)
        raise
    if arguments.xlsx and not checked.result.quarantined_rows:
        print(f"no row is refused, so {arguments.xlsx} is not written", file=sys.stderr)
    if arguments.html:
        write_page(checked, arguments.html)
    if arguments.json:
        print(json.dumps(checked.to_json(), indent=2, ensure_ascii=False))
    elif arguments.csv:
        print_csv(checked)
    else:
        print_verdict(checked)
    return BAD if checked.result.errors else GOOD


@dataclass(frozen=True)
class _Checked:
    """One file of several. ``code`` is the exit code if there is no verdict; the result then has the reason alone."""

    dataset: str | None
    result: CheckResult
    code: int | None = None

    @property
    def exit_code(self) -> int:
        return (BAD if self.result.errors else GOOD) if self.code is None else self.code


def _check_many(found: NamedFiles, contracts: CheckContracts, arguments: argparse.Namespace) -> int:
    """Check each file; one that cannot be checked, or ends the process, does not stop the others."""
    from etl_platform.engine.isolated import Isolated
    from etl_platform.engine.problem_table import problem_table
    from etl_platform.engine.text_report import FileLine, summary

    for option in ("out", "html", "xlsx"):
        if folder := getattr(arguments, option):
            _make_folder(folder, option)
    lines, wrong, worst = list[FileLine](), list[tuple[Any, ...]](), GOOD
    with Isolated(_use_contracts, contracts) as isolated:
        for number, file in enumerate(found.files, 1):
            out = None if arguments.out is None else arguments.out / file.label
            xlsx = None if arguments.xlsx is None else arguments.xlsx / f"{file.label}.xlsx"
            checked = _isolated_check(isolated, file, out, xlsx, f"{number:,} of {len(found.files):,} files, ")
            contract = contracts.of(checked.dataset) if checked.dataset else None
            one = contracts.checked_file(file, contract, checked.result)
            one = replace(one, not_checked=checked.code is not None)
            _give(one, arguments)
            worst = max(worst, checked.exit_code)
            # Not the results: of thousands of files, their profiles would fill the memory.
            rows, accepted = one.result.rows or 0, one.result.accepted_rows or 0
            lines.append(FileLine(file.label, one.outcome, rows, accepted, one.result.errors[:1]))
            wrong += problems(one) if arguments.csv else []
    if arguments.csv:
        problem_table(wrong).print_csv()
    elif not arguments.json:
        print(summary(lines, found.left_out))
    return worst


def _give(file: CheckedFile, arguments: argparse.Namespace) -> None:
    """Print the verdict on one file of several, and write its page."""
    if arguments.html:
        write_page(file, arguments.html / f"{file.label}.html")
    if arguments.json:
        print(json.dumps(file.to_json(), ensure_ascii=False))
    elif not arguments.csv:
        print_verdict(file)
        print()


def _isolated_check(
    isolated: "Isolated", file: NamedFile, out: Path | None, xlsx: Path | None, before: str
) -> _Checked:
    from etl_platform.engine.isolated import ProcessEndedError

    try:
        return isolated.call(_check_one_of_many, file, out, xlsx, before)
    except ProcessEndedError:
        message = "the check of this file ended the process without a result; report it, with the file if you may"
        return _failed(None, BAD, "failed", message)


_contracts = CheckContracts()
"""In the other process: the contracts of all files."""


def _use_contracts(contracts: CheckContracts) -> None:
    global _contracts  # noqa: PLW0603 - a process that checks files has one set of contracts
    _contracts = contracts


def _check_one_of_many(file: NamedFile, out: Path | None, xlsx: Path | None, before: str) -> _Checked:
    contract = None
    try:
        require_file(file.path)
        contract = _contracts.choose(file.path.name, file.path)
        checked = _check(file, contract, out, CheckProgress(before=before), _contracts, xlsx=xlsx)
        return _Checked(contract.dataset if contract else None, checked.result)
    except NotADeliveryError as error:
        return _failed(contract, USAGE, error.code, str(error))
    except (ContractError, UsageError) as error:
        return _failed(contract, USAGE, "failed", str(error))
    except (EtlPlatformError, OSError, MemoryError) as error:
        return _failed(contract, BAD, "failed", str(error) or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - a file with a fault of the program must not stop the others
        return _failed(contract, BAD, "failed", f"unexpected error: {type(error).__name__}: {error}")


def _failed(contract: Contract | None, code: int, reason: str, message: str) -> _Checked:
    return _Checked(contract.dataset if contract else None, CheckResult(errors=(FileError(reason, message),)), code)


def _make_folder(folder: Path, option: str = "out") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--{option} {folder}: {error.strerror}") from None


def _check(
    file: NamedFile,
    contract: Contract | None,
    out: Path | None,
    progress: CheckProgress,
    contracts: CheckContracts,
    *,
    xlsx: Path | None = None,
) -> CheckedFile:
    """Check one file, or profile it; results stay in ``out``, refused rows in ``xlsx``."""
    path, agency = file.path, contracts.agency
    if agency and contract and contract.overlay is None:
        print(f"no overlay of {agency}: {why_without(contract, agency)}", file=sys.stderr)
    from etl_platform.engine.check import RESULTS, check_file, profile_file
    from etl_platform.engine.split import QUARANTINE

    with tempfile.TemporaryDirectory(prefix="etl-platform-") as scratch:
        folder = out or Path(scratch)
        _make_folder(folder)
        if any(result.exists() and result.samefile(path) for result in map(folder.joinpath, RESULTS)):
            raise UsageError(f"--out {folder}: {path} would be overwritten there; name another folder")
        today = contracts.at.date()
        with progress:
            result = (
                check_file(path, contract, folder, progress, as_of=today)
                if contract
                else profile_file(path, progress, as_of=today)
            )
        if contract and contracts.shows_values and result.quarantined_rows:
            from etl_platform.engine.example_values import with_values

            result = with_values(result, contract, folder / QUARANTINE)
        checked = contracts.checked_file(file, contract, result)
        if out:
            write_report(checked, folder)
        if xlsx:
            write_refused_rows(checked, folder / QUARANTINE, xlsx)
    return checked
