"""``etl-platform contract``: check, compare, draft and fetch contracts, suggest synonyms, make tables of AWS Glue."""

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from etl_platform.cli.arguments import Commands, add_command, add_group
from etl_platform.cli.contract_versions import compare_versions
from etl_platform.engine.command_line import check_contracts
from etl_platform.engine.contract.model import NAME, file_stem
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.plain_text import counted
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    group = add_group(commands, "contract", "Work with contracts")
    _add_check(group)
    _add_versions(group)
    _add_draft(group)
    _add_suggest(group)
    _add_fetch(group)
    _add_glue(group)
    _add_template(group)
    _add_dictionary(group)


def _add_check(group: Commands) -> None:
    command = add_command(
        group,
        "check",
        "Check contracts and their rules",
        "etl-platform contract check\n  etl-platform contract check contracts/training.odcs.yaml",
    )
    command.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders [CONTRACTS_DIR]")
    command.set_defaults(command=_check)


def _add_versions(group: Commands) -> None:
    command = add_command(
        group,
        "versions",
        "Compare contracts with their earlier versions in git: what was changed needs a new version",
        "etl-platform contract versions\n  etl-platform contract versions contracts --since origin/main",
    )
    command.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="of contracts [CONTRACTS_DIR]")
    command.add_argument("--since", metavar="COMMIT", help="[HEAD, and where the branch left the main one, or HEAD^]")
    command.set_defaults(command=compare_versions)


def _add_draft(group: Commands) -> None:
    command = add_command(
        group,
        "draft",
        "Write a first contract for files of one kind: types, keys, allowed values and the evidence for each",
        "etl-platform contract draft Jail_Bookings.csv --out contracts/jail_bookings.odcs.yaml\n"
        "  etl-platform contract draft aurora/Training.csv tulsa/Courses.xlsx --dataset training",
    )
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="one or several, such as months, or files of several agencies",
    )
    command.add_argument("--dataset", type=_dataset, metavar="NAME", help="[made from the names of the files]")
    command.add_argument("--out", type=Path, metavar="PATH", help="the file to write; by default it is printed")
    command.set_defaults(command=_draft)


def _add_suggest(group: Commands) -> None:
    command = add_command(
        group,
        "suggest",
        "Pair the columns that a file lacks with those that its contract does not know, and print the synonyms to add",
        "etl-platform contract suggest Officer_Detail.csv\n"
        "  etl-platform contract suggest roster_2026.xlsx --contract officer_detail\n"
        "  etl-platform contract suggest Officer_Detail.csv --agency nm_albuquerque --apply",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="a file whose header has changed")
    command.add_argument(
        "--contract", metavar="PATH_OR_NAME", help="contract file or dataset name [by the file's name, else its header]"
    )
    command.add_argument("--agency", metavar="A", help="the sender; suggest for its overlay instead of the contract")
    command.add_argument("--apply", action="store_true", help="write the synonyms into the overlay of --agency")
    command.set_defaults(command=_suggest)


def _add_fetch(group: Commands) -> None:
    command = add_command(
        group,
        "fetch",
        "Copy contracts and their reference tables from S3 into a folder, and check them",
        "etl-platform contract fetch s3://etl-file-processing-client-etl/contracts/ /etc/etl-platform/contracts",
    )
    command.add_argument("source", type=_place, metavar="s3://BUCKET/PREFIX/", help="where the *.odcs.yaml are")
    command.add_argument("folder", type=Path, metavar="DIR", help="created if it does not exist")
    command.set_defaults(command=_fetch)


def _add_glue(group: Commands) -> None:
    command = add_command(
        group,
        "glue",
        "Write the columns of silver and of the reports for AWS Glue and Athena, as Terraform in JSON",
        "etl-platform contract glue --out infra/file_processing/terraform/glue_tables.tf.json",
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="the file to write; by default it is printed")
    command.set_defaults(command=_glue)


def _add_template(group: Commands) -> None:
    command = add_command(
        group,
        "template",
        "Write an empty workbook for senders: the header with notes, and drop-downs where values are listed",
        "etl-platform contract template officer_detail --out Officer_Detail.xlsx",
    )
    command.add_argument("dataset", metavar="DATASET", help="such as officer_detail")
    command.add_argument("--out", type=Path, metavar="FILE.xlsx", required=True, help="the file to write")
    command.add_argument("--agency", metavar="A", help="the sender, whose own words the drop-downs have")
    command.set_defaults(command=_template)


def _add_dictionary(group: Commands) -> None:
    command = add_command(
        group,
        "dictionary",
        "Write what contracts require as a page for senders: files, columns, rules",
        "etl-platform contract dictionary --html dictionary.html\n"
        "  etl-platform contract dictionary officer_detail --html officer_detail.html",
    )
    command.add_argument("datasets", metavar="DATASET", nargs="*", help="such as officer_detail [all in force]")
    command.add_argument("--html", type=Path, metavar="OUT", required=True, help="the page to write")
    command.add_argument("--agency", metavar="A", help="the sender, whose own headers and formats the page has")
    command.set_defaults(command=_dictionary)


