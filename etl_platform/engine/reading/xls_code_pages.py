"""Texts of Excel 95 and older: bytes in the code page that the workbook names, which may be false or missing."""

import codecs
from collections.abc import Iterable

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.encodings import count_non_ascii
from etl_platform.engine.reading.xls_cells import SheetCells

_OTHER_CODE_PAGES = {
    367: "ascii",
    1200: "cp1252",
    1361: "johab",
    10_000: "mac_roman",
    10_001: "shift_jis",
    10_006: "mac_greek",
    10_007: "mac_cyrillic",
    10_029: "mac_latin2",
    10_081: "mac_turkish",
    32_768: "mac_roman",
    32_769: "cp1252",
}
_DEFAULT = "cp1252"


def text_encoding(code_page: int | None, sheets: Iterable[SheetCells]) -> str:
    """The encoding of the workbook's texts.

    Raises:
        UnreadableFileError: ``encoding_undecidable``.
    """
    texts = {value for cells in sheets for row in cells.rows for value in row if isinstance(value, bytes)}
    foreign = sorted(text for text in texts if not text.isascii())
    if not foreign:
        return _DEFAULT
    encoding = _codec(code_page)
    try:
        decoded = " ".join(text.decode(encoding) for text in foreign)
    except UnicodeDecodeError as error:
        raise _undecidable(f"some of its texts are not written in {encoding}: {error.reason}") from None
    if encoding == _DEFAULT and (code_page is None or count_non_ascii(decoded)[1]):
        words = ", ".join(text.decode(encoding) for text in foreign[:3])
        raise _undecidable(f"as Western European text they are {words}")
    return encoding


def _codec(code_page: int | None) -> str:
    if code_page is None:
        return _DEFAULT
    name = _OTHER_CODE_PAGES.get(code_page, f"cp{code_page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise _undecidable(f"the workbook names an unknown code page, {code_page}") from None


def _undecidable(detail: str) -> UnreadableFileError:
    return UnreadableFileError(
        "encoding_undecidable",
        f"the letters of this workbook of Excel 95 are in an unknown code page: {detail}; "
        "open it in Excel and save it as .xlsx",
    )


def decode_name(name: bytes | str, encoding: str) -> str:
    return name.decode(encoding, "replace") if isinstance(name, bytes) else name


def decode_cells(cells: SheetCells, encoding: str) -> SheetCells:
    """The same cells with texts in place of bytes."""
    for row in cells.rows:
        for place, value in enumerate(row):
            if isinstance(value, bytes):
                row[place] = value.decode(encoding)
    return cells
