"""Written forms of personal data, alone and inside sentences, and what only looks like them."""

import polars as pl
import pytest

from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.privacy.personal_forms import LIKELY, PersonalKind, forms, has_form, is_card, is_phone, is_ssn

FORMS = [
    ("523-41-7790", PersonalKind.SSN),
    ("523 41 7790", PersonalKind.SSN),
    ("523\u201341\u20137790", PersonalKind.SSN),
    ("523 - 41 - 7790", PersonalKind.SSN),
    ("gave 523-41-7790, then left.", PersonalKind.SSN),
    ("SSN-523-41-7790", PersonalKind.SSN),
    ("ssn no. 523417790", PersonalKind.SSN),
    ("Social Security Number: 523 41 7790", PersonalKind.SSN),
    ("(505) 842-7733", PersonalKind.PHONE),
    ("505.842.7733", PersonalKind.PHONE),
    ("505-842-7733 ext. 12", PersonalKind.PHONE),
    ("+1 505 842 7733", PersonalKind.PHONE),
    ("+15058427733", PersonalKind.PHONE),
    ("+44 20 7946 0958", PersonalKind.PHONE),
    ("her cell is 5058427733", PersonalKind.PHONE),
    ("a.b@example.org", PersonalKind.EMAIL),
    ("sent to <Jos\u00e9.T@mail.example.org>, unread", PersonalKind.EMAIL),
    ("4012 8888 8888 1881", PersonalKind.CARD),
    ("paid with visa 4012888888881881", PersonalKind.CARD),
    ("male, DOB: 2/3/1980", PersonalKind.BIRTH_DATE),
    ("born on Feb 3, 1980", PersonalKind.BIRTH_DATE),
]
NO_FORMS = [
    *("523417790", "000-41-7790", "666-41-7790", "923-41-7790", "523-00-7790", "523-41-0000"),
    *("2019-523-41-7790", "A-523-41-7790", "523-41-77901", "523-417790"),
    *("105-842-7733", "505-142-7733", "(800) 842-7733", "5058427733", "2023-842-7733"),
    *("records@example.org", "@unit12", "12 @ 5.00", "MAIN ST @ 5TH", "u@localhost"),
    *("4012888888881882", "20190102123456", "4012888888881881", "1111 1111 1111 1111"),
    *("2/3/1980", "2024-01-02 10:22:31", "$1,250,300.00", "35.106766", "10.20.30.40", "87110-1234"),
]


@pytest.mark.parametrize(("text", "kind"), FORMS)
def test_a_form_is_found_alone_and_inside_a_sentence_and_is_shown_by_its_shape(text: str, kind: PersonalKind) -> None:
    assert kind in {form.kind for form in forms(text) if form.valid}
    assert has_form(text)
    assert not any(character.isdigit() and character != "9" for character in shown(text))


@pytest.mark.parametrize("text", NO_FORMS)
def test_what_only_looks_like_it_is_shown_as_it_is(text: str) -> None:
    assert not has_form(text)
    assert shown(text) == text


@pytest.mark.parametrize("text", [text for text, _ in FORMS])
def test_the_quick_test_passes_every_text_with_a_form(text: str) -> None:
    assert pl.Series([text]).str.contains(LIKELY).item()


def test_numbers_that_nobody_can_have_are_invalid() -> None:
    assert [is_ssn(digits) for digits in ("523417790", "52341779", "900417790")] == [True, False, False]
    assert [is_phone(digits) for digits in ("5058427733", "9118427733", "5051427733")] == [True, False, False]
    cards = ("4012888888881881", "378282246310005", "5105105105105100", "6011111111111117", "30569309025904")
    assert all(map(is_card, cards))
    assert not any(is_card(digits[:-1] + str((int(digits[-1]) + 1) % 10)) for digits in cards)
