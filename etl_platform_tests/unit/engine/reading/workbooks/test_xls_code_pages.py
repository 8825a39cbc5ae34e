"""Texts of Excel 95: the font, the code page and the letters themselves decide what the bytes are."""

import io

import pytest

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.workbooks.xls_sheets import open_xls
from etl_platform_tests.unit.engine.reading.workbooks.xls_writer import Book, SheetOf, record, workbook

RUSSIAN, CZECH, GREEK = "Сорокин", "Dvořáček", "Ελένη"


def names_in(book: Book) -> list[str]:
    (sheet,) = open_xls(io.BytesIO(workbook(book))).sheets
    return [row.cells[0] for row in sheet.rows()]


def book(*names: str, encoding: str, code_page: int | None, charset: int = 0) -> Book:
    rows = [[name] for name in ("name", *names)]
    return Book([SheetOf(rows)], version=5, encoding=encoding, code_page=code_page, charsets=(charset,))


@pytest.mark.parametrize(
    ("name", "encoding", "code_page"),
    [
        ("Peña", "cp1252", 1252),
        ("Peña", "cp1252", 32_769),
        (RUSSIAN, "cp1251", 1251),
        (CZECH, "cp1250", 1250),
        ("Peña", "mac_roman", 10_000),
        (GREEK, "mac_greek", 10_006),
        ("山田", "cp932", 932),
    ],
)
def test_texts_in_the_code_page_that_the_workbook_names_are_read(name: str, encoding: str, code_page: int) -> None:
    assert names_in(book(name, "Brown", encoding=encoding, code_page=code_page)) == ["name", name, "Brown"]


@pytest.mark.parametrize(
    ("name", "encoding", "charset"), [(RUSSIAN, "cp1251", 204), (CZECH, "cp1250", 238), (GREEK, "cp1253", 161)]
)
@pytest.mark.parametrize("code_page", [None, 1252])
def test_a_font_for_a_language_wins_over_the_code_page(
    name: str, encoding: str, charset: int, code_page: int | None
) -> None:
    assert names_in(book(name, encoding=encoding, code_page=code_page, charset=charset)) == ["name", name]


def test_a_font_that_its_texts_contradict_does_not_count() -> None:
    assert names_in(book("Peña", encoding="cp1252", code_page=1252, charset=204)) == ["name", "Peña"]


@pytest.mark.parametrize("code_page", [None, 1252])
def test_utf_8_is_told_by_its_bytes(code_page: int | None) -> None:
    assert names_in(book("Peña", RUSSIAN, encoding="utf-8", code_page=code_page)) == ["name", "Peña", RUSSIAN]


@pytest.mark.parametrize(
    ("encoding", "code_page"), [("cp1251", None), ("cp1251", 932), ("cp1251", 1_111), ("cp1251", 367)]
)
def test_russian_texts_without_their_code_page_are_refused(encoding: str, code_page: int | None) -> None:
    with pytest.raises(UnreadableFileError, match="code page") as caught:
        names_in(book(RUSSIAN, "Ивановский", "Щукин", encoding=encoding, code_page=code_page))
    assert caught.value.code == "encoding_undecidable"


def test_western_texts_under_a_russian_code_page_are_refused() -> None:
    with pytest.raises(
        UnreadableFileError, match=r"row 2, column 1 is not written in cp1251 \(it reads 'Pe\wa'\)"
    ) as caught:
        names_in(book("Peña", encoding="cp1252", code_page=1251))
    assert caught.value.code == "encoding_undecidable"


@pytest.mark.parametrize(
    ("names", "encoding", "code_page"),
    [
        (["Иванов"], "cp1251", 1252),
        ([CZECH, "Brown", "Novák"], "cp1250", 1252),
        (["Wałęsa", "Łódź"], "cp1250", 32_769),
        (["Peña", "López"], "mac_roman", 1252),
        (["Peña", "López"], "cp1252", 10_000),
        (["Peña", "Núñez"], "cp1252", 1250),
        ([GREEK], "cp1253", 1252),
    ],
)
def test_texts_under_the_code_page_of_another_language_are_refused(
    names: list[str], encoding: str, code_page: int
) -> None:
    with pytest.raises(UnreadableFileError, match="sheet Sheet1, row 2, column 1") as caught:
        names_in(book(*names, encoding=encoding, code_page=code_page))
    assert caught.value.code == "encoding_undecidable"


def test_western_words_without_a_code_page_are_read() -> None:
    assert names_in(book("Peña", "Brown", "Müller", encoding="cp1252", code_page=None))[1:] == [
        "Peña",
        "Brown",
        "Müller",
    ]


def test_a_text_is_not_shown_in_a_message_where_it_must_be_masked() -> None:
    content = io.BytesIO(workbook(book("Иванов", encoding="cp1251", code_page=1252)))
    for mask, shown in ((True, False), (False, True)):
        with pytest.raises(UnreadableFileError) as caught:
            open_xls(content, mask=mask)
        assert ("Èâàíîâ" in caught.value.message) is shown


def test_ascii_needs_no_code_page_and_the_sheet_may_have_any_name() -> None:
    plain = Book([SheetOf([["name"], ["Brown"]], name="Día")], version=5, code_page=None)
    assert names_in(plain) == ["name", "Brown"]


def test_a_workbook_of_excel_97_has_no_code_page() -> None:
    for code_page in (1252, 1251, 1200, 9_999):
        russian = Book([SheetOf([["name"], [RUSSIAN]])], code_page=code_page, last=record(0x42, b"\x01\x80"))
        assert names_in(russian) == ["name", RUSSIAN]
