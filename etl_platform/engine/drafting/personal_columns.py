"""Which columns hold personal data, by their names and by what they hold. A guess for people; never ``public``.

A column is classified only on good evidence. ``looks_personal`` is wider: values of such columns are never written
into a draft.
"""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import date

from etl_platform.engine.column_words import words
from etl_platform.engine.drafting.word_lists import (
    ADDRESSES,
    AMOUNTS,
    ATTRIBUTES,
    BADGES,
    CONTACTS,
    FREE_TEXTS,
    GIVEN_NAMES,
    LICENCES,
    NAME_PARTS,
    NAMES,
    OFFICIAL_NUMBERS,
    PAY,
    PAY_TERMS,
    PEOPLE,
    PLATES,
    ROLES,
    SURNAMES,
    THINGS,
    WHOLE_NAMES,
)
from etl_platform.engine.privacy import birth_dates
from etl_platform.engine.privacy.column_judgement import personal_kinds
from etl_platform.engine.privacy.personal_forms import PersonalKind
from etl_platform.engine.privacy.personal_words import BIRTHS

RESTRICTED, CONFIDENTIAL = "restricted", "confidential"
_MOST, _HALF = 0.9, 0.5
_MANY_NAMES, _SOME_NAMES = 0.2, 0.05


_STREET = re.compile(
    r"\d+[A-Z]? .*\b(?:ST|STREET|AVE|AVENUE|RD|ROAD|BLVD|DR|DRIVE|LN|LANE|CT|COURT|WAY|PL|PLACE|HWY|PKWY|CIR)\b.*",
    re.IGNORECASE,
)
_CLASSES = {
    PersonalKind.SSN: RESTRICTED,
    PersonalKind.CARD: RESTRICTED,
    PersonalKind.PHONE: CONFIDENTIAL,
    PersonalKind.EMAIL: CONFIDENTIAL,
}
_SEARCHED = 1_000
"""Texts of a column whose forms are looked at."""
_NO_YEAR = 2000
"""Births are found by the name of a column, so the year of the file does not matter."""
_LAST_FIRST = re.compile(r"[^\W\d_][\w'\u2019 -]*, ?[^\W\d_][\w'\u2019. -]*")
_WORDS_ALONE = re.compile(r"[^\W\d_][\w'\u2019.-]*(?: [^\W\d_][\w'\u2019.-]*){1,4}")


@dataclass(frozen=True)
class Personal:
    """``classification`` as ODCS has it, and the reason in a few words."""

    classification: str
    reason: str


def classify(name: str, counts: Mapping[str, int]) -> Personal | None:
    """The class of a column on good evidence, else None.

    Args:
        name: of the column.
        counts: rows by text, all or a sample, without texts that mean empty.
    """
    found = words(name)
    if AMOUNTS & set(found):
        return _by_content(name, counts)
    return _by_name(found, counts) or _by_content(name, counts)


def looks_personal(name: str, counts: Mapping[str, int]) -> bool:
    """Whether values could be those of persons, on little evidence."""
    found = set(words(name))
    if classify(name, counts) or any(personal_kinds([name], _sample(counts), _NO_YEAR)):
        return True
    if found & THINGS:
        return False
    if found & (NAMES | FREE_TEXTS) or _ends_in_role(words(name)):
        return True
    return _share(counts, _is_last_first) > _HALF or _given_names(counts) > _SOME_NAMES


def may_be_births(name: str, counts: Mapping[str, int], today: date) -> bool:
    """Whether a column that is not named so has dates that are distributed like those of births."""
    if not birth_dates.may_be_births([name]):
        return False
    texts = _sample(counts)
    days = birth_dates.days_of(texts, today.year)
    if len(days) < max(birth_dates.LEAST_DATES, len(texts) * _MOST):
        return False
    return birth_dates.are_birth_dates(days, today.toordinal() - date(1970, 1, 1).toordinal())


def is_attribute(name: str) -> bool:
    """Whether a column holds an attribute such as a race, whose values in a closed list say nothing about anybody."""
    return not ATTRIBUTES.isdisjoint({*words(name), "".join(words(name))})


