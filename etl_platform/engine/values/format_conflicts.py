"""Whether two patterns, or one pattern alone, read some text as two different values. Decided on the patterns.

Each pattern is written out with one width for each field, so that every position of a text belongs to one field. Two
patterns conflict where a text exists that both accept with different values. Years from 1900 to 2099 are considered.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache, lru_cache
from itertools import combinations, product

from etl_platform.engine.values.excel_dates import EXCEL_ORIGIN, EXCEL_SERIAL
from etl_platform.engine.values.formats import Field, pattern_pieces

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)


def _numbers(low: int, high: int, width: int) -> frozenset[str]:
    texts = (str(number).zfill(width) for number in range(low, high + 1))
    return frozenset(text for text in texts if len(text) == width)


def _fields() -> dict[str, tuple[str, dict[int, frozenset[str]]]]:
    """By the letters of a field, what it means and its texts by their width."""
    short = [month[:3] for month in _MONTHS]
    names = {
        width: frozenset(name for name in (*_MONTHS, *short) if len(name) == width)
        for width in sorted({len(name) for name in (*_MONTHS, *short)})
    }
    # Fractions of a second never overlap another field; one text represents all.
    fraction = {3: frozenset({"000"}), 6: frozenset({"000000"})}
    year, two_digits = {4: _numbers(1900, 2099, 4)}, {2: _numbers(0, 99, 2)}
    found = {
        "yyyy": ("year", year),
        "uuuu": ("year", year),
        "yy": ("year of a century", two_digits),
        "uu": ("year of a century", two_digits),
        "MMMM": ("month name", names),
        "MMM": ("month name", {3: names[3]}),
        "mm": ("minute", {2: _numbers(0, 59, 2)}),
        "ss": ("second", {2: _numbers(0, 59, 2)}),
        "SSS": ("fraction", {3: fraction[3]}),
        "SSSSSS": ("fraction", {6: fraction[6]}),
        "a": ("half", {2: frozenset({"am", "pm"})}),
    }
    for letter, meaning, low, high in (
        ("M", "month", 1, 12),
        ("d", "day", 1, 31),
        ("H", "hour", 0, 23),
        ("h", "hour of 12", 1, 12),
    ):
        widths = {width: _numbers(low, high, width) for width in (1, 2)}
        found |= {letter: (meaning, widths), letter * 2: (meaning, {2: widths[2]})}
    return found


_FIELDS = _fields()
Slot = tuple[str, frozenset[str], int]
"""What a field means, its texts and their width; a literal text has the meaning ''."""


@cache
def _serial_field() -> tuple[str, dict[int, frozenset[str]]]:
    """The same for serial numbers. Made when needed, because so many texts take a tenth of a second."""
    return "serial", {width: _numbers(61, 73_415, width) for width in range(2, 6)}


def contradiction(patterns: Sequence[str]) -> tuple[str, str, str] | None:
    """Two patterns, or one twice, and a text that they read as different values; None if there is no such text."""
    for one, other in ((p, q) for place, p in enumerate(patterns) for q in patterns[place:]):
        if text := ambiguous_text(one, other):
            return one, other, text
    return None


@lru_cache(1_024)
def ambiguous_text(one: str, other: str) -> str | None:
    """A text that two patterns, or one in two ways, read as different values."""
    pairs = combinations(_shapes(one), 2) if one == other else product(_shapes(one), _shapes(other))
    return next((text for pair in pairs if (text := _common_text(*pair))), None)


def _shapes(pattern: str) -> list[list[Slot]]:
    """The pattern with one width for each field."""
    if pattern == EXCEL_SERIAL:
        meaning, by_width = _serial_field()
        return [[(meaning, texts, width)] for width, texts in by_width.items()]
    choices: list[list[Slot]] = []
    for piece in pattern_pieces(pattern):
        if isinstance(piece, Field):
            meaning, widths = _FIELDS[piece.letters]
            choices.append([(meaning, texts, width) for width, texts in widths.items()])
        else:
            choices.append([("", frozenset({piece.lower()}), len(piece))])
    return [list(shape) for shape in product(*choices)]


def _common_text(one: Sequence[Slot], other: Sequence[Slot]) -> str | None:
    if sum(slot[2] for slot in one) != sum(slot[2] for slot in other):
        return None
    mine, theirs = _starts(one), _starts(other)
    # A field that both have at the same place gives the same value: one of its texts is enough.
    same = {start for start, slot in mine.items() if theirs.get(start) == slot}
    if len(same) == len(mine) == len(theirs):
        return None
    texts = _texts(_narrowed(mine, same), _narrowed(theirs, same))
    return next((text for text in texts if _differ(_value(mine, text), _value(theirs, text))), None)


def _starts(shape: Sequence[Slot]) -> dict[int, Slot]:
    found, start = {}, 0
    for slot in shape:
        found[start] = slot
        start += slot[2]
    return found


def _narrowed(shape: Mapping[int, Slot], same: set[int]) -> list[frozenset[str]]:
    return [frozenset({min(texts)}) if start in same else texts for start, (_, texts, _) in shape.items()]


def _texts(one: Sequence[frozenset[str]], other: Sequence[frozenset[str]]) -> Iterator[str]:
    """Every text that both sequences of fields can spell."""

    def spell(text: str, mine: tuple[int, str], theirs: tuple[int, str]) -> Iterator[str]:
        if mine[0] == len(one):
            yield text
            return
        left, right = _next(one[mine[0]]), _next(other[theirs[0]])
        for letter in sorted(left[mine[1]] & right[theirs[1]]):
            yield from spell(text + letter, _step(one, mine, letter), _step(other, theirs, letter))

    yield from spell("", (0, ""), (0, ""))


def _step(fields: Sequence[frozenset[str]], place: tuple[int, str], letter: str) -> tuple[int, str]:
    field, spelt = place[0], place[1] + letter
    return (field + 1, "") if spelt in fields[field] else (field, spelt)


@cache
def _next(texts: frozenset[str]) -> dict[str, set[str]]:
    """By the first letters of the texts of one width, the letters that may follow."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for place, letter in enumerate(text):
            found.setdefault(text[:place], set()).add(letter)
    return found


def _value(shape: Mapping[int, Slot], text: str) -> tuple[date, int] | None:
    """The day and the second of the day; None where there is no such day."""
    parts = {slot[0]: text[start : start + slot[2]] for start, slot in shape.items()}
    if "serial" in parts:
        return EXCEL_ORIGIN + timedelta(days=int(parts["serial"])), 0
    year = int(parts.get("year") or 2000 + int(parts.get("year of a century", "0")))
    name = parts.get("month name", "jan")
    month = int(parts.get("month") or [month[:3] for month in _MONTHS].index(name[:3]) + 1)
    hour = int(parts.get("hour") or int(parts.get("hour of 12", "12")) % 12 + 12 * (parts.get("half") == "pm"))
    try:
        day = date(year, month, int(parts.get("day", "1")))
    except ValueError:
        return None
    return day, hour * 3_600 + int(parts.get("minute", "0")) * 60 + int(parts.get("second", "0"))


def _differ(one: tuple[date, int] | None, other: tuple[date, int] | None) -> bool:
    return one is not None and other is not None and one != other
