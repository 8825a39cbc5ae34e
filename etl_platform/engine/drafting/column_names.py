"""Names: the words of a header, the column and the dataset that it becomes, and patterns for file names. Pure."""

import re
from collections.abc import Collection, Iterable, Sequence
from unicodedata import normalize

from etl_platform.engine.contract.model import DELIVERY_DAY, NAME, RESERVED_DATASET, file_stem, fold
from etl_platform.engine.drafting.word_lists import DIGIT_TEXTS, KEYS, KEYS_AT_END, PERIODS
from etl_platform.engine.renames.name_words import words

_LONGEST_NAME = 60


def is_key_name(name: str) -> bool:
    """Whether a name says that its values identify rows, or something that rows are about."""
    found = words(name)
    return bool(found) and DIGIT_TEXTS.isdisjoint(found) and (not KEYS.isdisjoint(found) or found[-1] in KEYS_AT_END)


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
    shared = "_".join(parts).lower()
    if parts and all(fold(file_stem(name)).startswith(fold(shared)) for name in names):
        return (f"{shared}*",)
    if parts and all(fold(shared) in fold(file_stem(name)) for name in names):
        return (f"*{shared}*",)
    return tuple(dict.fromkeys(_own_pattern(name) for name in names))


def _own_pattern(file_name: str) -> str:
    found = "_".join(_name_words(file_name))
    stem = file_stem(file_name)
    return f"{found}*" if found and fold(stem).startswith(fold(found)) else stem


def _name_words(file_name: str) -> list[str]:
    return [word.lower() for word in _stem_words(file_name)]


def _stem_words(file_name: str) -> list[str]:
    found = re.findall(r"[^\W\d_]+|\d+", normalize("NFKD", file_stem(file_name)).encode("ascii", "ignore").decode())
    return [word for word in found if not word.isdigit() and word.lower() not in PERIODS and len(word) > 1]
