"""The grammar of cells in one row format: one row at a time, with the place where its quotes go wrong. No widths."""

import re
from functools import lru_cache
from typing import NamedTuple

from etl_platform.engine.reading.delimited.row_format import RowFormat

NULL = "N"
"""After an escape, alone in a cell: no value, as MySQL writes it."""
_TEXT_FORMULA = re.compile(r'\s*="((?:[^"]|"")*+)"\s*')
"""A text that is written as a formula, so that Excel keeps its zeros."""
_INCH = re.compile(r"(?<=[0-9½¼¾⅛⅜⅝⅞'\u2019\u2032])\"")
_PAIRS = re.compile(r'[^"]*+(?:(?<!\w)"[^"\s](?:[^"]*[^"\s])?"(?!\w)[^"]*+)++')
"""Text with words in quotes, such as a nickname."""


class CellRun(NamedTuple):
    """The cells of a row up to its end, or to the cell that could not be read.

    Attributes:
        quoted: how many of them were quoted.
        literal: offsets of the unquoted cells that have a quote in them.
        end: offset after the row, or where the cell begins that could not be read.
        broken: offset of the quote that is out of place, the end of the text for one that never closes; else None.
    """

    cells: list[str]
    quoted: int
    literal: list[tuple[int, int]]
    end: int
    broken: int | None


