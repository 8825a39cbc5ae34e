"""Finds the header row, and matches its cells with the columns of the contract. No files."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.errors import ContradictedOverrideError
from etl_platform.engine.privacy.masking import shape
from etl_platform.engine.reading.tables.below_header import NumberedRow, RowBelow, rows_below
from etl_platform.engine.reading.tables.header_words import are_names, has_header_word, is_value
from etl_platform.engine.reading.tables.joined_rows import JOINED_ROWS, join_rows, rows_of_header

NO_HEADER_MATCH = "no_header_match"
"""The code of a file in which no row names enough columns of the contract."""
HEADER_ROWS = 40
"""Rows from the top in which the header is searched."""
_LEAST_REPEATED = 3
"""Two cells that repeat names show a repeated header; one may be a value that is also a name."""


@dataclass(frozen=True)
class FoundHeader:
    """The header row.

    Attributes:
        first, after: the lines on which it and the row below it begin.
        rows: 1, or 2 or 3 where names span so many rows; ``cells`` then holds the joined names.
        hits: columns of the contract that it names.
        certainty: from 0 to 1.
        below: rows between it and the data, which explain the columns.
        remark: why it may be data.
    """

    first: int
    after: int
    rows: int
    cells: list[str]
    hits: int
    certainty: float
    below: tuple[RowBelow, ...] = ()
    remark: str | None = None


def named_header(rows: list[NumberedRow], contract: Contract) -> FoundHeader | None:
    """The row that names most of the contract's columns.

    Its names cover at least 30 % of the contract's columns, of the required ones, or of its own cells. Two or three
    rows are one header only if together they name more columns than any fewer rows. Blank lines may be between them.
    """
    known = contract.known_headers
    required = {column.name for column in contract.file_columns if column.required}
    best: FoundHeader | None = None

    def consider(first: int, after: int, count: int, cells: list[str]) -> None:
        nonlocal best
        hits = {known[f] for cell in cells if (f := fold(cell)) in known}
        share = max(
            len(hits) / len(contract.file_columns),
            len(hits & required) / len(required) if required else 0.0,
            len(hits) / max(1, sum(bool(cell.strip()) for cell in cells)),
        )
        if len(hits) < min(2, len(contract.file_columns)) or share < 0.3:
            return
        if best is None or (len(hits), share if count == best.rows else 0.0) > (best.hits, best.certainty):
            best = FoundHeader(first, after, count, cells, len(hits), share)

    head = rows[:HEADER_ROWS]
    for first, after, cells in head:
        consider(first, after, 1, cells)
    has_value = [any(map(is_value, filter(str.strip, cells))) for _, _, cells in head]
    for count in range(2, JOINED_ROWS + 1):
        for start in range(len(head) - count + 1):
            if any(has_value[start + 1 : start + count]):
                # A number or a date below the first row: the last rows are data.
                continue
            joined = head[start : start + count]
            texts = [cells for _, _, cells in joined]
            cells = join_rows(texts, known)
            if not _are_complete_above(texts, cells, known):
                consider(joined[0][0], joined[-1][1], count, cells)
    return best


def _are_complete_above(rows: Sequence[Sequence[str]], joined: Sequence[str], known: Container[str]) -> bool:
    """Whether the last of the rows is one of texts below names that are complete.

    Units may be below such names, as long as other names are made of cells of both rows.
    """
    below_names, made_of_both = False, False
    for name, own, last in zip(joined, rows[0], rows[-1], strict=False):
        if fold(name) in known and last.strip():
            below_names = below_names or fold(name) == fold(own)
            made_of_both = made_of_both or fold(name) not in {fold(own), fold(last)}
    return below_names and not made_of_both


def likely_header(rows: list[NumberedRow], width: int) -> FoundHeader | None:
    """Without a contract: the first row of the usual width that is mostly filled, else the first row.

    A row above it that holds only names is the header, whatever its width, if that row looks more like data.
    """
    head = [(row, [cell.strip() for cell in row[2] if cell.strip()]) for row in rows[:HEADER_ROWS]]
    if not head:
        return None
    fits = (place for place, (row, texts) in enumerate(head) if len(row[2]) == width and len(texts) * 2 > width)
    place = next(fits, 0)
    remark = _looks_like_data(head[place][0][2], [cells for _, _, cells in rows[place + 1 :]])
    if remark and sum(len(cells) == width for _, _, cells in rows) == 1:
        # A single row of values has no width that is usual.
        place, remark = 0, _looks_like_data(head[0][0][2], [])
    above = [row for row, texts in head[:place] if _may_name(texts, width)]
    if above and (remark or _header_words(above[-1][2]) > _header_words(head[place][0][2])):
        first, after, cells = above[-1]
        return FoundHeader(first, after, 1, cells, 0, 0.5)
    first, after, cells = head[place][0]
    if remark:
        remark = f"header may be missing: line {first} {remark}"
    return FoundHeader(first, after, 1, cells, 0, 0.5, remark=remark)


def _spanning(found: FoundHeader | None, rows: list[NumberedRow]) -> FoundHeader | None:
    """A likely header with the rows above or below it that complete its names."""
    joined = found and rows_of_header(rows[:HEADER_ROWS], found.first)
    if found is None or not joined:
        return found
    cells = join_rows([texts for _, _, texts in joined], ())
    return replace(found, first=joined[0][0], after=joined[-1][1], rows=len(joined), cells=cells, remark=None)


def _may_name(texts: Sequence[str], width: int) -> bool:
    """Whether a row above names columns, rather than being a title: a single name must be a header word alone."""
    if len(texts) == 1:
        return has_header_word(texts[0]) and len(texts[0].split()) == 1
    return len(texts) * 2 >= width and are_names(texts)


def _header_words(cells: Sequence[str]) -> int:
    return sum(map(has_header_word, cells))


def _looks_like_data(cells: Sequence[str], below: Sequence[Sequence[str]]) -> str | None:
    """Why a row may be data; None for a row of names.

    The header of a second table is no sign of data: it has no digits, and does not follow at once.
    """
    below = [*below[:1], *(row for row in below[1:] if not _is_alike(cells, row))]
    for place, cell in enumerate(cells):
        if is_value(cell):
            return f"has the value {cell.strip()!r}"
        column = [row[place] for row in below if place < len(row)]
        if len(column) > 1 and len(cell.strip()) > 1 and cell in column:
            return f"has {cell.strip()!r}, which is also a value of the column"
        if any(map(str.isdigit, cell)) and len(column) > 1 and {shape(text) for text in column} == {shape(cell)}:
            return f"has {cell.strip()!r}, which looks like the values of the column"
    return None


def _is_alike(header: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether at least half of the filled cells of a row are names of the header above them."""
    filled = [(fold(cell), fold(name)) for cell, name in zip(cells, header, strict=False) if fold(cell)]
    if any(map(str.isdigit, "".join(cells))):
        return False
    return sum(cell == name for cell, name in filled) * 2 >= max(len(filled), _LEAST_REPEATED)


