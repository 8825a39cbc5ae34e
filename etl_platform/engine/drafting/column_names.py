"""Names: the words of a header, the column and the dataset that it becomes, and patterns for file names. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from unicodedata import normalize

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import DELIVERY_DAY, NAME, RESERVED_DATASET, file_stem, fold
from etl_platform.engine.drafting.word_lists import CODES, DIGIT_TEXTS, KEYS, KEYS_AT_END, PERIODS

_LONGEST_NAME = 60


def is_key_name(name: str) -> bool:
    """Whether a name says that its values identify rows, or something that rows are about."""
    found = words(name)
    return bool(found) and DIGIT_TEXTS.isdisjoint(found) and (not KEYS.isdisjoint(found) or found[-1] in KEYS_AT_END)


def is_code_name(name: str) -> bool:
    """Whether a name says code: its values identify one of a list, and not a row."""
    return not CODES.isdisjoint(words(name))


def is_text_name(name: str) -> bool:
    """Whether a name says that its values are texts, also if they are all digits, such as a badge."""
    return is_key_name(name) or not DIGIT_TEXTS.isdisjoint(words(name))


def column_name(header: str, taken: Collection[str]) -> str:
    """A header as the name of a column that is not among ``taken``, which are in the form of ``fold``."""
    base = "_".join(words(header))[:_LONGEST_NAME].rstrip("_") or "column"
    if not NAME.fullmatch(base) or base == DELIVERY_DAY:
        base = f"column_{base}"
    name, number = base, 2
    while fold(name) in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def common_words(file_names: Sequence[str]) -> list[str]:
    """The words that all file names have, as the first one writes them, without dates, months and numbers."""
    shared = set.intersection(*(set(_name_words(name)) for name in file_names))
    return [word for word in _stem_words(file_names[0]) if word.lower() in shared]


def dataset_name(parts: Sequence[str]) -> str:
    name = "_".join(parts).lower()
    return f"{name}_data" if RESERVED_DATASET.fullmatch(name) else name


def file_patterns(file_names: Iterable[str], parts: Sequence[str]) -> tuple[str, ...]:
    """Patterns that match all file names: by the words that they share, else one for each name."""
    names = list(file_names)
    found = next((pattern for pattern in _patterns(parts) if all(_matches(name, pattern) for name in names)), None)
    return (found,) if found else tuple(dict.fromkeys(map(_own_pattern, names)))


def _patterns(parts: Sequence[str]) -> Iterator[str]:
    """Patterns for some words, the most narrow one first; digits and dates may be where an asterisk is."""
    if parts:
        shared, apart = "_".join(parts).lower(), "*".join(parts).lower()
        yield from (f"{shared}*", f"*{shared}*", f"{apart}*", f"*{apart}*")


def _own_pattern(file_name: str) -> str:
    fitting = (pattern for pattern in _patterns(_name_words(file_name)) if _matches(file_name, pattern))
    # A name in other letters than those of ASCII has no words.
    return next(fitting, re.sub(r"\d+", "*", file_stem(file_name)).rstrip("*") + "*")


def _matches(file_name: str, pattern: str) -> bool:
    return fnmatchcase(fold(file_stem(file_name)), fold(pattern, keep="*"))


def _name_words(file_name: str) -> list[str]:
    return [word.lower() for word in _stem_words(file_name)]


def _stem_words(file_name: str) -> list[str]:
    found = re.findall(r"[^\W\d_]+|\d+", normalize("NFKD", file_stem(file_name)).encode("ascii", "ignore").decode())
    return [word for word in found if not word.isdigit() and word.lower() not in PERIODS and len(word) > 1]
