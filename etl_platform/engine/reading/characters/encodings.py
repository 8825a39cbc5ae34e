"""The first bytes of a text file → its encoding with a confidence; bytes → UTF-8. No files."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from etl_platform.engine.errors import ContradictedOverrideError, UnreadableFileError
from etl_platform.engine.reading.characters.code_pages import as_cp1252
from etl_platform.engine.reading.other_formats import refuse_other_format

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_INNER_BOMS = re.compile(rb"(?:\A|(?<=[\r\n]))(?:\xef\xbb\xbf)+")
_MIN_ASCII_SHARE_IN_UTF16 = 0.1
"""Minimum share of ASCII in UTF-16 text, because delimiters and line ends are ASCII in every script."""
_LINE_END = re.compile(rb"\r\n?|\n")
_TWO_BYTE_ENCODINGS = ("utf-16-le", "utf-16-be")
UTF8_CHARACTER = re.compile(rb"((?:[\xc2-\xc5]|\xe2[\x80\x82\x84])[\x80-\xbf])")
"""Western letters and signs as UTF-8. Read as cp1252 the same bytes are ``Ã©`` or ``â€™``, which no word contains."""


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes:
        name: Python codec name. A detected ``utf-8`` allows lines that are cp1252.
        bom_bytes: length of the byte order mark to skip.
        confidence: from 0 to 1.
        overridden: the contract sets the encoding; it was not detected.
    """

    name: str
    bom_bytes: int = 0
    confidence: float = 1.0
    overridden: bool = False

    @property
    def by_line(self) -> bool:
        """Whether each line is decoded separately, as UTF-8 or else cp1252; bytes are then passed on unchanged."""
        return self.name in {"utf-8", "utf-8-sig"} and not self.overridden

    def mismatch(self, detail: object) -> UnreadableFileError:
        """The rejection of a file whose bytes are not of this encoding."""
        if self.overridden:
            return ContradictedOverrideError(
                "encoding", f"the encoding {self.name}, but the file is not written in it: {detail}"
            )
        return UnreadableFileError(
            "encoding_undecidable",
            f"the file looks like {self.name}, but parts of it are not: {detail}; save the file as UTF-8",
        )


def detect_encoding(sample: bytes, override: str | None) -> Encoding:
    """Encoding of a sample.

    Args:
        override: the encoding that the contract sets.

    Raises:
        UnreadableFileError: ``not_tabular`` for a known other format, ``not_as_pinned`` where the bytes contradict
            the contract, ``encoding_undecidable`` for bytes of an unknown encoding.
    """
    refuse_other_format(sample)
    found = _with_bom(sample) or _utf16_without_bom(sample)
    if override is not None:
        return _overridden(override, found)
    if found is not None:
        return found
    control = sum(sample.count(bytes([code])) for code in range(32) if code not in b"\t\n\r\f\v\x1a")
    if control > len(sample) * 0.1:
        raise UnreadableFileError("encoding_undecidable", "the file is binary data; send CSV as UTF-8, or Excel")
    if _is_mostly_non_ascii(sample):
        raise UnreadableFileError(
            "encoding_undecidable",
            "most bytes belong to the code page of a non-Latin alphabet or to EBCDIC; save the file as UTF-8",
        )
    return Encoding("utf-8", confidence=0.99)


def _with_bom(sample: bytes) -> Encoding | None:
    return next((Encoding(name, len(bom)) for bom, name in _BOMS if sample.startswith(bom)), None)


def _utf16_without_bom(sample: bytes) -> Encoding | None:
    """UTF-16 without a byte order mark: decoded, it has lines, ASCII and no NUL. Other bytes with NUL do not."""
    if len(sample) < 4 or 0 not in sample:
        return None
    mostly_ascii = sample.count(0) * 4 >= len(sample)
    for name in _TWO_BYTE_ENCODINGS:
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        share = len(re.sub(r"[^\x01-\x7f]", "", text)) / len(text)
        ends = text.count("\n") + text.count("\r")
        has_lines = ends and (mostly_ascii or ends * 2 > sample.count(b"\n") + sample.count(b"\r"))
        if "\0" not in text and share >= _MIN_ASCII_SHARE_IN_UTF16 and has_lines:
            return Encoding(name, confidence=0.9 + 0.09 * share)
    return None


def _overridden(name: str, found: Encoding | None) -> Encoding:
    """The contract's encoding, unless the bytes show another one."""
    family = codecs.lookup(name).name
    if found is None or codecs.lookup(found.name.removesuffix("-sig")).name == family.removesuffix("-sig"):
        if found is None and family in {"utf-16", "utf-32"}:
            raise ContradictedOverrideError("encoding", f"the encoding {name}, but the file has no byte order mark")
        return Encoding(name, found.bom_bytes if found else 0, overridden=True)
    if found.name.startswith(f"{family}-"):
        return Encoding(found.name, found.bom_bytes, overridden=True)
    raise ContradictedOverrideError(
        "encoding", f"the encoding {name}, but the file is written in {found.name.removesuffix('-sig')}"
    )


