"""Where quotes, delimiters and line ends of a chunk stand, 64 bytes at a time. Bytes in, counts out.

One bit a byte; the running parity of the quote bits tells what lies inside quotes, as simdjson finds strings
(Langdale and Lemire, https://arxiv.org/abs/1902.08318, section 3.1.1). It costs a fifth of parsing and proves
what a fast parser only assumes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
_ONE = np.uint64(1)
_BLOCK = 1 << 17


@dataclass(frozen=True)
class Structure:
    """The head of a buffer that ends a row outside quotes.

    Attributes:
        end: its length in bytes; 0 if no row ends outside quotes.
        rows: rows in it.
        delimiters: delimiters outside quotes in it.
        line_ends: line ends in it, those inside quotes included.
        well_quoted: every quote that closes is followed by a delimiter, a line end or another quote.
        quotes: quotes in it.
    """

    end: int
    rows: int
    delimiters: int
    line_ends: int
    well_quoted: bool
    quotes: int


def scan(buffer: bytes, delimiter: str, line_end: bytes, *, final: bool = False) -> Structure:
    """Look over a buffer that starts at a row's border; with ``final`` its last row need not have a line end."""
    codes = np.frombuffer(buffer, np.uint8)
    size = len(codes)
    ends = _bits(codes, line_end[0])
    delimiters = _bits(codes, ord(delimiter))
    quotes = _bits(codes, ord('"')) if b'"' in buffer else None
    inside = np.zeros_like(ends) if quotes is None else _inside(quotes)
    row_ends = ends & ~inside
    end = size if final else _last(row_ends) + 1
    head = _head(len(ends), end)
    closing = None if quotes is None else quotes & ~inside & head
    return Structure(
        end=end,
        rows=_count(row_ends & head) + int(final and not buffer.endswith(line_end)),
        delimiters=_count(delimiters & ~inside & head),
        line_ends=_count(ends & head),
        well_quoted=closing is None or _well_closed(codes, closing, ends | delimiters, quotes, end),
        quotes=0 if quotes is None else _count(quotes & head),
    )


def _bits(codes: npt.NDArray[np.uint8], code: int) -> Words:
    """One bit a byte, lowest first, padded with zeros to whole words."""
    words = np.zeros((len(codes) + 63) // 64, np.uint64)
    packed = words.view(np.uint8)
    # A block at a time stays in the processor's cache; whole arrays would cost as much again in page faults.
    for start in range(0, len(codes), _BLOCK):
        bits = np.packbits(codes[start : start + _BLOCK] == code, bitorder="little")
        packed[start // 8 : start // 8 + len(bits)] = bits
    return words


def _inside(quotes: Words) -> Words:
    """Bits from each opening quote up to, not including, the one that closes it."""
    parity = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(shift)
    carried = np.bitwise_xor.accumulate(parity >> np.uint64(63))
    parity[1:] ^= np.uint64(0) - carried[:-1]
    return parity


def _well_closed(codes: npt.NDArray[np.uint8], closing: Words, borders: Words, quotes: Words | None, end: int) -> bool:
    assert quotes is not None
    followers = borders | quotes
    if 13 in codes[:end]:
        followers = followers | _bits(codes, 13)
    # Bit n of the shifted words says what byte n + 1 is.
    following = followers >> _ONE
    following[:-1] |= followers[1:] << np.uint64(63)
    loose = closing & ~following
    return _count(loose) == 0 or (_count(loose) == 1 and _last(loose) == len(codes) - 1)


def _head(words: int, end: int) -> Words:
    """Ones for the first ``end`` bits."""
    head = np.zeros(words, np.uint64)
    whole, rest = divmod(end, 64)
    head[:whole] = ~np.uint64(0)
    if rest:
        head[whole] = (_ONE << np.uint64(rest)) - _ONE
    return head


def _count(words: Words) -> int:
    return int(np.bitwise_count(words).sum())


def _last(words: Words) -> int:
    """Position of the last bit that is set; -1 if none is."""
    filled = np.flatnonzero(words)
    if not len(filled):
        return -1
    place = int(filled[-1])
    return place * 64 + int(words[place]).bit_length() - 1
