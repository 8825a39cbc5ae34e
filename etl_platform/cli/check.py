"""``etl-platform check``: one file against its contract, on this machine alone."""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from etl_platform.cli.arguments import BAD, GOOD, Commands, add_command
from etl_platform.engine.contract.contract_folder import load_contract, load_contracts
from etl_platform.engine.contract.model import Contract, choose_contract
from etl_platform.engine.errors import UsageError
from etl_platform.settings import Settings, load_settings


def add(commands: Commands) -> None:
    check = add_command(
        commands,
        "check",
        "Check one file against its contract, on this machine alone",
        "etl-platform check Officer_Detail.csv --out result\n  etl-platform check a.csv --contract training --json",
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--contract", metavar="PATH_OR_NAME", help="a contract's file or dataset [by the file's name]")
    check.add_argument("--out", type=Path, metavar="DIR", help="keep silver, quarantine and report.json there")
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.add_argument("--profile-only", action="store_true", help="read and profile any file, without a contract")
    check.set_defaults(command=_check)


def _check(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import profile_table, verdict
    from etl_platform.engine.rules.contract_rules import describe_reasons
    from etl_platform.progress import ProgressLine

    if not arguments.file.is_file():
        raise UsageError(f"{arguments.file}: {'is no file' if arguments.file.exists() else 'no such file'}")
    if arguments.profile_only and arguments.contract:
        raise UsageError("--profile-only reads without a contract; leave --contract out")
    contract = None if arguments.profile_only else _contract_for(arguments, load_settings())
    progress = ProgressLine()
    from etl_platform.engine.check import RESULTS, check_file, profile_file, write_report

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
    report = result.to_json()
    if arguments.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        print(verdict(arguments.file.name, contract.dataset if contract else None, report))
        if contract and report["reasons"]:
            print("", *describe_reasons(contract, report["reasons"]), sep="\n")
        if arguments.profile_only and report["profile"]:
            print(f"\n{profile_table(report['profile'])}")
    return BAD if report["outcome"] == "rejected" else GOOD


def _contract_for(arguments: argparse.Namespace, settings: Settings) -> Contract:
    named = arguments.contract
    if named and Path(named).is_file():
        return load_contract(Path(named))
    contracts = load_contracts(settings.contracts_dir)
    if named:
        if named not in contracts:
            raise UsageError(f"--contract {named}: neither a file nor one of {', '.join(contracts)}")
        return contracts[named]
    contract = choose_contract(contracts.values(), arguments.file.name)
    if contract is None:
        raise UsageError(
            f"no contract knows the file name {arguments.file.name}; name one with --contract ({', '.join(contracts)}) "
            "or look at the file with --profile-only"
        )
    return contract
