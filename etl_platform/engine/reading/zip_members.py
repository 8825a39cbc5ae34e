"""Which files of a zip are the delivery. Names only; no files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import UnreadableFileError

MAX_MEMBERS = 1_000
_JUNK = re.compile(r"(?:^|/)(?:__MACOSX/|\.|thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")
_TABLES = {".csv", ".tsv", ".xlsx", ".xls"}
_NAMED = 5


@dataclass(frozen=True)
class Chosen:
    """Members to read, in the archive's order, and those left aside; what a desktop adds counts as neither."""

    read: tuple[str, ...]
    ignored: tuple[str, ...]


def choose_members(names: Sequence[str], contract: Contract | None) -> Chosen:
    """The only member; else those whose names fit the contract; else the only one that is a table by its name.

    Raises:
        UnreadableFileError: ``zip_members`` where that leaves none or a choice, ``zip_unsafe`` for a name that
            leads outside the archive.
    """
    if len(names) > MAX_MEMBERS:
        raise UnreadableFileError(
            "zip_members", f"the archive holds {len(names):,} files, more than {MAX_MEMBERS:,}; send each by itself"
        )
    if outside := next((name for name in names if _OUTSIDE.search(name)), None):
        raise UnreadableFileError("zip_unsafe", f"the member {outside!r} would lie outside the archive; pack it again")
    files = [name for name in names if not _JUNK.search(name)]
    chosen = files
    if len(files) > 1:
        chosen = [name for name in files if contract is not None and contract.match(base(name))]
        chosen = chosen or [name for name in files if PurePosixPath(name.lower()).suffix in _TABLES]
        if len(chosen) > 1 and (contract is None or not contract.match(base(chosen[0]))):
            chosen = []
    if not chosen or len(set(chosen)) < len(chosen):
        raise zip_members(files, "none of which alone is the delivery by its name" if files else "")
    return Chosen(tuple(chosen), tuple(name for name in files if name not in chosen))


def base(name: str) -> str:
    return name.rpartition("/")[2]


def zip_members(names: Sequence[str], why: str) -> UnreadableFileError:
    said = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return UnreadableFileError(
        "zip_members", f"the archive holds {len(names)} files" + (f" ({said}), {why}" if names else "") + "; send one"
    )
