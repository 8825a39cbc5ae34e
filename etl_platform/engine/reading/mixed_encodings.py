"""Rows of a file in which each line is UTF-8 or else Windows-1252 → the same rows as UTF-8. No files."""

import re

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.encodings import western_text
from etl_platform.engine.reading.read_notes import ReadNotes

_WHOLE_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CUT_LETTER = re.compile(
    rb"(?<=[a-z])[\xc2-\xc5](?![\x80-\xff])|[\xe2-\xef][\x80-\xbf](?![\x80-\xff])|(?<![A-Za-z\x80-\xff])[\x80-\xbf](?=[a-z])"
)


def decode_mixed(chunk: bytes, first_line: int, notes: ReadNotes) -> bytes | None:
    """A chunk that is not valid UTF-8 as UTF-8, where each line is UTF-8 or else cp1252; None if it is valid.

    Raises:
        UnreadableFileError: ``encoding_undecidable`` at a byte that exists in neither encoding.
    """
    try:
        chunk.decode()
    except UnicodeDecodeError:
        pass
    else:
        return None
    lines: list[bytes] = []
    number, before = first_line, b""
    # Split at every CR and LF, so that a cp1252 line never changes how a UTF-8 line is decoded.
    for line in re.split(rb"(?<=[\r\n])", chunk):
        lines.append(line if line.isascii() else _decode_line(line, number, notes))
        number += line.endswith((b"\r", b"\n")) and not (line == b"\n" and before.endswith(b"\r"))
        before = line
    return b"".join(lines)


def without_cut_letters(line: bytes) -> bytes | None:
    """The line with U+FFFD for each cut letter of UTF-8; None where its letters may be Windows-1252."""
    rest = _WHOLE_LETTER.sub(b"", line)
    if _CUT_LETTER.sub(b"", rest).isascii():
        return line.decode("utf-8", "replace").encode()
    return None


def _decode_line(line: bytes, number: int, notes: ReadNotes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        pass
    else:
        notes.utf8_lines += 1
        return line
    if (cut := without_cut_letters(line)) is not None:
        notes.utf8_lines += 1
        return cut
    try:
        text, has_utf8 = western_text(line)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            "encoding_undecidable",
            f"line {number} has the byte 0x{error.object[error.start]:02X}, which is neither UTF-8 nor Windows-1252; "
            "save the file as UTF-8",
            number,
        ) from None
    notes.utf8_lines += has_utf8
    notes.add_cp1252_line(text, number)
    return text.encode()
