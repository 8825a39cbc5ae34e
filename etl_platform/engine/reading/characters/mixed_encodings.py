"""Rows of a file in which each line is UTF-8 or else Windows-1252 → the same rows as UTF-8. No files.

Half a letter of UTF-8, and a sign within a word that is a letter in another code page, become U+FFFD, which damages
the row.
"""

import re

from etl_platform.engine.reading.characters.character_notes import CharacterNotes
from etl_platform.engine.reading.characters.code_pages import WORD, JudgedWord, as_cp1252
from etl_platform.engine.reading.characters.encodings import UTF8_CHARACTER

_LOST = "\ufffd"
_HALF_LETTER = re.compile(
    rb"(?<=[a-z])[\xc2-\xc5](?![\x80-\xff])|[\xe2-\xef][\x80-\xbf](?![\x80-\xff])|\A[\x80-\xbf](?=[a-z])"
)
"""Western letters and signs of UTF-8 that end too early or begin too late."""
_FIRST_HALF = re.compile(rb"[\xc2-\xc5]\Z")
"""At the end of a word, where a text in UTF-8 was cut after so many bytes."""


def decode_mixed(chunk: bytes, first_line: int, notes: CharacterNotes) -> bytes | None:
    """A chunk that is not valid UTF-8 as UTF-8; None if it is valid."""
    try:
        chunk.decode()
    except UnicodeDecodeError:
        pass
    else:
        notes.add_utf8(chunk)
        return None
    # Split at every CR and LF, so that a cp1252 line never changes how a UTF-8 line is decoded.
    lines = re.split(rb"(?<=[\r\n])", chunk)
    valid = [line.isascii() or _is_utf8(line) for line in lines]
    notes.utf8_lines += sum(ok and not line.isascii() for ok, line in zip(valid, lines, strict=True))
    notes.other_lines += valid.count(False)
    number, before = first_line, b""
    for place, (ok, line) in enumerate(zip(valid, lines, strict=True)):
        if not ok:
            lines[place] = _decode_line(line, number, notes)
        number += line.endswith((b"\r", b"\n")) and not (line == b"\n" and before.endswith(b"\r"))
        before = line
    return b"".join(lines)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_line(line: bytes, number: int, notes: CharacterNotes) -> bytes:
    # Characters of UTF-8 are at the odd places.
    parts = [b"", *UTF8_CHARACTER.split(line), b""]
    decoder = _WordDecoder(number, notes)
    for place in range(1, len(parts) - 1, 2):
        parts[place] = decoder.decode(parts[place], parts[place - 1], parts[place + 1])
    notes.cp1252_lines += decoder.cp1252
    notes.utf8_lines += len(parts) > 3
    return b"".join(parts)


class _WordDecoder:
    """Decodes the words of a line that is not valid UTF-8; ``cp1252`` is set if one was Windows-1252."""

    def __init__(self, line: int, notes: CharacterNotes) -> None:
        self._line, self._notes = line, notes
        self.cp1252 = False
        self._joined = (False, False)

    def decode(self, part: bytes, before: bytes, after: bytes) -> bytes:
        """Text without characters of UTF-8, as UTF-8; ``before`` and ``after`` are such characters around it."""
        if part.isascii():
            return part
        self._joined = _is_letter(before), _is_letter(after)
        return WORD.sub(self._decode_word, part)

    def _decode_word(self, match: re.Match[bytes]) -> bytes:
        raw = match[0]
        before, after = self._joined
        if (before and match.start() == 0) or (after and match.end() == len(match.string)):
            # No program writes one word in two encodings, so its other letters are cut.
            return raw.decode("utf-8", "replace").encode()
        word = None if _is_beside_underscore(match) else self._notes.code_pages.judge(raw, self._line)
        if word is not None and (_is_utf8(raw) or self._has_half_letters(raw, word)):
            return raw.decode("utf-8", "replace").encode()
        self.cp1252 = True
        if word is not None:
            self._notes.code_pages.count(raw, word)
        return _without_lost(as_cp1252(raw), word).encode()

    def _has_half_letters(self, raw: bytes, word: JudgedWord) -> bool:
        # A word of another code page may be valid UTF-8 by chance, so one line does not outweigh many.
        if self._notes.utf8_lines >= self._notes.other_lines:
            return not word.western or _FIRST_HALF.search(raw) is not None
        return not word.western and not word.for_pages and _HALF_LETTER.search(raw) is not None


def _is_letter(character: bytes) -> bool:
    return character.decode().isalpha()


def _is_beside_underscore(match: re.Match[bytes]) -> bool:
    """Whether a word is part of another one in which a program has replaced letters, and so no evidence."""
    return b"_" in {match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]}


def _without_lost(text: str, word: JudgedWord | None) -> str:
    if word is not None:
        for place in word.lost:
            text = text.replace(word.text[place], _LOST)
    return re.sub("[\x81\x8d\x8f\x90\x9d]", _LOST, text)
