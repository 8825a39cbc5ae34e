"""The sheets of an .xls with the interface of all workbooks."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

from etl_platform.engine.reading.workbooks.sheets import Sheet, SheetRow, Workbook, refuse_size, workbook_damaged
from etl_platform.engine.reading.workbooks.xls_cells import SheetCells
from etl_platform.engine.reading.workbooks.xls_workbook import read_xls


class XlsSheet:
    """A Sheet of an .xls, which has been read as a whole."""

    def __init__(self, name: str, cells: SheetCells, *, visible: bool) -> None:
        self.name, self.visible, self.facts = name, visible, cells.facts
        self._cells = cells

    def rows(self) -> Iterator[SheetRow]:
        uncalculated: dict[int, int] = {}
        for row, column in self._cells.uncalculated:
            uncalculated[row] = min(column, uncalculated.get(row, column))
        for index, values in enumerate(self._cells.rows):
            texts = [str(value) for value in values]
            while texts and (not texts[-1] or texts[-1].isspace()):
                texts.pop()
            if texts or index in uncalculated:
                yield SheetRow(index + 1, texts, index in self._cells.hidden_rows, uncalculated.get(index))


def open_xls(source: Path | io.BytesIO, *, mask: bool = False) -> Workbook:
    """The sheets of a workbook.

    Args:
        mask: texts must not be shown in messages.

    Raises:
        UnreadableFileError: ``workbook_too_large``, ``workbook_damaged``, ``encrypted``, ``encoding_undecidable``, or
            ``not_tabular`` for another Office document.
    """
    refuse_size(source.stat().st_size if isinstance(source, Path) else len(source.getbuffer()))
    content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
    try:
        workbook = read_xls(content, mask=mask)
    except ValueError as error:
        raise workbook_damaged(str(error)) from None
    except (LookupError, struct.error):
        raise workbook_damaged("its records are cut off or damaged") from None
    sheets: list[Sheet] = [XlsSheet(sheet.name, sheet.cells, visible=sheet.visible) for sheet in workbook.sheets]
    return Workbook(sheets, workbook.since_1904)
