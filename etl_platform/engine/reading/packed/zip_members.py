"""Which members of a zip are the delivery, by their names. No files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from etl_platform.engine.contract.file_names import FileNames
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.ignored_names import ignored_name

MAX_MEMBERS = 1_000
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")
_TABLES = {".csv", ".tsv", ".xlsx", ".xls"}
_MAX_NAMED = 5


@dataclass(frozen=True)
class ChosenMembers:
    """Members to read, in the archive's order, and ignored ones; without those whose names are never a delivery."""

    read: tuple[str, ...]
    ignored: tuple[str, ...]


def choose_members(names: Sequence[str], contract: Contract | None) -> ChosenMembers:
    """The only member; else those whose names match the contract; else the only one with the suffix of a table.

    Raises:
        UnreadableFileError: ``zip_members`` where none or several remain, ``zip_unsafe`` for a path that leads
            out of the archive.
    """
    if len(names) > MAX_MEMBERS:
        raise UnreadableFileError(
            "zip_members", f"the archive has {len(names):,} files, more than {MAX_MEMBERS:,}; send fewer in one archive"
        )
    if outside := next((name for name in names if _OUTSIDE.search(name)), None):
        raise UnreadableFileError("zip_unsafe", f"the path {outside!r} leads out of the archive; pack the files again")
    files = [name for name in names if not ignored_name(name)]
    chosen = files
    if len(files) > 1:
        known = FileNames([contract] if contract else [])
        chosen = [name for name in files if known.choose(_base_name(name))]
        if not chosen:
            tables = [name for name in files if PurePosixPath(name.lower()).suffix in _TABLES]
            chosen = tables if len(tables) == 1 else []
    if names and not files:
        raise members_error(names, "whose names are never those of a delivery")
    if not chosen or len(set(chosen)) < len(chosen):
        raise members_error(files, "and their names do not show which one is the delivery" if files else "")
    return ChosenMembers(tuple(chosen), tuple(name for name in files if name not in chosen))


def _base_name(name: str) -> str:
    """The file name; Windows programs may write ``\\`` between folders."""
    return re.split(r"[/\\]", name)[-1]


def members_error(names: Sequence[str], why: str) -> UnreadableFileError:
    """The rejection ``zip_members``; ``why`` follows the names of the files."""
    listed = ", ".join(names[:_MAX_NAMED]) + (" …" if len(names) > _MAX_NAMED else "")
    return UnreadableFileError(
        "zip_members",
        f"the archive has {len(names)} files" + (f" ({listed}), {why}" if names else "") + "; send one file",
    )
