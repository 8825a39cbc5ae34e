"""``etl-platform contract …``: work with the contracts themselves."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import GOOD, USAGE, Commands, add_command, add_group
from etl_platform.engine.contract.contract_folder import contract_paths, load_contract, refuse_second
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.engine.contract.model import Contract


def add(commands: Commands) -> None:
    group = add_group(commands, "contract", "Work with contracts")
    check = add_command(
        group,
        "check",
        "Check contracts, their rules included",
        "etl-platform contract check\n  etl-platform contract check contracts/training.odcs.yaml",
    )
    check.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a file or folder [CONTRACTS_DIR]")
    check.set_defaults(command=_check)

    fetch = add_command(
        group,
        "fetch",
        "Copy contracts and their reference tables from S3 into a folder, and check them",
        "etl-platform contract fetch s3://etl-file-processing-client-etl/contracts/ /etc/etl-platform/contracts",
    )
    fetch.add_argument("source", type=_place, metavar="s3://BUCKET/PREFIX/", help="where *.odcs.yaml lie")
    fetch.add_argument("folder", type=Path, metavar="DIR", help="made if it is not there")
    fetch.set_defaults(command=_fetch)


def _place(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([A-Za-z0-9._-]{3,255})/((?:.+/)?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no s3://bucket/prefix/ that ends with /")
    return match[1], match[2]


def _fetch(arguments: argparse.Namespace) -> int:
    from etl_platform.storage.fetch_contracts import fetch_contracts
    from etl_platform.storage.s3_store import S3Store

    bucket, prefix = arguments.source
    written = fetch_contracts(S3Store(load_settings()), bucket, prefix, arguments.folder)
    if not written:
        raise UsageError(f"s3://{bucket}/{prefix}: no *.odcs.yaml here")
    print(f"{len(written)} files of s3://{bucket}/{prefix} in {arguments.folder}")
    return _check(argparse.Namespace(path=arguments.folder))


def _check(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check import check_contract
    from etl_platform.engine.rules.contract_rules import contract_rules

    path = arguments.path or load_settings().contracts_dir
    paths = contract_paths(path) if path.is_dir() else [path]
    if not paths:
        raise UsageError(f"{path}: no *.odcs.yaml here")
    wrong = 0
    seen: dict[str, Contract] = {}
    for item in paths:
        try:
            contract = load_contract(item)
            check_contract(contract)
            refuse_second(contract, seen.setdefault(contract.dataset, contract))
        except ContractError as error:
            wrong += 1
            print(error, file=sys.stderr)
            continue
        for note in contract.notes:
            print(note, file=sys.stderr)
        made = len(contract.columns) - len(contract.file_columns)
        columns = f"{len(contract.columns)} columns" + (f" ({made} of them made here)" if made else "")
        rules = len(contract_rules(contract)) + len(contract.dataset_rules)
        print(f"{item}: {contract.dataset}, {columns}, {rules} rules")
    return USAGE if wrong else GOOD
