"""The forms of a column's values: how long they are, and which kinds of characters they have. No value is kept.

So the distribution of a masked column can be compared with that of another file: of dates the decade, of numbers the
magnitude, of all else the form of the text. ``Aa_ 8-15`` has capital and small letters and spaces.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

SAMPLED = 256
"""Values of each batch whose form is counted."""
_KINDS = "Aa9_-é"
"""Capital and small ASCII letters, digits, white space, other ASCII characters, and all other characters."""
_LENGTHS = 8
_MIN_VALUES, _MIN_NAMED, _RARE = 20, 3, "rare"
_SEPARATOR = "\0"


def sampled_rows(batch: pl.DataFrame) -> pl.DataFrame:
    """At most SAMPLED rows, at different distances: some files repeat the same few kinds of rows."""
    if batch.height <= SAMPLED:
        return batch
    step = batch.height / SAMPLED
    numbers = np.arange(SAMPLED)
    return batch[(numbers * step).astype(np.int64) + (numbers * 0.618034 % 1 * int(step)).astype(np.int64)]


def has_size(type_: pl.DataType) -> bool:
    """Whether the form of a value is its decade or its magnitude, not that of its text."""
    return type_.is_numeric() or isinstance(type_, pl.Date | pl.Datetime)


def count_forms(values: pl.Series) -> Counter[str]:
    """The number of values of each form, of a few values of one column."""
    # For so few values, Python is faster than a call of Polars.
    known = [value for value in values.to_list() if value is not None]
    if not has_size(values.dtype):
        return text_forms(known)
    if values.dtype.is_temporal():
        return Counter(f"{day.year // 10}0s" for day in known)
    return _magnitudes([number for number in known if math.isfinite(number)])


def kept_forms(counts: Counter[str]) -> dict[str, int] | None:
    """The forms to be stored: none of few values, and a form of very few is not named, as it may be of one person."""
    if counts.total() < _MIN_VALUES:
        return None
    named = {form: times for form, times in counts.items() if times >= _MIN_NAMED}
    rare = counts.total() - sum(named.values())
    return named | {_RARE: rare} if rare else named


def _magnitudes(numbers: Sequence[float]) -> Counter[str]:
    """Of numbers: the sign, and the power of ten."""
    found = Counter((number < 0, math.floor(math.log10(abs(number))) if number else None) for number in numbers)
    return Counter(
        {f"{'-' if is_less else ''}{0 if power is None else f'10^{power}'}": n for (is_less, power), n in found.items()}
    )


def text_forms(texts: Sequence[str], times: Sequence[int] | None = None) -> Counter[str]:
    """The number of texts of each form; ``times`` says how often each of them occurs."""
    if not texts:
        return Counter()
    joined = _SEPARATOR.join([*texts, ""])
    lengths = sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    if not joined.isascii():
        sizes = np.array([len(_encoded(text)) for text in texts])
    starts = np.cumsum(sizes + 1) - sizes - 1
    kinds = np.bitwise_or.reduceat(_kinds_of_bytes()[np.frombuffer(_encoded(joined), np.uint8)], starts)
    classes = np.frexp(lengths)[1].clip(0, _LENGTHS)
    counts = np.bincount(kinds * (_LENGTHS + 1) + classes, times)
    return Counter({_text_form(code): int(counts[code]) for code in counts.nonzero()[0].tolist()})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@cache
def _text_form(code: int) -> str:
    kinds, length = divmod(code, _LENGTHS + 1)
    letters = "".join(sign for place, sign in enumerate(_KINDS) if kinds >> place & 1)
    if length < 2:
        return f"{letters} {length}".strip()
    low = 1 << length - 1
    return f"{letters} {low}+" if length == _LENGTHS else f"{letters} {low}-{2 * low - 1}"


@cache
def _kinds_of_bytes() -> npt.NDArray[np.int64]:
    """For each byte of UTF-8, the bit of its kind; 0 of the separator."""
    kinds = np.full(256, 1 << 5, np.int64)
    for byte in range(1, 128):
        letter = chr(byte)
        is_kind = (letter.isupper(), letter.islower(), letter.isdigit(), letter.isspace(), True)
        kinds[byte] = 1 << is_kind.index(True)
    kinds[0] = 0
    return kinds
