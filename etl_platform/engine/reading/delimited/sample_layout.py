"""The sample of a text as one delimiter splits it: its format, its header, and how well that explains the text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.reading.delimited.header_width import named_width, usual_width
from etl_platform.engine.reading.delimited.row_format import RowFormat
from etl_platform.engine.reading.delimited.row_formats import DELIMITERS, blank_formats, delimiters, row_formats
from etl_platform.engine.reading.delimited.split_sample import SplitSample, best_format
from etl_platform.engine.reading.tables.headers import FoundHeader, find_header

_MOST_COLUMNS = 40
_NAMED = 10
"""Weight of a header that names all columns of the contract, beside the square root of the number of columns."""
_DOUBTFUL = 0.5
"""Weight of a layout whose header looks like data."""
_LEAST_SPACED, _LEAST_ALIGNED = 0.8, 1.0
"""Share of the lines that must have the cells of the header if one blank, or a run of them, is the delimiter."""


_OTHER_CELLS = re.compile(r"\t|([;|]).*\1")
"""In a name: it is several cells of another delimiter."""


@dataclass(frozen=True)
class Layout:
    """The sample as one delimiter splits it.

    Attributes:
        sample: its rows in the format that explains them best.
        cells: the header's cells, padded to the width of the rows.
        usual: cells that the rows below the header have.
        body: the cells of those rows.
        score: how well the delimiter explains the sample, to compare with other delimiters.
    """

    sample: SplitSample
    header: FoundHeader
    cells: tuple[str, ...]
    usual: int
    body: list[list[str]]
    score: float

    @property
    def has_columns(self) -> bool:
        """Whether the delimiter occurs in the header."""
        return len(self.header.cells) > 1

    def row_format(self, line_end: bytes, *, pads_short_rows: bool) -> RowFormat:
        """The format of the whole file's rows: that of the sample with the widths of header and rows."""
        return replace(
            self.sample.format,
            line_end=line_end,
            width=len(self.cells),
            declared=len(self.header.cells),
            named=named_width(self.header.cells),
            usual=self.usual,
            pads_short_rows=pads_short_rows,
        )


@dataclass(frozen=True)
class Sample:
    """The first text of a file, and what is known before it is split; ``whole`` if nothing follows."""

    text: str
    whole: bool
    contract: Contract | None

    @property
    def overrides(self) -> ReadingOverrides:
        return self.contract.reading_overrides if self.contract else ReadingOverrides()

    def layout(self, delimiter: str) -> Layout | None:
        """The sample split by one delimiter; None where no header is found."""
        first_line = self.overrides.header_line or 1
        usual = next(row_formats(self.text, delimiter, self.overrides))
        split = SplitSample.of(self.text, usual, whole=self.whole, first_line=first_line)
        found = self.layout_of(split)
        # The quotes may hide the header, so that it is found in the better format only.
        header = found.header.cells if found else ()
        best = best_format(self.text, split, self.overrides, header, delimiter, whole=self.whole, first_line=first_line)
        return found if best is split else self.layout_of(best)

    def layout_of(self, sample: SplitSample) -> Layout | None:
        header = find_header(sample.rows, self.contract, sample.width, self.overrides)
        if header is None:
            return None
        body = [cells for line, _, cells in sample.rows if line >= header.after]
        usual = usual_width(header.cells, body)
        named = header.certainty * _NAMED if self.contract else 0.0
        score = named + sample.width_share * min(sample.width, _MOST_COLUMNS) ** 0.5
        score *= _DOUBTFUL if header.remark else 1
        score *= _DOUBTFUL if self.contract is None and any(map(_OTHER_CELLS.search, header.cells)) else 1
        cells = (*header.cells, *[""] * (usual - len(header.cells)))
        return Layout(sample, header, cells, usual, body, score)


def best_layout(sample: Sample, stated: Sequence[str]) -> tuple[Layout, float] | None:
    """The layout that explains the sample best, and the confidence in its delimiter; None where none has a header.

    Args:
        stated: the delimiter that the contract or the file states, if any; without it, those that occur are tried.
    """
    if stated:
        spaced = _spaced(sample, stated=True) if not stated[0].strip(" ") else []
        layout = spaced[0] if spaced else sample.layout(stated[0])
        return (layout, 1.0) if layout else None
    tried = [layout for delimiter in delimiters(sample.text) if (layout := sample.layout(delimiter))]
    layouts = [layout for layout in tried if layout.has_columns] or _spaced(sample) or [*tried, *_one_column(sample)]
    if not layouts:
        return None
    best, *others = sorted(layouts, key=lambda layout: -layout.score)
    runner_up = max((other.score for other in others if other.sample.width > 1), default=0.0)
    confidence = best.sample.width_share * best.score / (best.score + runner_up) if best.score else 0.0
    return best, round(confidence, 3)


def _spaced(sample: Sample, *, stated: bool = False) -> list[Layout]:
    """The layout with one blank, or one or two and more, as delimiter that gives nearly all lines as many cells.

    A run of blanks hides empty cells, so that there all lines need the cells of the header.
    """
    found: list[Layout] = []
    for row_format in blank_formats(sample.overrides) if " " in sample.text else ():
        split = SplitSample.of(
            sample.text, row_format, whole=sample.whole, first_line=sample.overrides.header_line or 1
        )
        layout = sample.layout_of(split)
        if layout is None or not layout.has_columns or len(layout.header.cells) != layout.usual:
            continue
        named = layout.header.hits == len(layout.header.cells) if sample.contract else layout.usual > 2
        least = _LEAST_ALIGNED if row_format.blank_after_delimiter else _LEAST_SPACED
        if stated or (named and _share(layout) >= least):
            found.append(layout)
    return sorted(found, key=_share, reverse=True)[:1]


def _share(layout: Layout) -> float:
    """Share of the rows below the header that have its number of cells."""
    return sum(len(cells) == layout.usual for cells in layout.body) / max(1, len(layout.body))


def _one_column(sample: Sample) -> list[Layout]:
    """The layout without a delimiter: one that does not occur, if there is any."""
    absent = next((delimiter for delimiter in DELIMITERS if delimiter not in sample.text), DELIMITERS[0])
    layout = sample.layout(absent)
    return [layout] if layout else []
