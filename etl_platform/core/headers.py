"""Which row is the header, and which of its cells is which column of the contract. No files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform.core.contracts import Contract, fold

HEADER_ROWS = 40
"""How far down a header is looked for."""

NumberedRow = tuple[int, int, list[str]]
"""First line, line after, cells."""


def named_row(rows: list[NumberedRow], contract: Contract) -> tuple[int | None, float]:
    """The row that names most of the contract's columns; at least half of those it requires, or of all."""
    columns = contract.file_columns
    known = {fold(alias): column.name for column in columns for alias in (column.name, *column.synonyms)}
    required = {column.name for column in columns if column.required}
    best, best_score = None, 0.0
    for index, (_, _, cells) in enumerate(rows[:HEADER_ROWS]):
        hits = {known[f] for cell in cells if (f := fold(cell)) in known}
        share = max(
            len(hits) / len(columns),
            len(hits & required) / len(required) if required else 0.0,
            len(hits) / len(cells),
        )
        score = share if len(hits) >= min(2, len(columns)) else 0.0
        if score > best_score:
            best, best_score = index, score
    return (best, best_score) if best_score >= 0.3 else (None, 0.0)


def widest_row(rows: list[NumberedRow], width: int) -> int | None:
    for index, (_, _, cells) in enumerate(rows[:HEADER_ROWS]):
        if len(cells) == width and sum(bool(cell.strip()) for cell in cells) * 2 > width:
            return index
    return 0 if rows else None


def find_header(sheets: Mapping[str, Sequence[list[str]]], contract: Contract | None) -> tuple[str, int, float] | None:
    """The sheet and 0-based row that hold the header, and how sure that is; None where no sheet does."""
    best: tuple[str, int, float] | None = None
    for name, cells in sheets.items():
        rows = [(i, i, row) for i, row in enumerate(cells) if any(cell.strip() for cell in row)]
        if contract is None:
            found, certainty = widest_row(rows, len(cells[0]) if cells else 0), 0.5
        else:
            found, certainty = named_row(rows, contract)
        if found is not None and (best is None or certainty > best[2]):
            best = (name, rows[found][0], certainty)
    return best


@dataclass(frozen=True)
class HeaderMatch:
    """How a file's header meets a contract.

    Attributes:
        positions: where each contract column stands in the file.
        synonyms: header text → column, where only a synonym matched.
        missing: contract columns that are not there.
        extra: headers that no column claims.
        ambiguous: columns that two headers claim.
    """

    positions: dict[str, int]
    synonyms: dict[str, str]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    ambiguous: tuple[str, ...]


def match_header(header: Sequence[str], contract: Contract) -> HeaderMatch:
    """Exact names first, then folded names, then synonyms."""
    positions: dict[str, int] = {}
    synonyms: dict[str, str] = {}
    ambiguous: list[str] = []
    taken: set[int] = set()

    def claim(column: str, fits: list[int]) -> None:
        if not fits or column in positions:
            return
        positions[column] = fits[0]
        taken.add(fits[0])
        if len(fits) > 1:
            ambiguous.append(column)

    folded = [fold(cell) for cell in header]
    for column in contract.file_columns:
        fits = [i for i, cell in enumerate(folded) if cell == fold(column.name)]
        # The exact name comes first, yet a second header that differs only in case or space is a doubt.
        claim(column.name, sorted(fits, key=lambda i: header[i] != column.name))
    for column in contract.file_columns:
        aliases = {fold(alias) for alias in column.synonyms}
        fits = [i for i, cell in enumerate(folded) if i not in taken and cell in aliases]
        if fits and column.name not in positions:
            synonyms[header[fits[0]]] = column.name
        claim(column.name, fits)
    return HeaderMatch(
        positions,
        synonyms,
        tuple(column.name for column in contract.file_columns if column.name not in positions),
        tuple(cell for i, cell in enumerate(header) if i not in taken and cell.strip()),
        tuple(ambiguous),
    )


def unique_names(header: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Header cells as column names: blanks become ``column_<n>``, repeats and reserved names get a number."""
    names: list[str] = []
    seen = {name.casefold() for name in reserved}
    counts: dict[str, int] = {}
    for position, cell in enumerate(header, start=1):
        base = cell.strip() or f"column_{position}"
        name, count = base, counts.get(base.casefold(), 2)
        while name.casefold() in seen:
            name, count = f"{base}_{count}", count + 1
        counts[base.casefold()] = count
        seen.add(name.casefold())
        names.append(name)
    return names
