"""Whether a contract's ``status`` puts it in force. No files."""

from collections.abc import Iterator

from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.near_names import nearest

NOT_IN_FORCE = frozenset({"proposed", "draft", "retired"})
_IN_FORCE = frozenset({"active", "deprecated"})


def read_status(document: Located) -> str:
    """The status in small letters; a contract without one is active.

    Raises:
        ContractError: a word that resembles one of the standard's, so that it is unclear whether the contract counts.
    """
    written = document.data.get("status")
    status = str("active" if written is None else written).strip().lower()
    if status in NOT_IN_FORCE | _IN_FORCE:
        return status
    if close := nearest(status, NOT_IN_FORCE | _IN_FORCE, 0.75):
        raise document.error(f"status {written!r} is unknown; did you mean {close}?", "status")
    return status


def status_notes(document: Located, status: str) -> Iterator[str]:
    """A sentence about a status other than ``active``."""
    place = f"{document.path}:{document.line('status')}"
    if status in NOT_IN_FORCE:
        yield f"{place}: {not_in_force(status)}"
    elif status != "active":
        yield f"{place}: status {status} does not put the contract out of force; {', '.join(sorted(NOT_IN_FORCE))} do"


def not_in_force(status: str) -> str:
    return f"status {status} puts the contract out of force, so its files wait; write status: active"
