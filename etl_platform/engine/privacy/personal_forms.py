"""The written forms of social security, card and phone numbers, e-mail addresses and dates. Pure."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from etl_platform.engine.privacy.personal_words import FREE_OF_CHARGE, SHARED_MAILBOXES


class PersonalKind(StrEnum):
    """What a value looks like."""

    SSN = "ssn"
    CARD = "card"
    BIRTH_DATE = "birth_date"
    PHONE = "phone"
    EMAIL = "email"

    @property
    def plural(self) -> str:
        return _PLURALS[self]


_PLURALS = {
    PersonalKind.SSN: "social security numbers",
    PersonalKind.CARD: "card numbers",
    PersonalKind.BIRTH_DATE: "birth dates",
    PersonalKind.PHONE: "phone numbers",
    PersonalKind.EMAIL: "e-mail addresses",
}


class Form(NamedTuple):
    """A place of a text that has the form of a kind.

    Attributes:
        digits: its value without separators; of an e-mail address, all of it.
        valid: whether such a number can exist; ids of another kind often cannot.
        sure: whether the form is rare in other numbers. Plain digits are not sure.
    """

    kind: PersonalKind
    digits: str
    valid: bool = True
    sure: bool = True


_DASH = r"[-\u2010-\u2015\u2212]"
_SEPARATOR = rf"(?:\s?{_DASH}\s?|[./ ])"
_BEFORE, _AFTER = rf"(?<!\w)(?<!\d[-./])(?<!\w{_DASH})", rf"(?!\w)(?!{_DASH}\w)"
_EMAIL = re.compile(r"(?<![\w.+-])([\w][\w.%+'-]*)@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24})(?![\w@])")
_SSN = re.compile(rf"{_BEFORE}([0-9]{{3}})(?:\s?{_DASH}\s?([0-9]{{2}})\s?{_DASH}\s?)([0-9]{{4}}){_AFTER}")
_SSN_ALONE = re.compile(r"([0-9]{3})([. ])([0-9]{2})\2([0-9]{4})")
_SSN_TOLD = re.compile(
    r"(?i:\b(?:ssn?|soc(?:ial)?(?:[ .]*sec(?:urity)?)?))[ .]*(?i:no|num(?:ber)?|nr)?[\W_]{0,4}"
    r"([0-9]{3})[-. \u2010-\u2015]?([0-9]{2})[-. \u2010-\u2015]?([0-9]{4})(?![0-9])"
)
_PHONE = re.compile(
    rf"{_BEFORE}(?:\+?1{_SEPARATOR}?)?\(?([0-9]{{3}})(?:\) ?{_SEPARATOR}?|{_SEPARATOR})([0-9]{{3}}){_SEPARATOR}"
    rf"([0-9]{{4}})(?:\s*(?:x|ext\.?)\s*[0-9]+)?{_AFTER}"
)
_PHONE_ABROAD = re.compile(r"(?<![\w+])\+(?:1([2-9][0-9]{9})|([2-9](?:[ ./()-]{0,2}[0-9]){7,14}))(?!\w)")
_PHONE_TOLD = re.compile(
    r"(?i:\b(?:phone|call(?:ed)?|cell|tel|mobile|fax|ph)[a-z]*)[ .]*(?i:no|number|at|is)?[\W_]{0,4}1?([0-9]{10})"
    r"(?![0-9])"
)
_CARD = re.compile(rf"{_BEFORE}[0-9](?:[ -]?[0-9]){{13,15}}{_AFTER}")
_CARD_TOLD = re.compile(r"\b(?:card|visa|mastercard|amex|discover|debit|credit)", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}")
_NETWORK = re.compile(
    r"4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}|3[47][0-9]{13}"
    r"|6(?:011|4[4-9][0-9]|[25][0-9]{2})[0-9]{12}|35[0-9]{14}|3(?:0[0-5]|[689][0-9])[0-9]{11}"
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
DATE = (
    r"(?:[0-9]{1,2}[/.-][0-9]{1,2}[/.-](?:[0-9]{4}|[0-9]{2})|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"
    rf"|[0-9]{{1,2}}[ -]{_MONTH}[ -][0-9]{{2,4}}|{_MONTH} [0-9]{{1,2}},? [0-9]{{4}})"
)
_BORN = re.compile(
    rf"\b(?:dob|d\.o\.b\.?|date of birth|birth ?date|born(?: on)?)\W{{0,4}}({DATE})(?!\w)", re.IGNORECASE
)
_FOUR_DIGITS, _NINE_DIGITS = (re.compile(rf"[0-9](?:[^0-9]*[0-9]){{{count}}}") for count in (3, 8))
LIKELY = (
    r"@[0-9A-Za-z]|[0-9]{3}[ -/\x{2010}-\x{2015}\x{2212}]{1,4}[0-9]{2,3}[ -/\x{2010}-\x{2015}\x{2212}]{1,3}[0-9]{4}"
    r"|[0-9]{6}[-. ][0-9]{4}|\+[0-9]|[0-9](?:[ -]?[0-9]){13}"
    r"|(?i-u:ss|soc|dob|d\.o\.b|birth|born|phone|call|cell|tel|mobile|fax|ph)[ -/:-~]{0,16}[0-9]"
)
"""For Polars: a quick test that every text passes in which ``forms`` finds something."""


def forms(text: str) -> Iterator[Form]:
    """Everything in a text, alone or inside a sentence, that has the form of personal data."""
    if "@" in text:
        yield from _emails(text)
    if not _FOUR_DIGITS.search(text):
        return
    if _NINE_DIGITS.search(text):
        yield from _ssns(text)
        yield from _phones(text)
        yield from _cards(text)
    for found in _BORN.finditer(text):
        yield Form(PersonalKind.BIRTH_DATE, found[1])


def has_form(text: str) -> bool:
    """Whether a text must not be shown as it is, whatever its column."""
    return len(text) > _SHORTEST and any(form.valid and form.sure for form in forms(text))


_SHORTEST = 5


def _emails(text: str) -> Iterator[Form]:
    for found in _EMAIL.finditer(text):
        yield Form(PersonalKind.EMAIL, found[0].lower(), sure=found[1].lower() not in SHARED_MAILBOXES)


def _ssns(text: str) -> Iterator[Form]:
    alone = _SSN_ALONE.fullmatch(text.strip())
    groups = [alone.group(1, 3, 4)] if alone else []
    groups += [found.groups() for pattern in (_SSN, _SSN_TOLD) for found in pattern.finditer(text)]
    for area, group, serial in groups:
        yield Form(PersonalKind.SSN, area + group + serial, is_ssn(area + group + serial))


def is_ssn(digits: str) -> bool:
    """Whether the Social Security Administration can have given out these nine digits."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def _phones(text: str) -> Iterator[Form]:
    for found in _PHONE.finditer(text):
        digits = "".join(found.groups())
        if digits[:3] not in FREE_OF_CHARGE:
            yield Form(PersonalKind.PHONE, digits, is_phone(digits))
    for pattern in (_PHONE_ABROAD, _PHONE_TOLD):
        for found in pattern.finditer(text):
            digits = re.sub(r"[^0-9]", "", found[found.lastindex or 0])
            if (pattern is _PHONE_ABROAD and found[2]) or (is_phone(digits) and digits[:3] not in FREE_OF_CHARGE):
                yield Form(PersonalKind.PHONE, digits)


def is_phone(digits: str) -> bool:
    """Whether the North American Numbering Plan has such a number."""
    return len(digits) == 10 and digits[0] > "1" and digits[1:3] != "11" and digits[3] > "1" and digits[4:6] != "11"


def _cards(text: str) -> Iterator[Form]:
    for found in _CARD.finditer(text):
        digits = re.sub(r"[^0-9]", "", found[0])
        is_grouped = _GROUPED.fullmatch(found[0]) is not None
        if is_grouped or digits == found[0]:
            sure = is_grouped or _CARD_TOLD.search(text) is not None
            yield Form(PersonalKind.CARD, digits, is_card(digits), sure)


def is_card(digits: str) -> bool:
    """Whether a card network has such numbers, and the check digit (Luhn, ISO/IEC 7812-1) is right."""
    if len(set(digits)) < 3 or not _NETWORK.fullmatch(digits):
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
