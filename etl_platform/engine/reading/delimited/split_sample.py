"""A sample of text split in one row format, and which of several formats explains it best. No header, no files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited.header_width import most_frequent_width
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.row_formats import row_formats
from etl_platform.engine.reading.delimited.split_rows import SplitRow, split_rows
from etl_platform.engine.reading.tables.below_header import NumberedRow

_ROWS = 1_000
_MIN_QUOTED, _MIN_STRAY, _MIN_ESCAPED = 3, 3, 2
"""Cells of a column between apostrophes, lines with stray quotes, and escaped quotes that are no accident."""
_LEAST_SOUND, _EVERYWHERE = 0.9, 0.95
_OFTEN = 0.1
"""Share of the lines with stray quotes within cells from which on they are no accidents."""
_DOUBLED = re.compile(r"'(?=.*\w)[^']*+''(?:[^']|'')*+'", re.DOTALL)
_IN_APOSTROPHES = re.compile(r"'(?=.*\w).*'", re.DOTALL)


@dataclass(frozen=True)
class SplitSample:
    """The first rows of a text in one format.

    Attributes:
        rows: those that are not blank.
        width: the most frequent number of cells in a row.
        width_share: share of the rows that have it.
        sound: lines in rows of that width whose quotes are in place.
        quoted: cells in quotes.
        lines: lines that are not blank.
    """

    format: RowFormat
    rows: list[NumberedRow]
    width: int
    width_share: float
    sound: int
    quoted: int
    lines: int

    @property
    def sound_share(self) -> float:
        return self.sound / self.lines if self.lines else 0.0

    @classmethod
    def of(cls, text: str, row_format: RowFormat, *, whole: bool, first_line: int) -> "SplitSample":
        found = list(islice(_filled_rows(text, row_format, whole=whole, first_line=first_line), _ROWS))
        width, share = most_frequent_width([row.cells for row in found])
        sound = sum(row.after - row.line for row in found if row.damage is None and len(row.cells) == width)
        return cls(
            row_format,
            [(row.line, row.after, row.cells) for row in found],
            width,
            share,
            sound,
            sum(row.quoted for row in found),
            sum(row.after - row.line for row in found),
        )


def _filled_rows(text: str, row_format: RowFormat, *, whole: bool, first_line: int) -> Iterator[SplitRow]:
    start = 0
    for _ in range(first_line - 1):
        start = text.find("\n", start) + 1 or len(text)
    rows = split_rows(text[start:] if start else text, row_format, first_line, final=whole)
    return (row for row in rows if any(cell.strip() for cell in row.cells))


def best_format(
    text: str,
    usual: SplitSample,
    overrides: ReadingOverrides,
    header: Sequence[str],
    delimiter: str,
    *,
    whole: bool,
    first_line: int,
) -> SplitSample:
    """The sample in the format that explains it best.

    Another quote, an escape, or blanks after delimiters need proof: rows that are whole only then, or a style that all
    rows have.

    Args:
        usual: the sample in the usual format.
        header: cells of the header in the usual format.
        delimiter: as it was found or set, before blanks at its end became a property of the format.

    Raises:
        UnreadableFileError: ``dialect_undecidable`` where a column is in apostrophes which are no quotes elsewhere.
    """
    apostrophes = _has_cells_in_apostrophes(usual)
    blanks = _has_blanks_everywhere(usual, header)
    best, best_rank = usual, (0, usual.sound, 0)
    samples = [
        SplitSample.of(text, row_format, whole=whole, first_line=first_line)
        for row_format in row_formats(text, delimiter, overrides)
        if row_format != usual.format and _may_be(row_format, usual, text, apostrophes=apostrophes, blanks=blanks)
    ]
    for sample in samples:
        row_format = sample.format
        # An escape must not break rows that are whole without it.
        plain = [other.sound for other in (usual, *samples) if other.format == replace(row_format, escape=None)]
        changes = (row_format.quote != usual.format.quote) + (row_format.escape is not None)
        style = (apostrophes and row_format.quote == "'") + (blanks and row_format.blank_after_delimiter)
        style += (
            row_format.escape is not None
            and _is_escaped(text, row_format)
            and sample.sound >= max(usual.sound, *plain, 0)
        )
        rank = (style, sample.sound, -changes - row_format.blank_after_delimiter)
        proven = _is_proven(sample, usual, apostrophes=apostrophes, blanks=blanks, escaped=style > 0)
        if proven and sample.sound >= _LEAST_SOUND * usual.sound and rank > best_rank:
            best, best_rank = sample, rank
    if apostrophes and overrides.quote is None and best.format.quote != "'":
        raise UnreadableFileError(
            "dialect_undecidable",
            "cells are in apostrophes, as if they were quotes, but others are in quotes or do not close; "
            'write quotes as " or have the quote set in the contract',
        )
    return best


def _may_be(row_format: RowFormat, usual: SplitSample, text: str, *, apostrophes: bool, blanks: bool) -> bool:
    """Whether a format is worth a try, which takes far longer than to look for its reasons."""
    broken = usual.lines > usual.sound
    quote_may_be = {usual.format.quote: True, None: broken and not usual.quoted, "'": broken or apostrophes}
    return (
        quote_may_be.get(row_format.quote, True)
        and (broken or blanks or not row_format.blank_after_delimiter)
        and (broken or row_format.escape is None or _is_escaped(text, row_format))
    )


def _is_proven(sample: SplitSample, usual: SplitSample, *, apostrophes: bool, blanks: bool, escaped: bool) -> bool:
    """Whether each difference to the usual format has a reason in the text."""
    gain, changed = sample.sound - usual.sound, sample.format
    if changed.blank_after_delimiter and not blanks and (gain <= 0 or _begins_with_blank(usual)):
        return False
    if changed.escape is not None and gain <= 0 and not escaped:
        return False
    if changed.quote == usual.format.quote:
        return True
    if changed.quote is None:
        # A quoted cell that is longer than the sample has no rows of the usual format.
        complete = usual.lines >= _LEAST_SOUND * sample.lines
        counts = _quotes_of_opened_cells(sample, usual)
        # Most cells that begin with a quote have a second one, as nicknames do; a single one is damage.
        natural = 2 * sum(count % 2 == 0 for count in counts) > len(counts) if counts else gain >= _OFTEN * sample.lines
        many = gain >= _MIN_STRAY and natural
        return complete and usual.quoted == 0 and many and not _has_enclosed_cells(sample, usual)
    return usual.quoted * 4 <= sample.quoted and (apostrophes or gain > 0)


def _quotes_of_opened_cells(sample: SplitSample, usual: SplitSample) -> list[int]:
    """How many quotes each cell has that begins with one."""
    quote = usual.format.quote or ""
    return [cell.count(quote) for _, _, cells in sample.rows for cell in cells if cell.startswith(quote)]


def _has_enclosed_cells(sample: SplitSample, usual: SplitSample) -> bool:
    """Whether a cell is between quotes as a whole, such as ``"the "big" one"``: then they may be more than text."""
    quote = usual.format.quote or ""
    texts = (cell.strip() for _, _, cells in sample.rows for cell in cells)
    return any(len(text) > 1 and text.startswith(quote) and text.endswith(quote) for text in texts)


def _is_escaped(text: str, row_format: RowFormat) -> bool:
    """Whether several lines have an escaped quote; row_formats has seen that backslashes are nowhere else."""
    return bool(row_format.quote) and text.count(f"\\{row_format.quote}") >= _MIN_ESCAPED


def _has_cells_in_apostrophes(usual: SplitSample) -> bool:
    """Whether apostrophes seem to be quotes: around each cell of a column, or with doubled apostrophes between."""
    rows = [cells for _, _, cells in usual.rows if len(cells) == usual.width]
    if any(_DOUBLED.fullmatch(cell) for cells in rows for cell in cells if cell[:1] == "'"):
        return True
    enclosed = 0
    for header, *column in zip(*rows, strict=True):
        filled = [cell.strip() for cell in column if cell.strip()]
        if not all(map(_IN_APOSTROPHES.fullmatch, filled)):
            continue
        if len(filled) >= (1 if _IN_APOSTROPHES.fullmatch(header.strip()) else _MIN_QUOTED):
            return True
        enclosed += len(filled)
    # The few rows of a short file prove it together.
    return len(rows) <= _MIN_QUOTED and enclosed >= _MIN_QUOTED


def _has_blanks_everywhere(usual: SplitSample, header: Sequence[str]) -> bool:
    """Whether every delimiter, also in the header, is followed by a blank or ends the line.

    Cells that also end with blanks are padded; their blanks belong to the text.
    """
    rows = [cells[1:] for _, _, cells in usual.rows if len(cells) > 1]
    styled = sum(all(cell[:1] in {"", " "} for cell in cells) and any(cells) for cells in rows)
    padded = sum(any(cell[-1:] == " " and cell.strip() for cell in cells) for cells in rows)
    in_header = len(header) > 1 and all(cell[:1] == " " for cell in header[1:])
    return in_header and styled >= _EVERYWHERE * len(rows) and padded <= (1 - _EVERYWHERE) * len(rows)


def _begins_with_blank(usual: SplitSample) -> bool:
    """Whether a cell begins with a blank, which would be lost, in a row without quotes."""
    rows = (cells for _, _, cells in usual.rows if not any('"' in cell or "'" in cell for cell in cells))
    return any(cell[:1] == " " for cells in rows for cell in cells[1:])
