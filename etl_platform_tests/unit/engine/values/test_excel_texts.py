"""Texts that a CSV holds as a formula, so that Excel keeps their zeros."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import REASONS
from etl_platform.engine.split import SILVER
from etl_platform_tests.unit.making import checked, contract_of, custom, text, typed

PLAIN = contract_of([text("badge"), typed("n", "integer")])
TRIMMED = contract_of([text("badge", required=True)], customs=custom(trim=True, nullTokens=["N/A"], case="upper"))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('="00123"', "00123"),
        ('="a""b"', 'a"b'),
        ('=""', None),
        ('="O\'Sample"', "O'Sample"),
        ("=123", "=123"),
        ('="a"&"b"', '="a"&"b"'),
        ('="a"b"', '="a"b"'),
        ('=T("00123")', '=T("00123")'),
        ('="00123', '="00123'),
        ('"00123"', '"00123"'),
        ('x="00123"', 'x="00123"'),
    ],
)
def test_only_a_text_that_is_written_as_a_formula_is_unwrapped(sent: str, read: str | None) -> None:
    frame = checked(PLAIN, [(sent, "1"), ("other", None)])
    assert frame["badge"].to_list() == [read, "other"]


def test_wrapped_numbers_are_of_their_type() -> None:
    frame = checked(PLAIN, [("a", '="5"'), ("b", '="x"'), ("c", "=5")])
    assert (frame["n"].to_list(), frame[REASONS].to_list()) == ([5, None, None], ["", "n.type", "n.type"])


@pytest.mark.parametrize(
    ("sent", "reasons"),
    [(' =" ab " ', ""), ('=" "', "badge.required"), ('="n/a"', "badge.required"), ('=""', "badge.required")],
)
def test_blanks_null_tokens_and_case_apply_to_the_text_inside(sent: str, reasons: str) -> None:
    frame = checked(TRIMMED, [(sent,)])
    assert (frame["badge"].to_list(), frame[REASONS].to_list()) == ([None if reasons else "AB"], [reasons])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_every_text_comes_back(texts: list[str]) -> None:
    wrapped = ['="' + text.replace('"', '""') + '"' for text in texts]
    assert checked(PLAIN, [(text, None) for text in wrapped])["badge"].to_list() == texts


def test_keys_compare_without_the_wrapping_and_quarantine_holds_what_was_sent(tmp_path: Path) -> None:
    contract = contract_of([text("badge", primaryKey=True), typed("n", "integer")])
    path = tmp_path / "things.csv"
    path.write_text('badge,n\n="00123",1\n00123,2\n="00124",3\n')
    result = check_file(path, contract, tmp_path)
    assert result.reasons == {"badge.unique": 2}
    assert pl.read_parquet(tmp_path / SILVER)["badge"].to_list() == ["00124"]
    assert pl.read_parquet(tmp_path / "quarantine.parquet")["badge"].to_list() == ['="00123"', "00123"]