def _ends_in_role(found: tuple[str, ...]) -> bool:
    """Whether a name is that of a person: ``officer``, ``officer_2`` or ``subject_last``, and not ``subject_armed``."""
    whole = [word for word in found if not word.isdigit() and word not in NAME_PARTS]
    return bool(whole) and whole[-1] in ROLES


def _by_name(found: tuple[str, ...], counts: Mapping[str, int]) -> Personal | None:
    every = {*found, "".join(found)}
    return next((Personal(*kind[1:]) for kind in _KINDS if kind[0](every, counts)), None)


def _any_of(*lists: frozenset[str]) -> Callable[[Set[str], Mapping[str, int]], bool]:
    return lambda every, _: any(every & words for words in lists)


def _is_name_of_person(every: Set[str], counts: Mapping[str, int]) -> bool:
    if every & THINGS or not _has_letters(counts):
        return False
    return bool(every & (SURNAMES | WHOLE_NAMES) or (every & NAMES and every & (NAME_PARTS | PEOPLE)))


def _is_address(every: Set[str], counts: Mapping[str, int]) -> bool:
    return bool(every & ADDRESSES) and not every & {"ip", "web"} and _has_letters(counts)


def _has_letters(counts: Mapping[str, int]) -> bool:
    return not counts or _share(counts, lambda text: any(map(str.isalpha, text))) >= _MOST


_KINDS: tuple[tuple[Callable[[Set[str], Mapping[str, int]], bool], str, str], ...] = (
    (_any_of(OFFICIAL_NUMBERS, frozenset({"socialsecuritynumber"})), RESTRICTED, "an official number of a person"),
    (_any_of(BIRTHS), RESTRICTED, "the name says birth"),
    (_is_name_of_person, RESTRICTED, "the name says the name of a person"),
    (_any_of(ATTRIBUTES), RESTRICTED, "an attribute of a person"),
    (lambda every, counts: "age" in every and _share(counts, str.isdigit) >= _HALF, RESTRICTED, "an age"),
    (_any_of(CONTACTS), CONFIDENTIAL, "the name says how to reach somebody"),
    (_is_address, CONFIDENTIAL, "the name says an address"),
    (_any_of(PLATES, LICENCES), CONFIDENTIAL, "the name says a vehicle or a licence"),
    (_any_of(BADGES), CONFIDENTIAL, "the name says a badge"),
    (lambda every, _: bool(every & PAY) and not every & PAY_TERMS, CONFIDENTIAL, "the name says pay"),
)
"""By the words of a name and all of them joined: the class, and why. The first that fits."""


def _by_content(name: str, counts: Mapping[str, int]) -> Personal | None:
    sample = _sample(counts)
    for kind, rows in personal_kinds([name], sample, _NO_YEAR):
        if kind in _CLASSES and rows >= sum(sample.values()) * _MOST:
            return Personal(_CLASSES[kind], f"the values look like {kind.plural}")
    if counts and _share(counts, _STREET.fullmatch) >= _HALF:
        return Personal(CONFIDENTIAL, "the values look like street addresses")
    if _given_names(counts) >= _MANY_NAMES:
        return Personal(RESTRICTED, "the values look like names of persons")
    return None


def _sample(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(list(counts.items())[:: -(-len(counts) // _SEARCHED) or 1])


def _given_names(counts: Mapping[str, int]) -> float:
    """The share of the texts that are some words, one of them a frequent given name."""
    return _share(dict.fromkeys(counts, 1), _has_given_name)


def _has_given_name(text: str) -> bool:
    if not (_WORDS_ALONE.fullmatch(text) or _is_last_first(text)):
        return False
    return not GIVEN_NAMES.isdisjoint(re.split(r"[\s,.]+", text.lower()))


def _is_last_first(text: str) -> bool:
    return _LAST_FIRST.fullmatch(text) is not None


def _share(counts: Mapping[str, int], fits: Callable[[str], object]) -> float:
    rows = sum(counts.values())
    return sum(times for text, times in counts.items() if fits(text)) / rows if rows else 0.0
