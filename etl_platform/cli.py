"""The command line: parse, call one function, print.

Exit 0 good, 1 bad data or failure, 2 usage or contract error.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl_platform.adapters.contract_files import contract_paths, load_contract, load_contracts, refuse_second
from etl_platform.core.contracts import Contract, choose_contract
from etl_platform.core.errors import ContractError, EtlPlatformError, SettingsError, UsageError
from etl_platform.settings import Settings, load_settings

GOOD, BAD, USAGE = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``etl-platform`` and ``python -m etl_platform``."""
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = _command(
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

    contract = commands.add_parser("contract", help="Work with contracts")
    contract_commands = contract.add_subparsers(required=True, metavar="COMMAND")
    contract_check = _command(
        contract_commands,
        "check",
        "Check contracts, their rules included",
        "etl-platform contract check\n  etl-platform contract check contracts/training.odcs.yaml",
    )
    contract_check.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a file or folder [CONTRACTS_DIR]")
    contract_check.set_defaults(command=_check_contracts)

    status = _command(
        commands,
        "status",
        "Show what arrived and what became of it, newest first",
        "etl-platform status --since 7d",
    )
    status.add_argument(
        "--since", type=_age, default=timedelta(hours=24), metavar="AGE", help="such as 90m, 24h, 7d [24h]"
    )
    status.add_argument("--agency", metavar="A", help="one agency only")
    status.add_argument("--json", action="store_true", help="print the records as JSON lines")
    status.set_defaults(command=_status)

    jobs = _command(commands, "jobs", "List the jobs", "etl-platform jobs")
    jobs.set_defaults(command=_jobs)

    run = _command(
        commands,
        "run",
        "Run one job in this process",
        "etl-platform run s3_data_quality_job -- --events-file contracts/event.json --dry-run",
    )
    run.add_argument("job", metavar="JOB", help="a name that `etl-platform jobs` lists")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGUMENTS", help="the job's own arguments")
    run.set_defaults(command=_run)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, about: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=about,
        description=f"{about}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write 90m, 24h or 7d")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})


def _check(arguments: argparse.Namespace) -> int:
    from etl_platform.console import ProgressLine, profile_table, verdict

    if not arguments.file.is_file():
        raise UsageError(f"{arguments.file}: no such file")
    if arguments.profile_only and arguments.contract:
        raise UsageError("--profile-only reads without a contract; leave --contract out")
    contract = None if arguments.profile_only else _contract_for(arguments, load_settings())
    progress = ProgressLine()
    from etl_platform.check import check_file, profile_file, write_report

    with tempfile.TemporaryDirectory(prefix="etl-platform-") as scratch:
        out = arguments.out or Path(scratch)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from None
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


def _check_contracts(arguments: argparse.Namespace) -> int:
    from etl_platform.core.rule_names import contract_rules
    from etl_platform.core.rules import compile_contract

    path = arguments.path or load_settings().contracts_dir
    paths = [path] if path.is_file() else contract_paths(path)
    if not paths:
        raise UsageError(f"{path}: no *.odcs.yaml here")
    wrong = 0
    seen: dict[str, Contract] = {}
    for item in paths:
        try:
            contract = load_contract(item)
            compile_contract(contract, {})
            refuse_second(contract, seen.setdefault(contract.dataset, contract))
        except ContractError as error:
            wrong += 1
            print(error, file=sys.stderr)
            continue
        for note in contract.notes:
            print(note, file=sys.stderr)
        rules = len(contract_rules(contract)) + len(contract.dataset_rules)
        print(f"{item}: {contract.dataset}, {len(contract.columns)} columns, {rules} rules")
    return USAGE if wrong else GOOD


def _status(arguments: argparse.Namespace) -> int:
    from etl_platform.console import arrived_at, deliveries_table
    from etl_platform.core.layout import segment
    from etl_platform.ledger import Ledger
    from etl_platform.pipelines.resources import Platform

    platform = Platform(load_settings())
    since = datetime.now(UTC) - arguments.since
    records = Ledger(platform.store, platform.bucket).read(since=since)
    if arguments.agency:
        records = [record for record in records if record["agency"] == segment(arguments.agency)]
    records.sort(key=arrived_at, reverse=True)
    if arguments.json:
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
    elif records:
        print(deliveries_table(records))
    else:
        print(f"nothing arrived since {since:%Y-%m-%d %H:%M} UTC")
    return GOOD


def _jobs(_arguments: argparse.Namespace) -> int:
    from etl_platform.jobs import JOBS

    width = max(map(len, JOBS))
    for job in JOBS.values():
        print(f"{job.name.ljust(width)}  {job.summary}")
    return GOOD


def _run(arguments: argparse.Namespace) -> int:
    from etl_platform.jobs import JOBS
    from etl_platform.logs import configure_logs

    job = JOBS.get(arguments.job)
    if job is None:
        raise UsageError(f"there is no job {arguments.job!r}; there is {', '.join(JOBS)}")
    parser = argparse.ArgumentParser(prog=f"etl-platform run {job.name} --", description=job.summary)
    job.add_arguments(parser)
    own = arguments.arguments[1:] if arguments.arguments[:1] == ["--"] else arguments.arguments
    settings = load_settings()
    configure_logs(settings.log_level)
    return job.run(parser.parse_args(own), settings)
