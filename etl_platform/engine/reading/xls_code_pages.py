"""Bytes of the code pages that Excel 95 and older name → text. A page may be missing or false. No files."""

import codecs
import re
from collections.abc import Collection

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.code_pages import has_foreign_words

_CODE_PAGES = {
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
"""Those that Python does not know by ``cp`` and their number."""
_CHARACTER_SETS = {
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gbk",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
}
"""Of fonts: [MS-XLS] 2.4.122. Others say nothing of a language."""
_WESTERN = "cp1252"
_TWO_ALPHABETS = re.compile(r"[A-Za-z][\u0370-\u1fff]|[\u0370-\u1fff][A-Za-z]")


def font_encoding(character_set: int) -> str | None:
    """The encoding of texts in a font of this character set; None where the workbook's code page decides."""
    return _CHARACTER_SETS.get(character_set)


def text_in_font(text: bytes, encoding: str | None) -> str | bytes:
    """The text in the encoding of its font; the bytes where they are not written in it."""
    if text.isascii():
        return text.decode()
    if encoding is None:
        return text
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError:
        return text
    return text if _TWO_ALPHABETS.search(decoded) else decoded


def text_encoding(code_page: int | None, texts: Collection[bytes]) -> str:
    """The encoding of the texts that are not ASCII.

    Args:
        code_page: its number as the workbook names it.

    Raises:
        UnreadableFileError: ``encoding_undecidable``.
    """
    if texts and _all_decode(texts, "utf-8"):
        return "utf-8"
    encoding = _codec(code_page)
    if not _all_decode(texts, encoding):
        raise _undecidable(f"some of its letters do not exist in {encoding}")
    decoded = [text.decode(encoding) for text in sorted(texts)]
    doubt = code_page is None or (encoding == _WESTERN and has_foreign_words(texts))
    if (texts and doubt) or any(map(_TWO_ALPHABETS.search, decoded)):
        raise _undecidable(f"read as {encoding}, its texts are {', '.join(decoded[:3])}")
    return encoding


def _all_decode(texts: Collection[bytes], encoding: str) -> bool:
    try:
        for text in texts:
            text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _codec(code_page: int | None) -> str:
    if code_page is None:
        return _WESTERN
    try:
        return codecs.lookup(_CODE_PAGES.get(code_page, f"cp{code_page}")).name
    except LookupError:
        raise _undecidable(f"it names the code page {code_page}, which does not exist") from None


def _undecidable(detail: str) -> UnreadableFileError:
    return UnreadableFileError(
        "encoding_undecidable",
        f"the code page of this old workbook is missing or false: {detail}; open it in Excel and save it as .xlsx",
    )
