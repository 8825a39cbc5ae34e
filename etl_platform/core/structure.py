"""Where quotes, delimiters and line ends of a chunk stand, 64 bytes at a time. Bytes in, counts out.

One bit a byte; the running parity of the quote bits tells what lies inside quotes, as simdjson finds strings
(Langdale and Lemire, https://arxiv.org/abs/1902.08318, section 3.1.1). It costs a fifth of parsing and proves
what a fast parser only assumes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
_ONE = np.uint64(1)
_BLOCK = 1 << 18
"""Bytes looked at together; whole words."""


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
    total = _Counts()
    committed, end, carry = total, 0, np.uint64(0)
    # A block at a time stays in the processor's cache; whole arrays would cost as much again in page faults.
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        follower = int(codes[start + _BLOCK]) if start + _BLOCK < len(codes) else None
        bits = _Bits.of(block, ord(delimiter), line_end[0], carry)
        carry = bits.carry
        loose = bits.loose_quotes(block, ord(delimiter), line_end[0], follower)
        last = _last(bits.row_ends)
        if last >= 0:
            end = start + last + 1
            committed = total + bits.counts(loose, last + 1)
        total = total + bits.counts(loose, len(block))
    if final:
        committed, end = total, len(codes)
    return Structure(
        end=end,
        rows=committed.rows + int(final and not buffer.endswith(line_end)),
        delimiters=committed.delimiters,
        line_ends=committed.line_ends,
        well_quoted=not committed.loose,
        quotes=committed.quotes,
    )


@dataclass(frozen=True)
class _Counts:
    rows: int = 0
    delimiters: int = 0
    line_ends: int = 0
    quotes: int = 0
    loose: int = 0

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(
            self.rows + other.rows,
            self.delimiters + other.delimiters,
            self.line_ends + other.line_ends,
            self.quotes + other.quotes,
            self.loose + other.loose,
        )


@dataclass(frozen=True)
class _Bits:
    """One block: line ends, delimiters and quotes, what of it lies inside quotes, and whether its end does."""

    line_ends: Words
    delimiters: Words
    quotes: Words
    inside: Words
    row_ends: Words
    carry: np.uint64

    @classmethod
    def of(cls, block: Bytes, delimiter: int, line_end: int, carry: np.uint64) -> "_Bits":
        line_ends, quotes = _pack(block == line_end), _pack(block == ord('"'))
        inside = _inside(quotes, carry)
        return cls(
            line_ends, _pack(block == delimiter), quotes, inside, line_ends & ~inside, inside[-1] >> np.uint64(63)
        )

    def loose_quotes(self, block: Bytes, delimiter: int, line_end: int, follower: int | None) -> Words:
        """Quotes that close before something other than a delimiter, a line end or another quote."""
        closing = self.quotes & ~self.inside
        if not closing.any():
            return closing
        borders = self.line_ends | self.delimiters | self.quotes
        if 13 in block:
            borders = borders | _pack(block == 13)
        # Bit n of the shifted words says what byte n + 1 is.
        following = borders >> _ONE
        following[:-1] |= borders[1:] << np.uint64(63)
        if follower is None or follower in {delimiter, line_end, 13, ord('"')}:
            place, bit = divmod(len(block) - 1, 64)
            following[place] |= _ONE << np.uint64(bit)
        return closing & ~following

    def counts(self, loose: Words, size: int) -> _Counts:
        """What stands in the block's first ``size`` bytes."""
        head = _head(len(self.line_ends), size)
        return _Counts(
            _count(self.row_ends & head),
            _count(self.delimiters & ~self.inside & head),
            _count(self.line_ends & head),
            _count(self.quotes & head),
            _count(loose & head),
        )


def _pack(flags: npt.NDArray[np.bool_]) -> Words:
    """One bit a byte, lowest first, padded with zeros to whole words."""
    words = np.zeros((len(flags) + 63) // 64, np.uint64)
    bits = np.packbits(flags, bitorder="little")
    words.view(np.uint8)[: len(bits)] = bits
    return words


def _inside(quotes: Words, carry: np.uint64) -> Words:
    """Bits from each opening quote up to, not including, the one that closes it; ``carry``: the block begins inside."""
    parity = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(shift)
    carried = np.bitwise_xor.accumulate(parity >> np.uint64(63)) ^ carry
    parity[1:] ^= np.uint64(0) - carried[:-1]
    if carry:
        parity[0] ^= ~np.uint64(0)
    return parity


def _head(words: int, size: int) -> Words:
    """Ones for the first ``size`` bits."""
    head = np.zeros(words, np.uint64)
    whole, rest = divmod(size, 64)
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
