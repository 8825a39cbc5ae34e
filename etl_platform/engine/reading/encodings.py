"""The first bytes of a text file → its encoding, and how sure that is. No files."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from etl_platform.engine.contract.reading_overrides import contradicts_override
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.signatures import what_it_is

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_INNER_MARK = re.compile(rb"(?:\A|(?<=[\r\n]))(?:\xef\xbb\xbf)+")
_WIDE_ASCII = 0.1
"""Share of ASCII in text of two-byte units: at least its delimiters and line ends, whatever the script."""
_LINE_END = re.compile(rb"\r\n?|\n")
_RUN = re.compile(r"[^\0-\x7f\xa0\u2013-\u201d\u2022\u2026]{3,}")
"""Letters and signs beyond ASCII in a row; blanks, dashes, quotation marks and dots do not count."""
_UTF8_LETTER = re.compile(rb"((?:[\xc2-\xc5]|\xe2[\x80\x82\x84])[\x80-\xbf])")
"""Letters and signs of the West as UTF-8; as cp1252 the same bytes are ``Ã©`` or ``â€™``, which no word has."""
_COMMON = frozenset("áéíóúñüçèêàâôîûëïöäßÁÉÍÓÚÑÜÇÈÊÀÂÔÎÛËÏÖÄ")
_AMID = re.compile(
    r"(?<=[A-Za-z])[¡¢£¤¥¦§©¬¯±µ¶¿\u201a„…†‡‰\u2039\u203a¼½¾ƒ](?=[a-z\u2013\u2014])|(?<=[a-z])[ŽŸŠŒ]"
    r"|(?<=[^\W\d_])(?:[¡¢£¤¥](?=[A-Z])|[\u201a„¤])"
)
"""Signs amid a word or right behind one, as letters of DOS and old Macs turn into."""


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes:
        name: Python codec name; ``utf-8`` that is not pinned also stands for lines that turn out to be cp1252.
        bom_bytes: length of the byte order mark to skip.
        confidence: from 0 to 1.
    """

    name: str
    bom_bytes: int = 0
    confidence: float = 1.0
    pinned: bool = False

    @property
    def by_line(self) -> bool:
        """Whether each line is UTF-8 or else cp1252, and the bytes are passed on as they are."""
        return self.name in {"utf-8", "utf-8-sig"} and not self.pinned

    def misfit(self, detail: object) -> UnreadableFileError:
        if self.pinned:
            return contradicts_override(f"the encoding {self.name}, and the file is not written in it: {detail}")
        return UnreadableFileError(
            "encoding_undecidable", f"the file is not the {self.name} that it claims to be: {detail}"
        )


def detect_encoding(sample: bytes, pinned: str | None) -> Encoding:
    """Encoding of a sample.

    Raises:
        UnreadableFileError: ``not_tabular`` for a known other format, ``not_as_pinned`` where the bytes say
            otherwise, ``encoding_undecidable`` for other bytes.
    """
    if what := what_it_is(sample):
        raise UnreadableFileError("not_tabular", f"the file is {what}, not a table; send CSV or Excel")
    found = _marked(sample) or _wide(sample)
    if pinned is not None:
        return _pinned(pinned, found)
    if found is not None:
        return found
    odd = sum(sample.count(bytes([code])) for code in range(32) if code not in b"\t\n\r\f\v\x1a")
    if odd > len(sample) * 0.1:
        raise UnreadableFileError("encoding_undecidable", "the file holds binary data; send CSV as UTF-8 or Excel")
    if _is_of_another_alphabet(sample):
        raise UnreadableFileError(
            "encoding_undecidable",
            "most bytes are those of another alphabet's code page, or of EBCDIC; save the file as UTF-8",
        )
    return Encoding("utf-8", confidence=0.99)


def _marked(sample: bytes) -> Encoding | None:
    return next((Encoding(name, len(bom)) for bom, name in _BOMS if sample.startswith(bom)), None)


