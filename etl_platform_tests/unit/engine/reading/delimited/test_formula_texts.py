"""Cells that write a text as a formula, so that Excel keeps its zeros."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.making import contract_of, custom, text, typed

PLAIN = contract_of([text("badge"), text("name"), typed("n", "integer")])


def check(folder: Path, body: str, contract: Contract = PLAIN) -> CheckResult:
    path = folder / "things.csv"
    path.write_text(body, "utf-8", newline="")
    return check_file(path, contract, folder)


def silver(folder: Path, column: str = "badge") -> list[str | None]:
    return pl.read_parquet(folder / SILVER)[column].to_list()


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('="00123"', "00123"),
        ('="a""b"', 'a"b'),
        ('=""', None),
        ('="O\'Sample"', "O'Sample"),
        ("=123", "=123"),
        ('=T("00123")', '=T("00123")'),
        ('="a"&"b"', '="a"&"b"'),
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_only_a_text_that_is_written_as_a_formula_is_unwrapped(
    tmp_path: Path, sent: str, read: str | None, quoted: bool
) -> None:
    cell = '"' + sent.replace('"', '""') + '"' if quoted else sent
    result = check(tmp_path, f"badge,name,n\n{cell},x,1\nother,y,2\n")
    found = silver(tmp_path)
    assert found == [read, "other"] or (not quoted and read == sent and result.reasons == {"row.stray_quote": 1})


def test_wrapped_numbers_are_of_their_type(tmp_path: Path) -> None:
    result = check(tmp_path, 'badge,name,n\na,x,="5"\nb,x,="x"\nc,x,=5\n')
    assert result.reasons == {"n.type": 2}
    assert silver(tmp_path, "n") == [5]


def test_blanks_null_tokens_and_case_apply_to_the_text_inside(tmp_path: Path) -> None:
    columns = [text("badge", required=True), text("name")]
    contract = contract_of(columns, customs=custom(trim=True, nullTokens=["N/A"], case="upper"))
    result = check(tmp_path, 'badge,name\n  =" ab ",x\n="n/a",x\n=" ",x\n="",x\n', contract)
    assert silver(tmp_path) == ["AB"]
    assert result.reasons == {"badge.required": 3}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1), min_size=1),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_text_comes_back(tmp_path: Path, texts: list[str], quoting: int) -> None:
    out = io.StringIO()
    rows = [['="' + text.replace('"', '""') + '"', "x", "1"] for text in texts]
    csv.writer(out, quoting=quoting).writerows([["badge", "name", "n"], *rows])
    check(tmp_path, out.getvalue())
    assert silver(tmp_path) == texts


def test_keys_compare_without_the_formula_and_the_report_tells_it(tmp_path: Path) -> None:
    contract = contract_of([text("badge", primaryKey=True), typed("n", "integer")])
    result = check(tmp_path, 'badge,n\n="00123",1\n00123,2\n="00124",3\n', contract)
    assert result.reasons == {"badge.unique": 2}
    assert silver(tmp_path) == ["00124"]
    assert pl.read_parquet(tmp_path / QUARANTINE)["badge"].to_list() == ["00123", "00123"]
    assert 'formulas such as ="00123" in 2 cells of badge, first on line 2' in verdict("x.csv", None, result)
