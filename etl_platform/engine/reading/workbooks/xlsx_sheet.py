"""The sheets of an .xlsx: opens the file, finds its parts, and reads a sheet's rows block by block."""

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from etl_platform.engine.reading.packed.archives import open_archive
from etl_platform.engine.reading.workbooks.office_package import Package
from etl_platform.engine.reading.workbooks.office_xml import feed, xml_parser
from etl_platform.engine.reading.workbooks.sheets import (
    Sheet,
    SheetFacts,
    SheetRow,
    Workbook,
    refuse_size,
    workbook_damaged,
)
from etl_platform.engine.reading.workbooks.xlsx_book import ListedSheet, XlsxBook, read_book
from etl_platform.engine.reading.workbooks.xlsx_cells import SheetParser
from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, MAC_ORIGIN


class XlsxSheet:
    """A Sheet of an .xlsx. Each pass reads its part again."""

    def __init__(self, source: Path | io.BytesIO, listed: ListedSheet, book: XlsxBook) -> None:
        self._source, self._listed, self._book = source, listed, book
        self.name, self.visible = listed.name, listed.visible
        self.facts = SheetFacts()

    @property
    def _origin(self) -> date:
        return MAC_ORIGIN if self._book.since_1904 else EXCEL_ORIGIN

    def rows(self) -> Iterator[SheetRow]:
        with open_archive(self._source) as archive, Package(archive).open(self._listed.part) as file:
            parser = xml_parser()
            sheet = SheetParser(self.name, self._book, self._origin, parser)
            self.facts = sheet.facts
            for _ in feed(parser, file, self._listed.part):
                yield from sheet.taken()


def read_xlsx(source: Path | io.BytesIO) -> Workbook:
    """The sheets of a workbook, with what they share read.

    Raises:
        UnreadableFileError: ``workbook_too_large``, ``workbook_damaged`` or ``archive_damaged``.
    """
    with open_archive(source) as archive:
        refuse_size(sum(member.file_size for member in archive.infolist()))
        package = Package(archive)
        part = package.main_part()
        if part is None:
            raise workbook_damaged("its list of sheets is missing")
        book = read_book(package, part)
    sheets: list[Sheet] = [XlsxSheet(source, listed, book) for listed in book.sheets]
    return Workbook(sheets, book.since_1904)
