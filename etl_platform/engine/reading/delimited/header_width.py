"""Compares the width of the header with that of the rows below it: usual width, and headers that lost a delimiter."""

from collections import Counter
from collections.abc import Sequence

from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.tables.headers import FoundHeader

_MOST = 0.5


def most_frequent_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The most frequent number of cells in a row, and the share of the rows that have it."""
    counts = Counter(map(len, rows))
    if not counts:
        return 0, 0.0
    width, times = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    return width, times / len(rows)


def usual_width(header: Sequence[str], body: Sequence[Sequence[str]]) -> int:
    """Cells that rows below this header have: those of the header, unless most rows have others that are blank.

    Most rows may end in delimiters that the header does not have, or leave out its last columns without a name.
    """
    declared, named = len(header), named_width(header)
    width, share = most_frequent_width(body)
    if share <= _MOST or width < named:
        return declared
    blank = sum(not any(cell.strip() for cell in cells[declared:]) for cells in body)
    return width if blank > _MOST * len(body) else declared


def named_width(header: Sequence[str]) -> int:
    """Cells up to the last one with a name."""
    return max(i for i, cell in enumerate(header, start=1) if cell.strip())


def refuse_short_header(header: FoundHeader, body: Sequence[Sequence[str]], contract: Contract | None) -> None:
    """Refuse a header that lost a delimiter, because its names would belong to the wrong cells.

    Raises:
        UnreadableFileError: ``header_too_short`` where most rows have more cells than the header, which has a name that
            the contract does not know. Where the surplus is blank, that name must be two names in one.
    """
    declared = len(header.cells)
    width, share = most_frequent_width(body)
    if contract is None or width <= declared or share <= _MOST:
        return
    known = contract.known_headers.keys()
    folded = {fold(cell): cell.strip() for cell in header.cells if cell.strip()}
    unknown = [cell for name, cell in folded.items() if name not in known]
    filled = sum(any(cell.strip() for cell in cells[declared:]) for cells in body)
    if filled <= _MOST * len(body):
        missing = known - folded.keys()
        unknown = [
            cell for cell in unknown if fold(cell).startswith(tuple(missing)) or fold(cell).endswith(tuple(missing))
        ]
    if unknown:
        raise UnreadableFileError(
            "header_too_short",
            f"the header on line {header.first} has {declared} cells, but most rows have {width}; "
            f"is a delimiter missing in {unknown[0]!r}? Send one name for each column",
            header.first,
        )
