"""Characters that nobody sees are removed with a note; characters that stand for a lost letter damage their row."""

import unicodedata
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.check_output import QUARANTINE_CSV
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.reading.characters.unusual_characters import has_unusual
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import SILVER
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.making import contract_of, custom, text, write_results

COLUMNS = [text("ident", unique=True, required=True), text("name", required=True), text("note")]
CONTRACT = contract_of(COLUMNS, customs=custom(trim=True))
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2064\u3164\ufe0f\ufeff\ufffc"
    "\U000e0041"
)
BLANK = "\u00a0\u1680\u2003\u2007\u2009\u202f\u205f\u3000\v\f"
CONTROL = "\0\x01\x08\x0e\x1b\x1f\x7f\x80\x85\x92\x9f\uffff"


def check(path: Path, *rows: str, contract: Any = CONTRACT, **more: Any) -> CheckResult:
    path.write_text("\n".join(("ident,name,note", *rows)) + "\n", "utf-8", newline="")
    return check_file(path, contract, path.parent, **more)


def silver(path: Path) -> list[tuple[Any, ...]]:
    return pl.read_parquet(path.parent / SILVER).rows()


def cleaned(result: CheckResult) -> list[tuple[str, int, tuple[str, ...], int]]:
    assert result.dialect is not None
    return [(item.what, item.cells, item.columns, item.line) for item in result.dialect.cleaned]


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_an_invisible_character_is_removed_with_a_note(path: Path, character: str) -> None:
    result = check(path, f"A{character}1,Ana,x", f"A2,Bo{character},y")
    assert silver(path) == [("A1", "Ana", "x"), ("A2", "Bo", "y")]
    assert cleaned(result) == [("invisible", 2, ("ident", "name"), 2)]
    assert "removed invisible characters in 2 cells of ident, name, first on line 2" in verdict("f", "d", result)


@pytest.mark.parametrize("character", BLANK, ids=ascii)
def test_a_blank_of_another_kind_is_a_plain_blank(path: Path, character: str) -> None:
    result = check(path, f"{character}A1,Ana{character}Lee,x", f"A2,{character},y")
    assert silver(path) == [("A1", "Ana Lee", "x")]
    assert result.reasons == {"name.required": 1}
    assert cleaned(result) == [("blank", 3, ("ident", "name"), 2)]


@pytest.mark.parametrize("character", CONTROL, ids=ascii)
def test_a_control_character_damages_its_row(path: Path, character: str) -> None:
    result = check(path, "A1,Ana,x", f"A2,O{character}Neil,y")
    assert silver(path) == [("A1", "Ana", "x")]
    assert result.reasons == {"row.control_character": 1}
    assert [(row.line, row.value) for row in result.examples["row.control_character"]] == [
        (3, f"name=A{character}Aaaa")
    ]


def test_a_replacement_character_damages_its_row(path: Path) -> None:
    result = check(path, "A1,Ana,x", "A2,Pe\ufffda,y")
    assert silver(path) == [("A1", "Ana", "x")]
    assert result.reasons == {"row.broken_character": 1}


def test_a_lost_letter_in_a_column_that_the_contract_does_not_read_is_no_damage(path: Path) -> None:
    result = check(path, "A1,Ana,x\ufffd\0", contract=contract_of(COLUMNS[:2]))
    assert (silver(path), result.reasons) == ([("A1", "Ana")], {})


def test_a_cell_of_invisible_characters_does_not_satisfy_required(path: Path) -> None:
    contract = contract_of(COLUMNS)
    result = check(path, "A1,Ana,x", "A2,\u200b\ufeff,y", contract=contract)
    assert result.reasons == {"name.required": 1}


def test_null_tokens_are_found_behind_invisible_characters(path: Path) -> None:
    contract = contract_of([*COLUMNS[:2], text("note", customProperties=custom(nullTokens=["N/A"]))])
    check(path, "A1,Ana,\u200eN/A\u00a0", "A2,Bo,N\u200b/A", contract=contract)
    assert silver(path) == [("A1", "Ana", None), ("A2", "Bo", None)]


def test_composed_and_decomposed_accents_are_one_key(path: Path) -> None:
    result = check(path, "Zoë,Ana,x", f"{unicodedata.normalize('NFD', 'Zoë')},Bo,y", "A3,Cy,z")
    assert result.reasons == {"ident.unique": 2}
    assert cleaned(result) == [("accent", 1, ("ident",), 3)]