def _wide(sample: bytes) -> Encoding | None:
    """UTF-16 without a mark: read so, it is free of NUL and has lines and ASCII, as other text with NUL has not."""
    if len(sample) < 4 or 0 not in sample:
        return None
    mostly_ascii = sample.count(0) * 4 >= len(sample)
    for name in ("utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        share = len(re.sub(r"[^\x01-\x7f]", "", text)) / len(text)
        ends = text.count("\n") + text.count("\r")
        lined = ends and (mostly_ascii or ends * 2 > sample.count(b"\n") + sample.count(b"\r"))
        if "\0" not in text and share >= _WIDE_ASCII and lined:
            return Encoding(name, confidence=0.9 + 0.09 * share)
    return None


def _pinned(name: str, found: Encoding | None) -> Encoding:
    family = codecs.lookup(name).name
    if found is None or codecs.lookup(found.name.removesuffix("-sig")).name == family.removesuffix("-sig"):
        if found is None and family in {"utf-16", "utf-32"}:
            raise contradicts_override(f"the encoding {name}, and the file has no byte order mark")
        return Encoding(name, found.bom_bytes if found else 0, pinned=True)
    if found.name.startswith(f"{family}-"):
        return Encoding(found.name, found.bom_bytes, pinned=True)
    raise contradicts_override(f"the encoding {name}, and the file is written in {found.name.removesuffix('-sig')}")


def _is_of_another_alphabet(sample: bytes) -> bool:
    return len(sample.translate(None, bytes(range(128)))) > 0.5 * len(sample) and not _is_utf8(sample)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def decode_sample(sample: bytes, encoding: Encoding) -> str:
    """Text of a sample, its mark left out, whose last character may be cut in two."""
    sample = sample[encoding.bom_bytes :]
    try:
        return codecs.getincrementaldecoder(encoding.name)().decode(sample)
    except UnicodeError as error:
        if not encoding.by_line:
            raise encoding.misfit(error) from None
        return "".join(_utf8_or_cp1252(line) for line in re.split(rb"(?<=[\r\n])", sample))


def _utf8_or_cp1252(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return western_text(line, errors="replace")[0]


def western_text(line: bytes, *, errors: str = "strict") -> tuple[str, bool]:
    """A line that is not all UTF-8 as cp1252, but for its letters of UTF-8; and whether it has any.

    Raises:
        UnicodeDecodeError: a byte that neither has.
    """
    other, *rest = _UTF8_LETTER.split(line)
    parts = [part.decode("cp1252" if place % 2 else "utf-8", errors) for place, part in enumerate(rest)]
    return other.decode("cp1252", errors) + "".join(parts), bool(rest)


def lines_bytes(sample: bytes, text: str, encoding: Encoding, lines: int) -> tuple[int, bool]:
    """How many bytes of the file's text as UTF-8, as it is passed on, its first lines take; any line end counts.

    False as well where the sample holds fewer line ends.
    """
    raw = sample[encoding.bom_bytes :] if encoding.by_line else text.encode()
    ends = [0, *(match.end() for _, match in zip(range(lines), _LINE_END.finditer(raw), strict=False))]
    return (ends[-1], True) if len(ends) > lines else (len(raw), False)


def utf8_blocks(blocks: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """A file's blocks, its mark left out, as UTF-8, or as they are where each line has to be looked at.

    Raises:
        UnreadableFileError: ``not_as_pinned`` or ``encoding_undecidable`` where the encoding does not fit.
    """
    if encoding.by_line:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding.name)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise encoding.misfit(error) from None


def without_marks(rows: bytes) -> bytes:
    """Whole rows as UTF-8 without byte order marks where lines begin, as of files put one below the other."""
    # A look for one byte is many times faster than one for three.
    return _INNER_MARK.sub(b"", rows) if codecs.BOM_UTF8[:1] in rows else rows


def foreign_signs(text: str) -> tuple[int, int]:
    """Characters beyond ASCII of a text read as cp1252 that are at home there, and those of another code page."""
    runs = [run for run in _RUN.findall(text) if len(set(run)) > 1 and not _COMMON.issuperset(run)]
    foreign = sum(map(len, runs)) + len(_AMID.findall(text))
    return max(0, sum(not character.isascii() for character in text) - foreign), foreign
