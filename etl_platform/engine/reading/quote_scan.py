"""Where quotes, delimiters and line ends of a chunk stand, 64 bytes at a time. Bytes in, counts out.

One bit a byte; the running parity of the quote bits tells what lies inside quotes, as simdjson finds strings
(Langdale and Lemire, https://arxiv.org/abs/1902.08318, section 3.1.1). It costs a fifth of parsing and proves
what a fast parser only assumes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
_ONE = np.uint64(1)
_NONE = np.zeros(1, np.uint64)
_QUOTE, _RETURN, _FEED = map(ord, '"\r\n')
_BLOCK = 1 << 19
"""Bytes looked at together; whole words."""


@dataclass(frozen=True)
class QuoteScan:
    """The head of a buffer that ends a row outside quotes.

    Attributes:
        end: its length in bytes; 0 if no row ends outside quotes.
        rows: rows in it.
        delimiters: delimiters outside quotes in it.
        line_ends: line ends in it, those inside quotes included.
        returns: carriage returns in it, those inside quotes included.
        crlf: those of them in front of a line feed.
        well_quoted: every quote that closes is followed by a delimiter, a line end or another quote.
        quotes: quotes in it.
        doubled: quotes that follow another at once: an empty quoted cell, or a quote within one.
    """

    end: int
    rows: int
    delimiters: int
    line_ends: int
    returns: int
    crlf: int
    well_quoted: bool
    quotes: int
    doubled: int


def scan(buffer: bytes, delimiter: str, line_end: bytes, *, final: bool = False) -> QuoteScan:
    """Look over a buffer that starts at a row's border; with ``final`` its last row need not have a line end."""
    codes = np.frombuffer(buffer, np.uint8)
    total = before = _Counts()
    last: _Bits | None = None
    end = in_block = 0
    carry = np.uint64(0)
    # A block at a time stays in the processor's cache; whole arrays would cost as much again in page faults.
    for start in range(0, len(codes), _BLOCK):
        block, follower = codes[start : start + _BLOCK], codes[start + _BLOCK : start + _BLOCK + 1]
        returns = buffer.find(b"\r", start, start + _BLOCK) >= 0
        bits = _Bits.of(block, follower, ord(delimiter), line_end[0], carry, returns=returns)
        carry = bits.carry
        row_end = _last(bits.row_ends) + 1
        if row_end:
            end, in_block, last, before = start + row_end, row_end, bits, total
        total = total.plus(bits.counts())
    if final:
        committed, end = total, len(codes)
    else:
        committed = before.plus(last.counts(in_block)) if last is not None else before
    return QuoteScan(
        end=end,
        rows=committed.rows + int(final and not buffer.endswith(line_end)),
        delimiters=committed.delimiters,
        line_ends=committed.line_ends,
        returns=committed.returns,
        crlf=committed.crlf,
        well_quoted=not committed.loose,
        quotes=committed.quotes,
        doubled=committed.doubled,
    )


def cut_rows(buffer: bytes, line_end: bytes) -> tuple[int, int]:
    """Where the last row seems to end, and the line ends up to there; far cheaper than ``scan``, and not proven.

    It counts on quotes that come in pairs within each row. The end is 0 if no row seems to end.
    """
    end = buffer.rfind(line_end) + 1
    codes = np.frombuffer(buffer, np.uint8, end)
    quotes = line_ends = 0
    for start in range(0, end, _BLOCK):
        block = codes[start : start + _BLOCK]
        quotes += int(np.count_nonzero(block == _QUOTE))
        line_ends += int(np.count_nonzero(block == line_end[0]))
    return (0, 0) if quotes % 2 else (end, line_ends)


class _Counts(NamedTuple):
    rows: int = 0
    delimiters: int = 0
    line_ends: int = 0
    returns: int = 0
    crlf: int = 0
    quotes: int = 0
    doubled: int = 0
    loose: int = 0

    def plus(self, other: "_Counts") -> "_Counts":
        return _Counts(*map(int.__add__, self, other))


@dataclass(frozen=True)
class _Bits:
    """One block: line ends, carriage returns, delimiters and quotes, and what of it lies inside quotes.

    Attributes:
        crlf: carriage returns before a line feed.
        delimiters: those outside quotes.
        doubled: quotes before another quote.
        loose: quotes that close before something other than a delimiter, a line end or another quote.
        row_ends: line ends outside quotes.
        carry: 1 if the block ends inside quotes.
    """

    line_ends: Words
    returns: Words
    crlf: Words
    delimiters: Words
    quotes: Words
    doubled: Words
    loose: Words
    row_ends: Words
    carry: np.uint64

    @classmethod
    def of(
        cls, block: Bytes, follower: Bytes, delimiter: int, line_end: int, carry: np.uint64, *, returns: bool
    ) -> "_Bits":
        """``follower`` is the byte after the block, if there is one; ``returns`` whether there may be a CR."""
        line_ends, delimiters, quotes = _pack(block == line_end), _pack(block == delimiter), _pack(block == _QUOTE)
        carriage = crlf = _NONE
        if returns:
            carriage = _pack(block == _RETURN)
            feeds = line_ends if line_end == _FEED else _pack(block == _FEED)
            crlf = carriage & _following(feeds, block, _FEED in follower)
        inside = _inside(quotes, carry)
        closing = quotes & ~inside
        doubled = loose = _NONE
        if closing.any():
            borders = line_ends | delimiters | quotes | carriage
            doubled = quotes & _following(quotes, block, _QUOTE in follower)
            ends_well = not len(follower) or follower[0] in {delimiter, line_end, _RETURN, _QUOTE}
            loose = closing & ~_following(borders, block, ends_well)
        return cls(
            line_ends,
            carriage,
            crlf,
            delimiters & ~inside,
            quotes,
            doubled,
            loose,
            line_ends & ~inside,
            inside[-1] >> np.uint64(63),
        )

    def counts(self, size: int | None = None) -> _Counts:
        """What stands in the block, or in its first ``size`` bytes."""
        head = ~np.uint64(0) if size is None else _head(len(self.row_ends), size)
        words = (
            self.row_ends,
            self.delimiters,
            self.line_ends,
            self.returns,
            self.crlf,
            self.quotes,
            self.doubled,
            self.loose,
        )
        return _Counts(*(int(np.bitwise_count(item & head).sum()) for item in words))


def _following(words: Words, block: Bytes, last: bool) -> Words:
    """Bit n says what byte n + 1 is; ``last`` what comes after the block."""
    following = words >> _ONE
    following[:-1] |= words[1:] << np.uint64(63)
    if last:
        place, bit = divmod(len(block) - 1, 64)
        following[place] |= _ONE << np.uint64(bit)
    return following


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


def _last(words: Words) -> int:
    """Position of the last bit that is set; -1 if none is."""
    filled = np.flatnonzero(words)
    if not len(filled):
        return -1
    place = int(filled[-1])
    return place * 64 + int(words[place]).bit_length() - 1
