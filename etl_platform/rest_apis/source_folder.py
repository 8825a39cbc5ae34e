"""Loads the declared APIs of a folder. source_reader.py parses each of them."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.rest_apis.source import ApiSource
from etl_platform.rest_apis.source_reader import parse_source
from etl_platform.settings import Settings

_SUFFIXES = (".yaml", ".yml")
_RESERVED = frozenset(item.name.upper() for item in fields(Settings))


def load_source(path: Path, contracts: Mapping[str, Contract]) -> ApiSource:
    """Read one declaration; raises ContractError if it is invalid or the file cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot be read: {error}", path=str(path)) from None
    return parse_source(text, str(path), contracts, _RESERVED)


def source_paths(folder: Path) -> list[Path]:
    """The declarations in a folder, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIXES))
    except OSError as error:
        raise ContractError(
            f"the folder of declared APIs cannot be read: {error.strerror}; see API_SOURCES_DIR", path=str(folder)
        ) from None


def load_sources(folder: Path, contracts: Mapping[str, Contract]) -> list[ApiSource]:
    """All declared APIs of a folder, which may be empty.

    Raises:
        ContractError: a declaration is invalid, or two have the same name or fill the same dataset of an agency.
    """
    sources: list[ApiSource] = []
    for path in source_paths(folder):
        source = load_source(path, contracts)
        refuse_clash(source, sources)
        sources.append(source)
    return sources


def refuse_clash(source: ApiSource, others: list[ApiSource]) -> None:
    """Raise ContractError if two declarations have one name or fill one dataset of an agency.

    They would overwrite each other's snapshots.
    """
    for other in others:
        if other.name == source.name:
            raise ContractError(
                f"the name {source.name} is already used by {other.file}; choose another name", path=source.file
            )
    filled = {other.key(resource): other.file for other in others for resource in other.resources}
    for resource in source.resources:
        key = source.key(resource)
        if key in filled:
            message = f"{resource.dataset} of {source.agency} is already filled by {filled[key]}; remove one of them"
            raise ContractError(message, path=source.file)
        filled[key] = source.file
