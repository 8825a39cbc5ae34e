"""The contract that a file's header fits, for a file whose name matches none. A hint for people, not a decision."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from etl_platform.engine.contract.model import DATA_SUFFIXES, Contract
from etl_platform.engine.errors import UnreadableFileError

HEAD_BYTES = 1 << 20
"""The start of a file in which its header is looked for; a workbook must be whole, so larger ones have no hint."""
_LEAST_COLUMNS = 2


def may_have_header(file_name: str) -> bool:
    """Whether a file of this name may be a table, so that its header is worth reading."""
    return PurePosixPath(file_name).suffix.lower() in {*DATA_SUFFIXES, ""}


def fitting_contract(path: Path, contracts: Iterable[Contract]) -> Contract | None:
    """The only contract whose required columns are all in the header, with more known columns than unknown ones.

    Args:
        path: the file, or its first HEAD_BYTES.
    """
    from etl_platform.engine.reading.open_table import open_table
    from etl_platform.engine.reading.tables.headers import match_header

    try:
        header = open_table(path, None).header
    except UnreadableFileError:
        return None

    def fits(contract: Contract) -> bool:
        match = match_header(header, contract)
        required = {column.name for column in contract.file_columns if column.required}
        known = len(match.positions)
        return required.isdisjoint(match.missing) and known >= _LEAST_COLUMNS and known > len(match.extra)

    found = [contract for contract in contracts if fits(contract)]
    return found[0] if len(found) == 1 else None


def nearest_contract(header: Sequence[str], contracts: Iterable[Contract]) -> Contract | None:
    """The contract of which a header names the largest share of columns, at least two; None if it names no two."""
    from etl_platform.engine.reading.tables.headers import match_header

    shares = [(_share(len(match_header(header, contract).positions), contract), contract) for contract in contracts]
    best, contract = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return contract if best else None


def _share(known: int, contract: Contract) -> float:
    return known / len(contract.file_columns) if known >= _LEAST_COLUMNS else 0.0


def hint(contract: Contract) -> str:
    """What people read about a file that fits this contract by its columns alone."""
    return (
        f"its columns fit {contract.dataset}: rename it, such as to {contract.physical_name}, "
        "or have its name added to the contract"
    )
