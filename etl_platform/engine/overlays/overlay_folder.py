"""The overlays beside the contracts of a folder: ``agencies/<agency>/<dataset>.yaml``.

Each is read when a file of its agency needs it, so a thousand contracts load as fast with overlays as without.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.engine.near_names import did_you_mean, nearest
from etl_platform.engine.overlays.add_synonyms import add_synonyms
from etl_platform.engine.overlays.overlay_reader import apply_overlay

AGENCIES = "agencies"
_SUFFIX = ".yaml"
_YAML = (_SUFFIX, ".yml")
_DEEPEST = 4
"""Levels of folders below ``agencies`` in which a misplaced overlay is still found."""
_AGENCY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._%~-]{1,200}")
"""The name of a partition; anything else could leave the folder."""


def overlay_path(contract: Contract, agency: str) -> Path:
    """Where the overlay of an agency is, or would be."""
    return Path(contract.path).parent.joinpath(AGENCIES, agency, f"{contract.dataset}{_SUFFIX}")


def for_agency(contract: Contract, agency: str) -> Contract:
    """The contract as it reads the files of an agency; the contract itself if the agency has no overlay.

    Args:
        agency: the name of its partition.

    Raises:
        ContractError: the overlay is in error. Files of other agencies are not concerned.
        OSError: an error of the machine.
    """
    if not _AGENCY.fullmatch(agency):
        return contract
    path = overlay_path(contract, agency)
    text = _read(path)
    return contract if text is None else apply_overlay(contract, text, str(path), _name(path))


def why_without(contract: Contract, agency: str) -> str:
    """Which file an agency does not have, and an agency of a similar name that has it."""
    path = overlay_path(contract, agency)
    others = agencies_of(list_overlays(path.parents[2])).get(contract.dataset, [])
    return f"there is no file {path}{did_you_mean(agency, others)}"


def _name(path: Path) -> str:
    """The path below the folder of the contracts."""
    return "/".join(path.parts[-3:])


def _read(path: Path) -> str | None:
    """The text of an overlay; None if the file does not exist."""
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        message = f"cannot be read: byte {error.start + 1:,} is not UTF-8; save it as UTF-8"
        raise ContractError(message, path=str(path)) from None
    except (PermissionError, IsADirectoryError) as error:
        raise ContractError(f"cannot be read: {error.strerror}", path=str(path)) from None


def write_synonyms(contract: Contract, agency: str, synonyms: Mapping[str, str]) -> str:
    """Add synonyms to the overlay of an agency; what was done, in a line for people.

    Args:
        synonyms: by header of the file, the column that it means.

    Raises:
        ContractError: as ``add_synonyms``; the overlay is not changed.
        UsageError: no partition has such a name.
        OSError: the folder cannot be written.
    """
    if not _is_partition(agency):
        raise UsageError(f"--agency {agency}: no partition has such a name; name the agency's folder")
    path = overlay_path(contract, agency)
    before = _read(path)
    after = add_synonyms(contract, before, str(path), _name(path), synonyms)
    if after == (before or ""):
        return f"{path}: nothing to add"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A reader never sees half a file.
    new = path.with_name(f".{path.name}.new")
    new.write_text(after, "utf-8", newline="")
    new.replace(path)
    return f"{path}: synonyms added for {', '.join(synonyms.values())}"


def partition_name(agency: str) -> str:
    """The partition of an agency that a person names by its folder, or by the partition itself."""
    return quote(unquote(agency), safe="-_.")


def list_overlays(folder: Path) -> list[Path]:
    """What looks like YAML below ``agencies``, sorted; other files are for people. Nothing is read."""
    # A folder "Agencies" is found by a laptop, and by nothing in S3.
    tops = [path for path in _entries(folder) if path.name.casefold() == AGENCIES]
    return sorted(path for top in tops for path in _yaml_below(top, _DEEPEST))


def _yaml_below(folder: Path, levels: int) -> Iterator[Path]:
    for path in _entries(folder):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in _YAML:
            yield path
        elif levels:
            yield from _yaml_below(path, levels - 1)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def agencies_of(overlays: Iterable[Path]) -> dict[str, list[str]]:
    """By dataset, the agencies with an overlay, sorted."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in overlays:
        if is_overlay(path):
            found[path.stem].append(path.parent.name)
    return {dataset: sorted(agencies) for dataset, agencies in found.items()}


def unused_overlays(overlays: Iterable[Path], datasets: Iterable[str]) -> Iterator[ContractError]:
    """An error for each file below ``agencies`` that no file of an agency would ever be read with."""
    known = frozenset(datasets)
    for path in overlays:
        if not is_overlay(path):
            message = f"is not an overlay; overlays are {AGENCIES}/<agency>/<dataset>{_SUFFIX}"
        elif not _is_partition(path.parent.name):
            name = partition_name(path.parent.name)
            hint = f"; write {name}" if _is_partition(name) else ""
            message = f"{path.parent.name!r} is not the name of a partition{hint}"
        elif path.stem not in known:
            close = nearest(path.stem, known)
            hint = f"did you mean {close}{_SUFFIX}?" if close else "name the file after its dataset"
            message = f"there is no contract of the dataset {path.stem!r}; {hint}"
        else:
            continue
        yield ContractError(message, path=str(path))


def _is_partition(name: str) -> bool:
    # A long name is cut, and ends with ~ and a hash. No folder has a slash in its name.
    return bool(_AGENCY.fullmatch(name)) and "%2F" not in name and ("~" in name or name == partition_name(name))


def is_overlay(path: Path) -> bool:
    """Whether a file is where overlays are."""
    return path.suffix == _SUFFIX and path.parent.parent.name == AGENCIES and path.parents[2].name != AGENCIES
