"""Counts quotes, delimiters and line ends of a chunk, inside and outside quotes. Bytes in, counts out.

Each byte is one bit of a 64-bit word. The running parity of the quote bits marks what is inside quotes, as in simdjson
(Langdale and Lemire, https://arxiv.org/abs/1902.08318, section 3.1.1). The scan costs a fifth of parsing, and its
counts prove what a fast parser only assumes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from etl_platform.engine.reading.delimited.row_format import RowFormat

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
_ONE = np.uint64(1)
_ABSENT = np.zeros(1, np.uint64)
_RETURN, _FEED, _TAB, _BLANK = map(ord, "\r\n\t ")
_BLOCK = 1 << 19
"""Bytes that are scanned together: they fit the processor's cache, and are whole words."""


@dataclass(frozen=True)
class QuoteScan:
    """Counts over the start of a buffer, up to the last line end outside quotes.

    Attributes:
        end: length of that start in bytes; 0 if no line end is outside quotes.
        rows: rows in it.
        delimiters: delimiters outside quotes.
        line_ends: line ends, also inside quotes.
        returns: carriage returns, also inside quotes.
        crlf: carriage returns before a line feed.
        well_quoted: every quote that opens a cell follows a delimiter, a line end or another quote, and every one that
            closes a cell is followed by one.
        quotes: all quotes.
        doubled: quotes directly before another one: an empty quoted cell, or an escaped quote.
        is_plain: the whole buffer is ASCII without control characters, except tabs as delimiters and line ends.
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
    is_plain: bool


def scan(buffer: bytes, row_format: RowFormat, *, final: bool = False) -> QuoteScan:
    """Scan a buffer that begins with a row of a simple format.

    Args:
        final: the buffer is the end of the file, so its last row needs no line end.
    """
    codes, line_end = np.frombuffer(buffer, np.uint8), row_format.line_end
    marks = _Marks(ord(row_format.delimiter), line_end[0], ord(row_format.quote) if row_format.quote else None)
    total = before = _Counts()
    last: _Bits | None = None
    end = in_block = printable = 0
    carry = np.uint64(0)
    # Scan by blocks, which stay in the processor's cache; page faults of whole arrays would double the cost.
    for start in range(0, len(codes), _BLOCK):
        block, follower = codes[start : start + _BLOCK], codes[start + _BLOCK : start + _BLOCK + 1]
        returns = buffer.find(b"\r", start, start + _BLOCK) >= 0
        bits = _Bits.of(block, codes[max(0, start - 1) : start], follower, marks, carry, returns=returns)
        carry = bits.carry
        row_end = _last_bit(bits.row_ends) + 1
        if row_end:
            end, in_block, last, before = start + row_end, row_end, bits, total
        total = total.plus(bits.counts())
        printable += _printable(block, marks)
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
        well_quoted=not committed.misplaced,
        quotes=committed.quotes,
        doubled=committed.doubled,
        is_plain=_is_plain(buffer, printable + total.line_ends + total.returns, marks),
    )


def _is_plain(buffer: bytes, plain: int, marks: "_Marks") -> bool:
    # Where rows end with CR, the count holds each of them twice.
    return plain == len(buffer) and marks.line_end == _FEED and b"\x7f" not in buffer


def cut_rows(buffer: bytes, row_format: RowFormat) -> tuple[int, int]:
    """The probable end of the last row, and the line ends up to it; far cheaper than ``scan``, but not a proof.

    It assumes that quotes are in pairs within each row. The end is 0 if no row seems to end.
    """
    end = buffer.rfind(row_format.line_end) + 1
    codes = np.frombuffer(buffer, np.uint8, end)
    quotes = line_ends = 0
    quote = ord(row_format.quote) if row_format.quote else None
    for start in range(0, end, _BLOCK):
        block = codes[start : start + _BLOCK]
        quotes += int(np.count_nonzero(block == quote)) if quote else 0
        line_ends += int(np.count_nonzero(block == row_format.line_end[0]))
    return (0, 0) if quotes % 2 else (end, line_ends)


class _Marks(NamedTuple):
    """Codes of the characters that have a meaning; without a ``quote`` nothing is quoted."""

    delimiter: int
    line_end: int
    quote: int | None


class _Counts(NamedTuple):
    rows: int = 0
    delimiters: int = 0
    line_ends: int = 0
    returns: int = 0
    crlf: int = 0
    quotes: int = 0
    doubled: int = 0
    misplaced: int = 0

    def plus(self, other: "_Counts") -> "_Counts":
        return _Counts(*map(int.__add__, self, other))


@dataclass(frozen=True)
class _Bits:
    """Bits of one block, one for each byte.

    Attributes:
        crlf: carriage returns before a line feed.
        delimiters: delimiters outside quotes.
        doubled: quotes before another quote.
        misplaced: closing quotes before anything but a delimiter, a line end or another quote, and opening quotes after
            anything else.
        row_ends: line ends outside quotes.
        carry: 1 if the block ends inside quotes.
    """

    line_ends: Words
    returns: Words
    crlf: Words
    delimiters: Words
    quotes: Words
    doubled: Words
    misplaced: Words
    row_ends: Words
    carry: np.uint64

    @classmethod
    def of(
        cls, block: Bytes, preceding: Bytes, follower: Bytes, marks: _Marks, carry: np.uint64, *, returns: bool
    ) -> "_Bits":
        """Bits of a block.

        Args:
            preceding, follower: the byte before and after the block, if there is one.
            carry: 1 if the block starts inside quotes.
            returns: whether the block may contain a carriage return.
        """
        line_ends, delimiters = _pack(block == marks.line_end), _pack(block == marks.delimiter)
        carriage = crlf = doubled = misplaced = _ABSENT
        if returns:
            carriage = _pack(block == _RETURN)
            feeds = line_ends if marks.line_end == _FEED else _pack(block == _FEED)
            crlf = carriage & _following(feeds, block, _FEED in follower)
        quotes = _ABSENT if marks.quote is None else _pack(block == marks.quote)
        if not carry and not quotes.any():
            return cls(line_ends, carriage, crlf, delimiters, _ABSENT, doubled, misplaced, line_ends, carry)
        inside = _inside(quotes, carry)
        borders, border = line_ends | delimiters | quotes | carriage, {*marks, _RETURN}
        doubled = quotes & _following(quotes, block, marks.quote in follower)
        after = _following(borders, block, not len(follower) or int(follower[0]) in border)
        before = _preceding(borders, not len(preceding) or int(preceding[0]) in border)
        # A quote opens a cell where it is inside its own quotes.
        misplaced = quotes & ~((inside & before) | (~inside & after))
        return cls(
            line_ends,
            carriage,
            crlf,
            delimiters & ~inside,
            quotes,
            doubled,
            misplaced,
            line_ends & ~inside,
            inside[-1] >> np.uint64(63),
        )

    def counts(self, size: int | None = None) -> _Counts:
        """Counts of the block, or of its first ``size`` bytes."""
        mask = ~np.uint64(0) if size is None else _first_bits(len(self.row_ends), size)
        words = (
            self.row_ends,
            self.delimiters,
            self.line_ends,
            self.returns,
            self.crlf,
            self.quotes,
            self.doubled,
            self.misplaced,
        )
        return _Counts(*(int(np.bitwise_count(item & mask).sum()) for item in words))


def _printable(block: Bytes, marks: _Marks) -> int:
    """ASCII characters that are no control characters except DEL, and tabs if they are delimiters."""
    # Bytes above 127 are negative.
    found = int(np.count_nonzero(block.view(np.int8) >= _BLANK))
    return found + (int(np.count_nonzero(block == _TAB)) if marks.delimiter == _TAB else 0)


def _following(words: Words, block: Bytes, last: bool) -> Words:
    """Shifted by one: bit n is the bit of byte n + 1; ``last`` is that of the byte after the block."""
    following = words >> _ONE
    following[:-1] |= words[1:] << np.uint64(63)
    if last:
        place, bit = divmod(len(block) - 1, 64)
        following[place] |= _ONE << np.uint64(bit)
    return following


def _preceding(words: Words, first: bool) -> Words:
    """Shifted by one: bit n is the bit of byte n - 1; ``first`` is that of the byte before the block."""
    preceding = words << _ONE
    preceding[1:] |= words[:-1] >> np.uint64(63)
    if first:
        preceding[0] |= _ONE
    return preceding


def _pack(flags: npt.NDArray[np.bool_]) -> Words:
    """One bit for each flag, lowest first, padded with zeros to whole words."""
    words = np.zeros((len(flags) + 63) // 64, np.uint64)
    bits = np.packbits(flags, bitorder="little")
    words.view(np.uint8)[: len(bits)] = bits
    return words


def _inside(quotes: Words, carry: np.uint64) -> Words:
    """Bits from each opening quote up to, not including, its closing quote."""
    parity = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(shift)
    carried = np.bitwise_xor.accumulate(parity >> np.uint64(63)) ^ carry
    parity[1:] ^= np.uint64(0) - carried[:-1]
    if carry:
        parity[0] ^= ~np.uint64(0)
    return parity


def _first_bits(words: int, size: int) -> Words:
    """Ones for the first ``size`` bits."""
    mask = np.zeros(words, np.uint64)
    whole, rest = divmod(size, 64)
    mask[:whole] = ~np.uint64(0)
    if rest:
        mask[whole] = (_ONE << np.uint64(rest)) - _ONE
    return mask


def _last_bit(words: Words) -> int:
    """Position of the last bit that is set; -1 without one."""
    filled = np.flatnonzero(words)
    if not len(filled):
        return -1
    place = int(filled[-1])
    return place * 64 + int(words[place]).bit_length() - 1
