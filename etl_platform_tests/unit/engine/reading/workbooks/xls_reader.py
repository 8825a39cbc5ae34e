"""Reads .xls workbooks from their bytes, for tests of several kinds. No tests."""

import io

import pytest

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.workbooks.sheets import Sheet
from etl_platform.engine.reading.workbooks.xls_sheets import open_xls
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import Book, Cell, SheetOf

HEAD: list[Cell] = ["ident", "label"]


def read(content: bytes) -> list[Sheet]:
    return open_xls(io.BytesIO(content)).sheets


def rows_of(content: bytes) -> list[list[str]]:
    (sheet,) = read(content)
    return [row.cells for row in sheet.rows()]


def refusal(content: bytes) -> UnreadableFileError:
    with pytest.raises(UnreadableFileError) as caught:
        read(content)
    return caught.value


def book_of(*rows: list[Cell], version: int = 8) -> Book:
    return Book([SheetOf([HEAD, *rows])], version=version)