def by_position(rows: list[NumberedRow], contract: Contract, width: int) -> FoundHeader:
    """The contract's columns in their order, for a file without a header. A header that it has is left out.

    Raises:
        UnreadableFileError: ``not_as_pinned`` where most rows have another number of cells, or the first row names
            the columns in another order.
    """
    names = [column.name for column in contract.file_columns]
    surplus = sum(any(cell.strip() for cell in cells[len(names) :]) for _, _, cells in rows)
    if rows and (width < len(names) or (width > len(names) and surplus * 2 > len(rows))):
        raise ContradictedOverrideError(
            "header", f"no header and {len(names)} columns, but most rows have {width} cells"
        )
    nameless = FoundHeader(1, 1, 0, names, len(names), 1.0)
    first = named_header(rows[:1], contract)
    if first is None or first.hits * 2 < len(names):
        return nameless
    positions = match_header(first.cells, contract).positions
    if any(place != names.index(name) for name, place in positions.items()):
        raise ContradictedOverrideError(
            "header", f"no header, but line {first.first} names the columns, in another order than the contract"
        )
    return replace(nameless, after=first.after, below=(RowBelow(first.first, first.after, first.cells, "header"),))


def find_header(
    rows: list[NumberedRow], contract: Contract | None, width: int, overrides: ReadingOverrides
) -> FoundHeader | None:
    """The header of a file, or None.

    Args:
        width: cells of most rows.
        overrides: those of the contract. With a header line, the header is searched nowhere else.

    Raises:
        UnreadableFileError: ``not_as_pinned`` where a file without a header does not fit the contract.
    """
    line, below = overrides.header_line, rows
    if contract is not None and overrides.no_header:
        return by_position(rows, contract, width)
    if line is not None:
        below = [row for row in rows if row[0] >= line]
        rows = below[:JOINED_ROWS]
    found = _spanning(likely_header(rows, width), rows) if contract is None else named_header(rows, contract)
    if found is None:
        return None
    explaining = rows_below([row for row in below if row[0] >= found.after], _known_places(found.cells, contract))
    if explaining:
        found = replace(found, after=explaining[-1].after, below=tuple(explaining))
    if line is None:
        return found
    return replace(found, certainty=1.0) if found.first == line else None


def _known_places(header: Sequence[str], contract: Contract | None) -> set[int]:
    """Positions of the columns that mean something: all with a name, or those that the contract has."""
    if contract is None:
        return {place for place, cell in enumerate(header) if cell.strip()}
    return set(match_header(header, contract).positions.values())


@dataclass(frozen=True)
class HeaderMatch:
    """The columns of the contract that the cells of a file's header name.

    Attributes:
        positions: position of each contract column in the file.
        synonyms: header text → column, where only a synonym matched.
        missing: contract columns that are not in the file.
        extra: headers that match no column.
        duplicates: further positions of a column under the same header; their cells must be equal.
        ambiguous: columns that two different headers match.
    """

    positions: dict[str, int]
    synonyms: dict[str, str]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    duplicates: dict[str, list[int]]
    ambiguous: tuple[str, ...]

    def duplicate_pairs(self) -> list[tuple[int, int]]:
        """Pairs of positions whose cells must be equal."""
        return [(self.positions[name], place) for name, places in self.duplicates.items() for place in places]


def match_header(header: Sequence[str], contract: Contract) -> HeaderMatch:
    """Match exact names first, then names without case and punctuation, then synonyms."""
    positions: dict[str, int] = {}
    synonyms: dict[str, str] = {}
    duplicates: dict[str, list[int]] = {}
    ambiguous: list[str] = []
    taken: set[int] = set()

    def claim(column: str, fits: list[int]) -> None:
        if not fits or column in positions:
            return
        positions[column] = fits[0]
        taken.add(fits[0])
        if any(header[fit] != header[fits[0]] for fit in fits):
            ambiguous.append(column)
        elif len(fits) > 1:
            duplicates[column] = fits[1:]
            taken.update(fits)

    folded = [fold(cell) for cell in header]
    for column in contract.file_columns:
        fits = [i for i, cell in enumerate(folded) if cell == fold(column.name)]
        # The exact name comes first; a second header that differs only in case or space makes the column ambiguous.
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
        duplicates,
        tuple(ambiguous),
    )


def read_columns(header: Sequence[str], contract: Contract | None) -> frozenset[int]:
    """Positions of the columns that the contract reads; without one, of all columns."""
    return frozenset(range(len(header)) if contract is None else match_header(header, contract).positions.values())


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
