"""Bytes of the code pages that Excel 95 and older name → text. A page may be missing or wrong. No files."""

import codecs
import re
from collections.abc import Iterable, Mapping

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.characters.code_pages import WORD, CodePageEvidence, has_foreign_words

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
"""Of fonts: [MS-XLS] 2.4.122. Others belong to no language."""
_WESTERN = "cp1252"
_SHOWN = 40
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
    decoded = _decoded(text, encoding)
    return text if decoded is None or _TWO_ALPHABETS.search(decoded) else decoded


def text_encoding(code_page: int | None, texts: Mapping[bytes, str], *, mask: bool) -> str:
    """The encoding of the texts that are not ASCII.

    Args:
        code_page: its number as the workbook names it.
        texts: with the place of each.
        mask: texts must not be shown.

    Raises:
        UnreadableFileError: ``encoding_undecidable``.
    """
    if texts and _all_decode(texts, "utf-8"):
        return "utf-8"
    encoding = _codec(code_page)
    for text, place in texts.items():
        decoded = _decoded(text, encoding)
        if decoded is None or _TWO_ALPHABETS.search(decoded):
            raise _undecidable(f"{place} is not written in {encoding}{_shown(decoded, mask=mask)}")
    doubtful = _doubtful_text(encoding, texts, is_named=code_page is not None)
    if doubtful is not None:
        shown = _shown(_decoded(doubtful, encoding), mask=mask)
        raise _undecidable(f"{texts[doubtful]} seems not to be written in {encoding}{shown}")
    return encoding


def _doubtful_text(encoding: str, texts: Iterable[bytes], *, is_named: bool) -> bytes | None:
    """A text with words that are implausible in the encoding; without a named one, the first that is not plausible.

    None where most words are plausible.
    """
    evidence = CodePageEvidence()
    doubtful: list[bytes] = []
    for text in texts:
        for raw in WORD.findall(text):
            if word := evidence.judge(raw, 0):
                evidence.count(raw, word)
                if encoding in word.against_pages or (not word.western and encoding not in word.for_pages):
                    doubtful.append(text)
    words = evidence.words.values()
    if not is_named:
        is_doubtful = bool(evidence.odd) or not any(_is_mostly_ascii(word.text) for word in words)
    elif encoding == _WESTERN:
        is_doubtful = evidence.odd > evidence.western or has_foreign_words(texts)
    else:
        against = sum(word.times for word in words if encoding in word.against_pages)
        is_doubtful = against > sum(word.times for word in words if encoding in word.for_pages)
    return next(iter((*doubtful, *texts)), None) if is_doubtful else None


def _is_mostly_ascii(word: str) -> bool:
    return 2 * sum(map(str.isascii, word)) > len(word)


def _shown(text: str | None, *, mask: bool) -> str:
    return f" (it reads {text[:_SHOWN]!r})" if text and not mask else ""


def _decoded(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None


def _all_decode(texts: Iterable[bytes], encoding: str) -> bool:
    return all(_decoded(text, encoding) is not None for text in texts)


def _codec(code_page: int | None) -> str:
    if code_page is None:
        return _WESTERN
    try:
        return codecs.lookup(_CODE_PAGES.get(code_page, f"cp{code_page}")).name.replace("-", "_")
    except LookupError:
        raise _undecidable(f"it names the code page {code_page}, which does not exist") from None


def _undecidable(detail: str) -> UnreadableFileError:
    return UnreadableFileError(
        "encoding_undecidable",
        f"the code page of this old workbook is missing or false: {detail}; open it in Excel and save it as .xlsx",
    )
