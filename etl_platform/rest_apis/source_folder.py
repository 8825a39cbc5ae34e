"""Loads the declared APIs of a folder. source_reader.py parses each of them."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.errors import ContractError
from etl_platform.rest_apis.source import ApiSource
from etl_platform.rest_apis.source_reader import parse_source
from etl_platform.settings import Settings

_SUFFIXES = (".yaml", ".yml")
_RESERVED = frozenset(item.name.upper() for item in fields(Settings))


@dataclass(frozen=True)
class SourceFolder:
    """The declared APIs of a folder, and the errors of those that are set aside."""

    good: list[ApiSource] = field(default_factory=list)
    broken: tuple[ContractError, ...] = ()


def load_source(path: Path, contracts: ContractFolder) -> ApiSource:
    """Read one declaration; raises ContractError if it is invalid or the file cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot be read: {error}", path=str(path)) from None
    in_error = {broken.dataset: broken.error for broken in contracts.broken}
    return parse_source(text, str(path), contracts.good, _RESERVED, in_error)


def source_paths(folder: Path) -> list[Path]:
    """The declarations in a folder, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIXES))
    except OSError as error:
        raise ContractError(
            f"the folder of declared APIs cannot be read: {error.strerror}; see API_SOURCES_DIR", path=str(folder)
        ) from None


def read_sources(folder: Path, contracts: ContractFolder) -> SourceFolder:
    """The declared APIs of a folder, which may be empty; those in error are set aside.

    Raises:
        ContractError: the folder cannot be read.
    """
    sources: list[ApiSource] = []
    broken: list[ContractError] = []
    for path in source_paths(folder):
        try:
            sources.append(load_source(path, contracts))
        except ContractError as error:
            broken.append(error)
        except Exception as error:  # noqa: BLE001 - a fault of the reader must not stop the other APIs
            message = f"cannot be read: {type(error).__name__}: {error}; report this, with the declaration"
            broken.append(ContractError(message, path=str(path)))
    good: list[ApiSource] = []
    for source in sources:
        try:
            refuse_clash(source, [other for other in sources if other is not source])
            good.append(source)
        except ContractError as error:
            broken.append(error)
    return SourceFolder(good, tuple(sorted(broken, key=lambda error: error.path)))


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
