"""``etl-platform api``: check the declarations of REST APIs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, add_group
from etl_platform.engine.errors import ContractError
from etl_platform.engine.exit_codes import GOOD, USAGE
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.rest_apis.source import ApiSource


def add(commands: Commands) -> None:
    check = add_command(
        add_group(commands, "api", "Work with declared REST APIs"),
        "check",
        "Check the declarations of APIs; no API is called",
        "etl-platform api check\n  etl-platform api check api_sources/academy.yaml",
    )
    check.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="a declaration or a folder of them [API_SOURCES_DIR]"
    )
    check.set_defaults(command=_check)


def _check(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.contract_folder import read_folder
    from etl_platform.rest_apis.source_folder import load_source, refuse_clash, source_paths

    settings = load_settings()
    contracts = read_folder(settings.contracts_dir)
    path = arguments.path or settings.api_sources_dir
    paths = [path] if path.is_file() else source_paths(path)
    errors = 0
    sources: list[ApiSource] = []
    for item in paths:
        try:
            source = load_source(item, contracts)
            refuse_clash(source, sources)
        except ContractError as error:
            errors += 1
            print(error, file=sys.stderr)
            continue
        sources.append(source)
        datasets = ", ".join(resource.dataset for resource in source.resources)
        print(f"{item}: {source.name} of {source.agency}, {datasets}")
    if not paths:
        print(f"{path}: no API is declared in this folder")
    return USAGE if errors else GOOD
