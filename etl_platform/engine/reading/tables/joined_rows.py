"""Headers whose names span several rows: group names above, or parts of names. Texts only, no files."""

from collections import Counter
from collections.abc import Container, Sequence
from itertools import zip_longest

from etl_platform.engine.contract.model import fold
from etl_platform.engine.reading.tables.below_header import NumberedRow
from etl_platform.engine.reading.tables.header_words import has_header_word, is_name, is_value

JOINED_ROWS = 3
"""Rows that a header can have."""
_LEAST_ALIKE = 3
"""So many equal names and no other one say nothing about their columns."""
_MOST, _HALF, _QUARTER = 0.8, 0.5, 0.25
"""Shares of cells with a word of which names are made. Cells of data seldom have one."""


def join_rows(rows: Sequence[Sequence[str]], known: Container[str]) -> list[str]:
    """One header from several rows, of which the last holds the names.

    A name is the cells of its column from top to bottom, or some of them. A group name also counts for the columns on
    its right.
    """
    columns = list(zip_longest(*[[cell.strip() for cell in row] for row in rows], fillvalue=""))
    groups: list[Sequence[str]] = [[""] * len(rows), *columns]
    joined: list[str] = []
    for place, (*own, below) in enumerate(columns, start=1):
        groups[place] = tuple(cell or left for cell, left in zip(columns[place - 1], groups[place - 1], strict=True))
        spread = groups[place][:-1] if below else own
        parts = list(filter(None, (*spread, below)))
        names = [" ".join(parts[start:]) for start in range(len(parts))]
        names += [" ".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
        names += [" ".join(filter(None, (*own, below))), *filter(None, reversed(own))]
        joined.append(next((name for name in names if fold(name) in known), names[0] if names else ""))
    return joined


def rows_of_header(rows: Sequence[NumberedRow], line: int) -> Sequence[NumberedRow]:
    """Without a contract: the rows that are one header with the one on ``line``; empty if that row is the header alone.

    Only a row that leaves columns without a name of their own is completed, and only by rows that give each one.
    """
    filled = [row for row in rows if any(cell.strip() for cell in row[2])]
    place = next((place for place, row in enumerate(filled) if row[0] == line), None)
    if place is None or _names_all(filled[place][2]):
        return ()
    own, below = filled[place][2], [cells for _, _, cells in filled[place + 1 :]]
    for above, more in ((1, 0), (0, 1), (1, 1), (0, 2)):
        joined = filled[max(0, place - above) : place + more + 1]
        texts = [cells for _, _, cells in joined]
        completed = not more or _complete(own, below[:more], below[more:])
        if len(joined) == above + more + 1 and completed and _is_one_header(texts):
            return joined
    return ()


def _names_all(cells: Sequence[str]) -> bool:
    """Whether each column up to the last named one has a name of its own."""
    names = [fold(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return all(names) and len(set(names)) == len(names)


def _is_one_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows give each of their columns a name of its own, and no cell of them is a value."""
    return _names_all(join_rows(rows, ())) and not any(is_value(cell) for row in rows for cell in row)


def _complete(upper: Sequence[str], lower: Sequence[Sequence[str]], below: Sequence[Sequence[str]]) -> bool:
    """Whether rows below a header complete its names, rather than being the first rows of data."""
    last = {place: row[place] for row in lower for place in range(len(row)) if row[place].strip()}
    columns = {place: {row[place] for row in below if place < len(row)} for place in last}
    if not last or any(last[place] in columns[place] for place in last):
        return False
    groups = _grouped(upper)
    names = {fold(upper[place]) for place in groups} - {""}
    own = {place for place, cell in enumerate(upper) if cell.strip()} - groups
    words = sum(map(has_header_word, last.values())) / len(last)
    names_alone = sum(map(_is_header_word, last.values())) / len(last) if all(map(is_name, last.values())) else 0.0
    if own.isdisjoint(last) and own:
        is_filled = any(row[place].strip() for row in below for place in own & {*range(len(row))})
        return is_filled and (len(names) > 1 or words >= _HALF)
    if len(names) == 1 and not own:
        return len(upper) >= _LEAST_ALIKE and len(last) == len(upper) and words >= _QUARTER
    return names_alone >= (_MOST if own else _HALF)


def _is_header_word(text: str) -> bool:
    return all(map(has_header_word, text.split()))


def _grouped(cells: Sequence[str]) -> set[int]:
    """Places under a name that is repeated, or that blank cells on its right share."""
    times = Counter(map(fold, cells))
    blank = [not cell.strip() for cell in cells]
    shares = (place for place in range(len(cells) - 1) if blank[place + 1])
    return {place for place, cell in enumerate(cells) if blank[place] or times[fold(cell)] > 1} | set(shares)