def _is_mostly_non_ascii(sample: bytes) -> bool:
    """Whether most bytes are non-ASCII, and not UTF-8."""
    return len(sample.translate(None, bytes(range(128)))) > 0.5 * len(sample) and not _is_utf8(sample)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def decode_sample(sample: bytes, encoding: Encoding) -> str:
    """Text of a sample without its byte order mark; the sample may end within a character."""
    sample = sample[encoding.bom_bytes :]
    try:
        return codecs.getincrementaldecoder(encoding.name)().decode(sample)
    except UnicodeError as error:
        if not encoding.by_line:
            raise encoding.mismatch(error) from None
        return "".join(_utf8_or_cp1252(line) for line in re.split(rb"(?<=[\r\n])", sample))


def _utf8_or_cp1252(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return western_text(line)


def western_text(line: bytes) -> str:
    """A line that is not valid UTF-8, decoded as cp1252 except for its Western characters in UTF-8."""
    first, *rest = UTF8_CHARACTER.split(line)
    parts = [part.decode("utf-8") if place % 2 == 0 else as_cp1252(part) for place, part in enumerate(rest)]
    return as_cp1252(first) + "".join(parts)


def lines_bytes(sample: bytes, text: str, encoding: Encoding, lines: int) -> tuple[int, bool]:
    """Length of the first lines in the bytes that ``utf8_blocks`` passes on; CR, LF and CRLF end a line.

    Returns:
        The length, and whether the sample holds that many lines.
    """
    raw = sample[encoding.bom_bytes :] if encoding.by_line else text.encode()
    ends = [0, *(match.end() for _, match in zip(range(lines), _LINE_END.finditer(raw), strict=False))]
    # A row that ends where the sample ends may continue beyond it, within quotes.
    return (ends[-1], ends[-1] < len(raw)) if len(ends) > lines else (len(raw), False)


def utf8_blocks(blocks: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """A file's blocks after its byte order mark, as UTF-8; unchanged where the encoding is decided line by line.

    Raises:
        UnreadableFileError: ``not_as_pinned`` or ``encoding_undecidable`` where the bytes are not of the encoding.
    """
    if encoding.by_line:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding.name)()
    unicode = _Utf8Check()
    try:
        for block in blocks:
            unicode.add(block)
            text = decoder.decode(block)
            if encoding.name in _TWO_BYTE_ENCODINGS and _ascii_pairs().search(text):
                raise encoding.mismatch("some lines have one byte for each character")
            yield text.encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise encoding.mismatch(error) from None
    if _is_single_byte(encoding.name) and unicode.finish():
        raise encoding.mismatch("all of its letters beyond ASCII are UTF-8")


@cache
def _ascii_pairs() -> re.Pattern[str]:
    """16 characters of UTF-16 of which each is two of ASCII: that is ASCII text, which no decoder refuses.

    Of the characters of Chinese texts a fifth are such pairs, and fewer in other scripts.
    """
    ascii_bytes = (*b"\t\n\r", *range(0x20, 0x7F))
    pairs = "".join(f"{chr(one << 8 | 0x20)}-{chr(one << 8 | 0x7E)}" for one in ascii_bytes)
    ends = "".join(chr(one << 8 | end) for one in ascii_bytes for end in b"\t\n\r")
    return re.compile(f"[{pairs}{ends}]{{16}}")


class _Utf8Check:
    """Whether bytes are UTF-8 with at least one character beyond ASCII."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._beyond_ascii, self._valid = False, True

    def add(self, block: bytes, *, final: bool = False) -> None:
        if self._valid and not (block.isascii() and not self._decoder.getstate()[0] and not final):
            self._beyond_ascii = True
            try:
                self._decoder.decode(block, final)
            except UnicodeDecodeError:
                self._valid = False

    def finish(self) -> bool:
        if self._beyond_ascii:
            self.add(b"", final=True)
        return self._beyond_ascii and self._valid


def _is_single_byte(encoding: str) -> bool:
    """Whether the encoding has one character for each byte; in others UTF-8 may be valid by chance."""
    try:
        text = bytes(range(256)).decode(encoding, "replace")
    except UnicodeError:
        return False
    return len(text) == 256 and text.count("\ufffd") < 64


def without_inner_boms(rows: bytes) -> bytes:
    """Whole rows as UTF-8, without the byte order marks at the start of lines that concatenated files leave."""
    # Searching for one byte is many times faster than for three.
    return _INNER_BOMS.sub(b"", rows) if codecs.BOM_UTF8[:1] in rows else rows