def test_text_that_was_encoded_twice_is_decoded_with_a_note(path: Path) -> None:
    names = ["Peña", "MUÑOZ", "José", "O\u2019Neil", "naïve \u201cword\u201d", "½ café…", "Łucja"]
    twice = [twice_encoded(name) for name in names]
    result = check(path, *(f"A{number},{name},x" for number, name in enumerate(twice)))
    assert [name for _, name, _ in silver(path)] == names
    assert cleaned(result) == [("double_encoded", len(names), ("name",), 2)]


def twice_encoded(text: str) -> str:
    return "".join(code.decode("cp1252", "replace").replace("\ufffd", chr(code[0])) for code in split(text.encode()))


def split(content: bytes) -> list[bytes]:
    return [bytes([code]) for code in content]


@pytest.mark.parametrize("name", ["“MAÇÃ”", "IRMÃ\u2019S", "„SCHÄ“", "Âncora", "Ç½", "Émile", "50 €", "Ångström"])
def test_text_that_only_resembles_twice_encoded_text_is_kept(path: Path, name: str) -> None:
    result = check(path, f"A1,{name},x")
    assert (silver(path), cleaned(result)) == ([("A1", name, "x")], [])


def test_the_cells_of_a_workbook_are_cleaned_in_the_same_way(path: Path) -> None:
    book = openpyxl.Workbook()
    rows = [
        ("ident", "name", "note"),
        ("A\u200b1", "Ana\u00a0Lee", "x"),
        ("A2", "O\x92Neil", "y"),
        ("A3", "Pe\ufffda", "z"),
    ]
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    result = check_file(path, CONTRACT, path.parent)
    assert silver(path) == [("A1", "Ana Lee", "x")]
    assert result.reasons == {"row.broken_character": 1, "row.control_character": 1}
    assert cleaned(result) == [("invisible", 1, ("ident",), 2), ("blank", 1, ("name",), 2)]


def test_a_quarantined_row_shows_its_control_characters_as_sent(path: Path) -> None:
    result = check(path, "A1,Ana,x", "A2,O\x92Neil,y")
    write_results(result, CONTRACT, path.parent)
    assert "O\x92Neil" in (path.parent / QUARANTINE_CSV).read_text("utf-8")


def test_a_correction_must_replace_the_lost_letter(path: Path) -> None:
    rows = "A1,Ana,x", "A2,Pe\ufffda,y"
    half = check(path, *rows, corrections=Corrections({(None, 3): {"note": "z"}}))
    assert half.reasons == {"row.broken_character": 1}
    check(path, *rows, corrections=Corrections({(None, 3): {"name": "Peña"}}))
    assert silver(path) == [("A1", "Ana", "x"), ("A2", "Peña", "y")]


def test_the_report_of_a_cleaned_file_is_loaded_as_it_was_written(path: Path) -> None:
    result = check(path, "A\u200b1,Ana,x")
    assert CheckResult.from_json(result.to_json()).dialect == result.dialect


@pytest.mark.parametrize("plain", ["", "a,b\r\n\t~ ", "Peña, Łucja, “x” …", "日本語 Привет"])
def test_plain_text_is_not_unusual(plain: str) -> None:
    assert not has_unusual(plain.encode())


KEYS = st.lists(st.text(st.sampled_from("AB1ëñ"), min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=KEYS, data=st.data())
def test_invisible_characters_never_change_the_set_of_keys(
    tmp_path: Path, keys: list[str], data: st.DataObject
) -> None:
    path = tmp_path / "delivery"

    def disguised(key: str) -> str:
        form = unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), key)
        place = data.draw(st.integers(0, len(form)))
        within = data.draw(st.text(st.sampled_from(INVISIBLE), max_size=2))
        around = data.draw(st.text(st.sampled_from(" \u00a0\u2003"), max_size=2))
        return around + form[:place] + within + form[place:] + around

    plain = check(path, *(f"{key},Ana,x" for key in keys))
    unique = {row[0] for row in silver(path)} if plain.accepted_rows else set()
    hidden = check(path, *(f"{disguised(key)},Ana,x" for key in keys))
    assert ({row[0] for row in silver(path)} if hidden.accepted_rows else set()) == unique
    assert hidden.reasons == plain.reasons