class CellGrammar:
    """Reads cells of one format."""

    def __init__(self, delimiter: str, quote: str | None, escape: str | None, *, blanks: bool) -> None:
        self.delimiter, self.quote = delimiter, quote
        self.escape = None if escape == quote else escape
        self.is_standard = quote is not None and len(delimiter) == 1 and not self.escape and not blanks
        self._runs = blanks and not delimiter.strip(" ")
        end = f" {{{len(delimiter)},}}" if self._runs else re.escape(delimiter)
        self._blanks = "".join(sorted(set(" \t") - set("" if self._runs else delimiter))) if blanks else ""
        blank = f"[{self._blanks}]*+" if self._blanks else ""
        mark, slash = re.escape(quote or ""), re.escape(self.escape or "")
        self._run = re.compile(end)
        self._escapes = re.compile(f"{slash}(.)")
        plain = rf"(?:(?!{end})[^{slash}\r\n])"
        if len(delimiter) == 1:
            plain = rf"[^{re.escape(delimiter)}{slash}\r\n]"
        bare = rf"(?:{plain}|{slash}[^\r\n])*+" if slash else f"{plain}*+"
        # Blanks at the end of a line are no delimiter where a run of them is one.
        finish = rf"(?: *(\r\n|[\r\n]|\Z)|{end})" if self._runs else rf"(?:{end}|(\r\n|[\r\n]|\Z))"
        self._bare = re.compile(rf"((?:(?!{end})[^\r\n])*+){finish}")
        if not mark:
            self._cell = re.compile(rf"{blank}()({bare}){finish}")
            self._opened = self._reopened = None
            self._loose = self._cell
            return
        inner = rf"[^{mark}{slash}]*+(?:(?:{mark}{mark}{f'|{slash}(?s:.)' if slash else ''})[^{mark}{slash}]*+)*+"
        # Blanks between a closing quote and the delimiter pad the column.
        pad = "".join(sorted(set(" \t") - set(delimiter)))
        follows = rf"[{pad}]*+(?={end}|[\r\n]|\Z)"
        self._cell = re.compile(rf"{blank}(?:{mark}({inner}){mark}{follows}|(?!{mark})({bare})){finish}")
        self._opened = re.compile(rf"{blank}({mark}{inner})")
        self._loose = re.compile(rf"{blank}(?:{mark}({inner}){mark}{follows}|((?:{mark}{inner}{mark})?{bare})){finish}")
        pairs = rf"[^{mark}]*+(?:{mark}{mark}[^{mark}]*+)*+"
        self._reopened = re.compile(rf"(?<!{mark}){mark}(?=[^\s{mark}])({pairs})({mark}{follows})?")

    def read(self, text: str, start: int, stop: int) -> CellRun:
        """The row that begins at ``start``, up to a line end outside quotes, or to ``stop``."""
        cells: list[str] = []
        literal: list[tuple[int, int]] = []
        quoted, place, quote, escape = 0, start, self.quote, self.escape
        while match := self._cell.match(text, place, stop):
            inner, bare, finish = match.groups()
            if bare is None:
                quoted += 1
                cells.append(self._unquoted(inner))
            else:
                escaped = bool(escape) and escape in bare
                if quote and quote in (self._escapes.sub("", bare) if escaped else bare):
                    literal.append(match.span(2))
                cells.append(self._unescaped(bare) if escaped else bare)
            place = match.end()
            if finish is not None:
                return CellRun(cells, quoted, literal, place, None)
        opened = self._opened.match(text, place, stop) if self._opened else None
        return CellRun(cells, quoted, literal, place, place if opened is None else opened.end())

    def loose_cells(self, line: str) -> list[str]:
        """The cells of one line whose quotes are wrong; a badly quoted cell keeps all its quotes."""
        if not self.quote:
            return self.split(line)
        cells: list[str] = []
        place = 0
        while match := self._loose.match(line, place):
            cells.append(self._unquoted(match[1]) if match[2] is None else match[2])
            place = match.end()
            if match[3] is not None:
                return cells
        return [*cells, *self.split(line[place:])]

    def cells_with_stray_quotes(self, line: str) -> list[str]:
        """The cells of one line if a quote that opens a cell and closes nowhere belongs to the text."""
        cells: list[str] = []
        place = 0
        while True:
            run = self.read(line, place, len(line))
            cells += run.cells
            if run.broken is None:
                return cells
            match = self._bare.match(line, run.end)
            assert match
            cells.append(match[1])
            place = match.end()
            if match[2] is not None:
                return cells

    def split(self, line: str) -> list[str]:
        """The cells of a line without quotes and escapes."""
        if self._runs:
            return self._run.split(line.strip(" "))
        cells = line.split(self.delimiter)
        return [cell.lstrip(self._blanks) for cell in cells] if self._blanks else cells

    def is_plain(self, line: str) -> bool:
        return (not self.quote or self.quote not in line) and (not self.escape or self.escape not in line)

    def is_stray(self, run: CellRun, text: str) -> bool:
        """Whether quotes in unquoted cells of this row are more likely damage than text such as ``6" knife``."""
        if not run.literal:
            return False
        # One unquoted cell among quoted ones has lost its quote.
        if len(run.literal) == 1 and run.quoted == len(run.cells) - 1 > 1:
            return True
        assert self.quote
        for start, end in run.literal:
            if _TEXT_FORMULA.fullmatch(text, start, end):
                continue
            cell = text[start:end]
            if cell.lstrip().startswith(self.quote) or (self.quote == '"' and not _is_text(cell)):
                return True
            if self._has_second_reading(text, start, end, run.end):
                return True
        return False

    def _has_second_reading(self, text: str, start: int, end: int, stop: int) -> bool:
        """Whether a quote in this cell may open a quoted cell, before which the delimiter is lost."""
        assert self._reopened
        place = start
        while match := self._reopened.search(text, place, stop):
            if match.start() >= end:
                return False
            if match[2] is not None and self.delimiter in match[1]:
                return True
            place = match.end(1)
        return False

    def _unquoted(self, inner: str) -> str:
        quote = self.quote or ""
        if self.escape and self.escape in inner:
            pattern = f"{re.escape(self.escape)}(.)|({re.escape(quote)}){re.escape(quote)}"
            return re.sub(pattern, lambda match: match[1] or match[2], inner, flags=re.DOTALL)
        return inner.replace(quote + quote, quote) if quote in inner else inner

    def _unescaped(self, bare: str) -> str:
        assert self.escape is not None
        if bare == self.escape + NULL:
            return ""
        return self._escapes.sub(r"\1", bare)


def _is_text(cell: str) -> bool:
    """Whether quotes in an unquoted cell are inch marks, or in pairs around words."""
    rest = _INCH.sub("", cell)
    return '"' not in rest or any(map(_PAIRS.fullmatch, (rest, cell)))


@lru_cache(64)
def cell_grammar(row_format: RowFormat) -> CellGrammar:
    return CellGrammar(
        row_format.delimiter, row_format.quote, row_format.escape, blanks=row_format.blank_after_delimiter
    )
