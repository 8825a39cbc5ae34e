"""Text → rows, each with its damage; after a broken row, reading resumes at the next line. No frames, no files.

A quote that is out of place costs the row that it is in, not the rest of the file. The time is linear in the text: a
quoted cell that never closes is followed once, and no line in between is followed again.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from etl_platform.engine.columns import BAD_QUOTE, SPANS_ROWS, TOO_FEW, TOO_MANY
from etl_platform.engine.reading.delimited.cell_grammar import CellRun, cell_grammar
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.standard_lines import StandardLines

MAX_ROW_BYTES = 32 << 20
"""A quoted cell that is open for longer never closes."""
LOOK_BACK_ROWS = 20
"""Rows above a line that ends a broken cell which may be lines of that cell."""
_LINE = re.compile(r"[^\r\n]*+(\r\n|[\r\n]|\Z)")
_BLANK_LINES = re.compile(r"(?:[ \t]*+(?:\r\n|[\r\n]))++")
_EMPTY_LINES = re.compile(r"(?:\r\n|[\r\n])++")


class SplitRow(NamedTuple):
    """One row of a text, or a run of blank lines, which has no cells.

    Attributes:
        line, after: 1-based lines on which it and the row after it begin.
        end: offset in the text after the row.
        cells: without quotes and escapes; as written where the quotes are wrong.
        damage: a reason of ``engine.columns``.
        quoted: how many cells were well quoted; at least 1 if any.
        inner_row: the first line within a quoted cell that looks like a row of its own.
        opens: its last quote opens a cell that does not close as it should.
        odd: its unquoted cells have an odd number of quotes, so one of them may close a cell from above.
    """

    line: int
    after: int
    end: int
    cells: list[str]
    damage: str | None = None
    quoted: int = 0
    inner_row: int | None = None
    opens: bool = False
    odd: bool = False


def split_rows(
    text: str, row_format: RowFormat, first_line: int = 1, *, final: bool = True, max_row: int = MAX_ROW_BYTES
) -> Iterator[SplitRow]:
    """Rows of a text that begins with a row.

    Args:
        final: nothing follows the text. Otherwise a last row that may continue is left out.
        max_row: characters of the longest row.
    """
    above: deque[SplitRow] = deque()
    rows_since_opened = LOOK_BACK_ROWS
    for row in _Splitter(text, row_format, final=final, max_row=max_row).rows(first_line):
        closes = row.odd and rows_since_opened < LOOK_BACK_ROWS
        rows_since_opened = 0 if row.opens else rows_since_opened + 1
        if closes:
            _mark_up_to(above, lambda known: known.opens)
        elif row.odd and row.damage == BAD_QUOTE and len(row.cells) < row_format.usual_width:
            _mark_up_to(above, lambda known: known.quoted > 0)
        above.append(row._replace(damage=BAD_QUOTE) if closes else row)
        if len(above) > LOOK_BACK_ROWS:
            yield above.popleft()
    yield from above


def _mark_up_to(above: deque[SplitRow], is_first: Callable[[SplitRow], bool]) -> None:
    """Mark the rows above a line that ends a broken cell: they may be lines of that cell."""
    for place in reversed(range(len(above))):
        row = above[place]
        if row.cells:
            above[place] = row._replace(damage=row.damage or BAD_QUOTE)
        if is_first(row):
            return


def _count_lines(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


class _Splitter:
    """Reads rows of one text.

    Attributes:
        failed: offset up to which a quote that opens is known not to close.
        recovering: the row above broke off within a quoted cell, so lines that are not clean rows may belong to it.
        doubtful: that row is short, so even a clean line below it may be the end of its cell.
    """

    def __init__(self, text: str, row_format: RowFormat, *, final: bool, max_row: int) -> None:
        self.text, self.format, self.final, self.max_row = text, row_format, final, max_row
        self.grammar = cell_grammar(row_format)
        self.standard = StandardLines(self.grammar)
        self.failed = 0
        self.recovering = self.doubtful = False
        self._blank = _EMPTY_LINES if row_format.usual_width == 1 else _BLANK_LINES

    def rows(self, line: int) -> Iterator[SplitRow]:
        text, grammar, place = self.text, self.grammar, 0
        while place < len(text):
            if text[place] in " \t\r\n" and (blank := self._blank.match(text, place)):
                after = line + _count_lines(text, place, blank.end())
                yield SplitRow(line, after, blank.end(), [])
                place, line = blank.end(), after
                continue
            match = _LINE.match(text, place)
            assert match
            if not match[1] and not self.final:
                return
            body = text[place : match.start(1)]
            if grammar.is_plain(body):
                row: SplitRow | None = self._plain_row(grammar.split(body), line, match.end())
            else:
                row = self._quoted_row(place, match.start(1), match.end(), line)
            if row is None:
                return
            yield row
            place, line = row.end, row.after

    def _plain_row(self, cells: list[str], line: int, end: int) -> SplitRow:
        damage = self._recovered(self._width_damage(cells), clean=True)
        return SplitRow(line, line + 1, end, cells, damage)

    def _quoted_row(self, start: int, stop: int, end: int, line: int) -> SplitRow | None:
        """The row on a line with quotes; None if it continues beyond the text."""
        text, grammar = self.text, self.grammar
        known = self.standard.cells(text[start:stop])
        if known is not None:
            damage = self._recovered(self._width_damage(known), clean=True)
            return SplitRow(line, line + 1, end, known, damage, quoted=1)
        run = grammar.read(text, start, stop)
        if run.broken is None:
            damage = BAD_QUOTE if grammar.is_stray(run, text) else self._width_damage(run.cells)
            damage = self._recovered(damage, clean=not run.literal)
            odd = sum(text.count(grammar.quote or "", *span) for span in run.literal) % 2 == 1
            return SplitRow(line, line + 1, end, run.cells, damage, run.quoted, odd=odd)
        opens = run.broken == stop
        if opens and start >= self.failed:
            limit = min(len(text), start + self.max_row)
            rest = grammar.read(text, run.end, limit)
            if limit == len(text) and not self.final and self._may_continue(rest):
                return None
            if rest.broken is None and (limit == len(text) or rest.end < limit):
                row = self._spanning_row(start, line, run, rest)
                if row is not None:
                    return row
            self.failed = max(end, limit if rest.broken == limit else self._line_start(rest.broken or rest.end - 1))
        elif not opens and grammar.quote:
            opens = text.count(grammar.quote, start, stop) % 2 == 1
        self.recovering = self.recovering or opens
        cells = grammar.cells_with_stray_quotes(text[start:stop])
        self.doubtful = opens and len(cells) < self.format.usual_width
        if len(cells) != self.format.usual_width:
            cells = grammar.loose_cells(text[start:stop])
        return SplitRow(line, line + 1, end, cells, BAD_QUOTE, opens=opens)

    def _recovered(self, damage: str | None, *, clean: bool) -> str | None:
        """The damage of a row, considering the row above. A row without damage and without stray quotes is clean."""
        if not self.recovering:
            return damage
        self.recovering = damage is not None or not clean
        doubtful, self.doubtful = self.doubtful, False
        return BAD_QUOTE if self.recovering or doubtful else None

    def _may_continue(self, run: CellRun) -> bool:
        """Whether more text could change this row, which was read up to the end of the text."""
        size = len(self.text)
        return run.broken == size or (run.broken is None and run.end == size and not self.text.endswith(("\r", "\n")))

    def _spanning_row(self, start: int, line: int, first: CellRun, rest: CellRun) -> SplitRow | None:
        """A row whose quoted cell closes on a later line; None if more likely a stray quote hides whole rows."""
        text, grammar = self.text, self.grammar
        cells, quoted = first.cells + rest.cells, first.quoted + rest.quoted
        bounds = [match.span() for match in _LINE.finditer(text, start, rest.end)]
        lines = [text[begin:end].rstrip("\r\n") for begin, end in bounds if begin < rest.end]
        after = line + len(lines)
        damage = self._width_damage(cells)
        if grammar.is_stray(first._replace(cells=cells, quoted=quoted), text) or grammar.is_stray(rest, text):
            damage = BAD_QUOTE
        if self.format.usual_width > 1:
            alike = [len(grammar.loose_cells(text)) == self.format.usual_width for text in lines]
            if damage is None and all(alike) and self._begin_alike(lines):
                if len(lines) > LOOK_BACK_ROWS:
                    return None
                damage = SPANS_ROWS
            elif damage is not None and any(alike[1:]):
                clean = [self._is_clean(text) for text in lines[1:]]
                if clean[-1] or sum(clean) > LOOK_BACK_ROWS:
                    return None
            inner = next((line + place for place, found in enumerate(alike[1:-1], start=1) if found), None)
        else:
            inner = None
        damage = self._recovered(damage, clean=True)
        return SplitRow(line, after, rest.end, cells, damage, quoted, inner)

    def _is_clean(self, line: str) -> bool:
        """Whether a line is a row of the usual width without doubtful quotes."""
        run = self.grammar.read(line, 0, len(line))
        usual = len(run.cells) == self.format.usual_width
        return run.broken is None and usual and not self.grammar.is_stray(run, line)

    def _begin_alike(self, lines: Sequence[str]) -> bool:
        """Whether either all lines begin with a quoted cell, or none does."""
        return len({line.startswith(self.grammar.quote or "\0") for line in lines}) == 1

    def _line_start(self, place: int) -> int:
        return max(self.text.rfind("\n", 0, place), self.text.rfind("\r", 0, place)) + 1

    def _width_damage(self, cells: Sequence[str]) -> str | None:
        if self.format.fits(cells):
            return None
        return TOO_FEW if len(cells) < self.format.usual_width else TOO_MANY