def _place(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([A-Za-z0-9._-]{3,255})/((?:.+/)?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a prefix of S3; write s3://bucket/prefix/ and end it with /")
    return match[1], match[2]


def _dataset(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name; use letters, digits and _, a letter first")
    return text


def _suggest(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check_progress import CheckProgress
    from etl_platform.engine.suggest_command import suggest_synonyms

    if arguments.apply and not arguments.agency:
        raise UsageError("--apply writes the overlay of an agency; name it with --agency")
    with CheckProgress("comparing columns"):
        lines = suggest_synonyms(
            arguments.file,
            arguments.contract,
            lambda: load_settings().contracts_dir,
            arguments.agency,
            apply=arguments.apply,
        )
    print("\n".join(lines))
    return GOOD


def _draft(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check_progress import CheckProgress
    from etl_platform.engine.drafting.draft import draft_contract

    for path in arguments.files:
        if not path.is_file():
            problem = "is not a file" if path.exists() else "does not exist"
            raise UsageError(f"{path} {problem}; name the files to draft from")
    out = arguments.out
    if out is not None and out.exists():
        raise UsageError(f"--out {out}: the file exists and may have been edited; name another one")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}; create it")
    with CheckProgress("reading the files") as progress:
        draft = draft_contract(arguments.files, arguments.dataset, datetime.now(UTC).date(), progress)
    if out is None:
        print(draft.text, end="")
        return GOOD
    out.write_text(draft.text, "utf-8")
    print(f"{out}: {draft.dataset}, {counted(draft.columns, 'column')}, drafted from {counted(draft.rows, 'row')}")
    if draft.quarantined:
        breaks = "1 of these rows breaks" if draft.quarantined == 1 else f"{draft.quarantined:,} of these rows break"
        print(f"{breaks} it and would be quarantined; its comments say why")
    return GOOD


def _fetch(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check_progress import CheckProgress
    from etl_platform.storage.fetch_contracts import fetch_contracts
    from etl_platform.storage.s3_store import S3Store

    bucket, prefix = arguments.source
    with CheckProgress("copying contracts"):
        written = fetch_contracts(S3Store(load_settings()), bucket, prefix, arguments.folder)
    if not written:
        raise UsageError(f"s3://{bucket}/{prefix} holds no *.odcs.yaml; name the prefix of the contracts")
    print(f"{counted(len(written), 'file')} copied from s3://{bucket}/{prefix} to {arguments.folder}")
    if check_contracts([arguments.folder]) != GOOD:
        # A pod that fetches contracts must start: the definitions set those in error aside and show them.
        print("contracts in error are copied too and will be set aside", file=sys.stderr)
    return GOOD


def _glue(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.contract_folder import load_contracts
    from etl_platform.tables.glue import terraform_json

    contracts = load_contracts(load_settings().contracts_dir)
    text = terraform_json(contracts.values())
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text, "utf-8")
        print(f"{counted(len(contracts), 'table')} written to {arguments.out}")
    return GOOD


def _template(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check_arguments import require_target
    from etl_platform.engine.contract_folder import read_folder
    from etl_platform.engine.overlays.overlay_folder import for_agency, partition_name
    from etl_platform.engine.spreadsheets.template import write_template

    require_target("--out", arguments.out, ".xlsx")
    if arguments.out.exists():
        raise UsageError(f"--out {arguments.out}: the file exists and may have been filled in; name another one")
    contract = read_folder(load_settings().contracts_dir).named(arguments.dataset)
    if arguments.agency:
        contract = for_agency(contract, partition_name(arguments.agency))
    write_template(contract, arguments.out)
    columns, name = counted(len(contract.file_columns), "column"), file_stem(contract.physical_name)
    print(f"{arguments.out}: {contract.dataset}, {columns}; save the filled file as {name}.xlsx")
    return GOOD


def _dictionary(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.check_arguments import require_target
    from etl_platform.engine.contract_folder import read_folder
    from etl_platform.engine.overlays.overlay_folder import for_agency, partition_name
    from etl_platform.engine.pages.dictionary_page import dictionary_page

    require_target("--html", arguments.html, ".html")
    folder = read_folder(load_settings().contracts_dir)
    contracts = [folder.named(name) for name in arguments.datasets or folder.good]
    if arguments.agency:
        contracts = [for_agency(contract, partition_name(arguments.agency)) for contract in contracts]
    arguments.html.write_text(dictionary_page(contracts), "utf-8")
    print(f"{arguments.html}: {counted(len(contracts), 'dataset')}")
    return GOOD


def _check(arguments: argparse.Namespace) -> int:
    places = arguments.paths or [load_settings().contracts_dir]
    code = check_contracts(places)
    for folder in filter(Path.is_dir, places):
        _check_contacts(folder)
    return code


def _check_contacts(folder: Path) -> None:
    """Print how many contacts there are; ContractError if their file is in error."""
    from etl_platform.engine.contract_folder import read_folder
    from etl_platform.notifications.contacts import FILE
    from etl_platform.notifications.contacts_reader import read_contacts

    path = folder / FILE
    if path.exists():
        contacts = read_contacts(path, read_folder(folder).datasets)
        print(f"{path}: {counted(len(contacts), 'contact')}")
