"""Texts in the records of an .xls: [MS-XLS] 2.5.293 and 2.5.294. Bytes of an older code page are decoded elsewhere."""

import struct
from collections.abc import Iterator, Sequence

_WIDE, _EXTENDED, _RICH = 1, 4, 8


def shared_strings(parts: Sequence[bytes]) -> list[str]:
    """The table of texts, from the bodies of its record and of those that continue it.

    Raises:
        ValueError, LookupError, struct.error: a text is cut off.
    """
    declared = struct.unpack_from("<I", parts[0], 4)[0]
    return list(_texts(_Pieces(parts, 8), declared))


def _texts(pieces: "_Pieces", declared: int) -> Iterator[str]:
    """Every text. Some programs declare too few, so the rest is read until it breaks off."""
    count = 0
    while pieces.more():
        try:
            text = _rich_text(pieces)
        except (ValueError, LookupError, struct.error):
            if count < declared:
                raise
            return
        yield text
        count += 1


def _rich_text(pieces: "_Pieces") -> str:
    size, flags = struct.unpack("<HB", pieces.take(3))
    runs = struct.unpack("<H", pieces.take(2))[0] if flags & _RICH else 0
    extra = struct.unpack("<I", pieces.take(4))[0] if flags & _EXTENDED else 0
    text = pieces.characters(size, wide=bool(flags & _WIDE))
    pieces.skip(4 * runs + extra)
    return text


def unicode_text(size: int, parts: Sequence[bytes]) -> str:
    """A text of ``size`` characters; each part begins with a byte of flags.

    Raises:
        ValueError, LookupError: the text is cut off.
    """
    if not size:
        return ""
    wide = bool(parts[0][0] & _WIDE) or _is_unflagged_wide(size, parts)
    return _Pieces(parts, 1).characters(size, wide=wide)


def _is_unflagged_wide(size: int, parts: Sequence[bytes]) -> bool:
    """Whether the text has two bytes for each character although its flags say one."""
    only = parts[0]
    return len(parts) == 1 and len(only) == 1 + 2 * size and not any(only[2::2])


def without_nul(text: str) -> str:
    """A text without the NUL at its end, or after each of its letters, that some programs write.

    Raises:
        ValueError: it has NUL elsewhere.
    """
    shorter = text.rstrip("\0")
    if "\0" in shorter and len(text) % 2 == 0 and not text[1::2].strip("\0"):
        shorter = text[::2]
    if "\0" in shorter:
        raise ValueError("a text has NUL among its letters")
    return shorter


class _Pieces:
    """Bytes of consecutive records, read from front to back."""

    def __init__(self, parts: Sequence[bytes], place: int) -> None:
        self._parts, self._number, self._place = parts, 0, place

    def more(self) -> bool:
        """Whether bytes are left; moves to the next part at the end of one."""
        while self._number < len(self._parts) and self._place >= len(self._parts[self._number]):
            self._number, self._place = self._number + 1, 0
        return self._number < len(self._parts)

    def take(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            if not self.more():
                raise ValueError("a text is cut off")
            piece = self._parts[self._number][self._place : self._place + size - len(found)]
            self._place += len(piece)
            found += piece
        return found

    def skip(self, size: int) -> None:
        while size:
            if not self.more():
                raise ValueError("a text is cut off")
            step = min(size, len(self._parts[self._number]) - self._place)
            self._place, size = self._place + step, size - step

    def characters(self, size: int, *, wide: bool) -> str:
        """A text; the part that continues it begins with flags, and may change from one byte a character to two."""
        found: list[str] = []
        while size:
            if self._place >= len(self._parts[self._number]):
                self._number, self._place = self._number + 1, 1
                if self._number >= len(self._parts):
                    raise ValueError("a text is cut off")
                # Some programs write parts of flags alone, or of nothing.
                wide = bool((self._parts[self._number][:1] or b"\0")[0] & _WIDE)
                continue
            part = self._parts[self._number]
            step = 1 + wide
            count = min(size, (len(part) - self._place) // step)
            if not count:
                raise ValueError("a text is cut off within a letter")
            raw = part[self._place : self._place + count * step]
            found.append(raw.decode("utf-16-le", "surrogatepass") if wide else raw.decode("latin-1"))
            self._place, size = self._place + count * step, size - count
        text = "".join(found)
        return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
