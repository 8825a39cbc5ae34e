"""Whether the texts of one column are personal data: by their forms, how they repeat, and the name of the column. Pure.

A remark for an id that only looks like a phone number would be read by nobody the next time. So a form alone is not
enough where ids are often written like it: numbers that cannot exist, or parts that hardly differ, show an id.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from etl_platform.engine.column_words import words
from etl_platform.engine.privacy.birth_dates import is_birth, is_named_birth
from etl_platform.engine.privacy.personal_forms import Form, PersonalKind, forms, is_card, is_phone, is_ssn
from etl_platform.engine.privacy.personal_words import CARDS, INSTITUTIONS, PHONES, SOCIAL_SECURITY

_PLAIN = {PersonalKind.SSN: is_ssn, PersonalKind.PHONE: is_phone, PersonalKind.CARD: is_card}
_FEW, _SOME, _MANY = 3, 6, 20
_VALID_SHARE = {PersonalKind.SSN: 0.95, PersonalKind.PHONE: 0.9, PersonalKind.CARD: 0.8}
_PLAIN_SHARE = 0.8
_MOST_GROUPS, _YEARS = 60, 12


@dataclass
class _Evidence:
    """What has the form of a kind: rows, distinct values by whether they are valid, and whether one is sure."""

    rows: int = 0
    valid: set[str] = field(default_factory=set)
    invalid: set[str] = field(default_factory=set)
    sure: bool = False


def personal_kinds(
    names: Sequence[str], rows: Mapping[str, int], newest_year: int
) -> Iterator[tuple[PersonalKind, int]]:
    """The kinds of personal data in a column, with the rows that look so.

    Args:
        names: of the column, as the contract and the file have it.
        rows: by text, without texts that mean empty.
        newest_year: of the file, or the current one.
    """
    evidence: dict[PersonalKind, _Evidence] = defaultdict(_Evidence)
    named = named_kind(names)
    for text, times in rows.items():
        counted: set[PersonalKind] = set()
        for form in chain(forms(text), _plain(named, text) if named else ()):
            one = evidence[form.kind]
            if not form.valid:
                one.invalid.add(form.digits)
                continue
            one.valid.add(form.digits)
            one.sure |= form.sure
            if form.kind not in counted:
                counted.add(form.kind)
                one.rows += times
    institution = not INSTITUTIONS.isdisjoint(word for name in names for word in words(name))
    for kind, one in evidence.items():
        if one.rows and _is_personal(kind, one, named=named is kind, institution=institution):
            yield kind, one.rows
    if is_named_birth(names):
        births = sum(times for text, times in rows.items() if is_birth(text.strip(), newest_year))
        if births > sum(rows.values()) / 2:
            yield PersonalKind.BIRTH_DATE, births


def named_kind(names: Sequence[str]) -> PersonalKind | None:
    """The kind of number that a name says; then plain digits are enough."""
    return next((kind for name in names if (kind := _named_kind(words(name)))), None)


def _named_kind(found: Sequence[str]) -> PersonalKind | None:
    every = {*found, "".join(found)}
    if every & SOCIAL_SECURITY or {"social", "security"} <= every or {"soc", "sec"} <= every:
        return PersonalKind.SSN
    if every & PHONES:
        return PersonalKind.PHONE
    return PersonalKind.CARD if every & CARDS else None


def _plain(named: PersonalKind, text: str) -> Iterator[Form]:
    """A number without separators, in a column that is named so. Spreadsheets lose zeros and add ``.0``."""
    digits = text.strip().removesuffix(".0")
    if not (digits.isascii() and digits.isdigit()):
        return
    if named is PersonalKind.PHONE and len(digits) == 11:
        digits = digits.removeprefix("1")
    if named is PersonalKind.SSN and len(digits) in (7, 8):
        digits = digits.zfill(9)
    if len(digits) >= 9:
        yield Form(named, digits, _PLAIN[named](digits))


def _is_personal(kind: PersonalKind, one: _Evidence, *, named: bool, institution: bool) -> bool:
    valid, written = len(one.valid), len(one.valid | one.invalid)
    if not one.sure and not named:
        return kind is PersonalKind.CARD and valid >= _FEW and valid >= _PLAIN_SHARE * written
    if kind in (PersonalKind.PHONE, PersonalKind.EMAIL) and (institution or (valid == 1 and one.rows >= _FEW)):
        return False
    if kind in _VALID_SHARE and written >= _MANY and valid < _VALID_SHARE[kind] * written:
        return False
    if kind is not PersonalKind.SSN or named or valid < _SOME:
        return True
    return _are_groups({int(number[3:5]) for number in one.valid}, valid)


def _are_groups(groups: set[int], numbers: int) -> bool:
    """Case numbers have a year or a unit in the middle, and social security numbers any of 99 groups."""
    return max(groups) - min(groups) > _YEARS and len(groups) >= min(numbers, _MOST_GROUPS) / 3
