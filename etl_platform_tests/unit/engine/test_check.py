"""check_file on real files: counts, examples, masking, quarantine, verdicts, and the same bytes every time."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl_platform.engine.check import check_file, profile_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.masking import HIDDEN, shape
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.result import CheckOutcome, CheckResult, Example
from etl_platform.engine.text_report import verdict
from etl_platform_tests.unit.making import contract_of, custom, listing, row_rule, text, typed, write_results

COLUMNS = [
    text("ident", required=True, unique=True),
    text("secret", classification="restricted", logicalTypeOptions={"pattern": "^[A-Z]"}),
    typed("day", "date", logicalTypeOptions={"format": "yyyy-MM-dd"}),
    typed("size", "integer", logicalTypeOptions={"minimum": 0}),
]
CONTRACT = contract_of(COLUMNS, quality=[row_rule("early_is_small", "size < 10 OR day >= DATE '2020-01-01'")])
HEAD = "ident,secret,day,size\n"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def check(out: Path, content: str, contract: Contract = CONTRACT) -> CheckResult:
    path = out.parent / "delivery.csv"
    path.write_text(content, "utf-8", newline="")
    return check_file(path, contract, out)


def test_good_rows_are_typed_and_bad_rows_have_reasons(out: Path) -> None:
    result = check(out, HEAD + "a,Ann,2020-01-05,3\nb,bob,2020-13-01,-1\nc,,,\nc,Cy,2019-05-05,50\n")
    assert (result.outcome, result.rows, result.accepted_rows, result.quarantined_rows) == (
        CheckOutcome.ACCEPTED,
        4,
        1,
        3,
    )
    assert result.reasons == {
        "day.type": 1,
        "early_is_small": 1,
        "ident.unique": 2,
        "secret.pattern": 1,
        "size.range": 1,
    }
    silver = pl.read_parquet(out / "silver.parquet")
    assert silver.schema == {"ident": pl.String, "secret": pl.String, "day": pl.Date, "size": pl.Int64}
    assert silver.rows() == [("a", "Ann", date(2020, 1, 5), 3)]
    bad = pl.read_parquet(out / "quarantine.parquet")
    assert bad.select("ident", "secret", "day", "size", "_line").rows() == [
        ("b", "bob", "2020-13-01", "-1", 3),
        ("c", None, None, None, 4),
        ("c", "Cy", "2019-05-05", "50", 5),
    ]
    assert bad["reasons"].to_list() == [
        "secret.pattern;day.type;size.range",
        "ident.unique",
        "ident.unique;early_is_small",
    ]


def test_quarantine_keeps_texts_and_columns_as_sent(out: Path) -> None:
    contract = contract_of([text("ident", required=True), text("b")], customs=custom(trim=True, nullTokens=["N/A"]))
    check(out, "B,Unknown,IDENT\n n/a ,x, N/A\n1,2, ok \n", contract)
    bad = pl.read_parquet(out / "quarantine.parquet")
    assert bad.select("B", "Unknown", "IDENT").rows() == [(" n/a ", "x", " N/A")]
    assert pl.read_parquet(out / "silver.parquet").rows() == [("ok", "1")]


def test_examples_are_the_first_five_lines_without_values_of_masked_columns(out: Path) -> None:
    rows = "".join(f"i{n},peña{n},x{n},{n}\n" for n in range(8))
    result = check(out, HEAD + "a,Ann,2020-01-05,3\n" + rows)
    assert result.examples["day.type"] == tuple(Example(n + 3, f"x{n}") for n in range(5))
    assert result.examples["secret.pattern"] == tuple(Example(n + 3, "aaaa9") for n in range(5))
    assert "peña" not in json.dumps(result.to_json(), ensure_ascii=False)


def test_an_unnamed_column_with_text_is_reported_with_its_position(out: Path) -> None:
    rows = "a,,Ann,2020-01-05,, ,3,,\n" * 9 + "b,left out,Ann,2020-01-05,, ,3,,\nc,,Ann,2020-01-05,,,3,,note\n"
    result = check(out, "ident,,secret,day, ,,size,,\n" + rows)
    assert result.columns.extra == ("column 2 (no name)", "column 9 (no name)")
    said = verdict("delivery.csv", "things", result)
    assert "\nnot in the contract: column 2 (no name), column 9 (no name)\n" in said


def test_cells_beyond_the_last_column_are_not_an_extra_column(out: Path) -> None:
    rows = "a,Ann,2020-01-05,3,\n" * 9 + "b,Ann,2020-01-05,3,note\n"
    result = check(out, HEAD + rows)
    assert result.reasons["row.too_many_fields"] == 1
    assert result.columns.extra == ()


def test_each_kind_of_damage_has_examples_of_its_own(out: Path) -> None:
    result = check(out, HEAD + "a,Ann,2020-01-05,3\n" + "x,y\n" * 200 + "p,Q,2020-01-05,1,extra\n")
    assert result.reasons["row.too_few_fields"] == 200
    assert [example.line for example in result.examples["row.too_many_fields"]] == [203]


def test_no_value_of_a_masked_column_is_in_preview_profile_or_report(out: Path) -> None:
    rows = "".join(f"i{n},Secret{n},2020-01-05,{n}\n" for n in range(9)) + "z,wrong,2020-01-05,1\n"
    result = check(out, HEAD + rows)
    assert len(result.preview) == 5
    assert {row["secret"] for row in result.preview} == {HIDDEN}
    assert [row["ident"] for row in result.preview] == [f"i{n}" for n in range(5)]
    said = json.dumps([result.to_json(), result.preview], ensure_ascii=False)
    assert "Secret" not in said
    assert "wrong" not in said


def test_a_value_of_a_masked_column_in_a_row_rule_or_beyond_the_last_column_is_masked(out: Path) -> None:
    contract = contract_of(
        [text("ident"), typed("salary", "integer", classification="confidential")],
        quality=[row_rule("modest", "salary < 1000 OR ident = 'boss'")],
    )
    result = check(out, "ident,salary\na,1\nb,98765\nc,2,Overflow7\nd,4\n", contract)
    assert result.examples["modest"] == (Example(3, "salary=99999, ident=b"),)
    assert result.examples["row.too_many_fields"] == (Example(4, "Aaaaaaaa9"),)


@pytest.mark.parametrize(
    ("value", "masked"),
    [("13/45/1980", "99/99/9999"), ("Peña", "Aaaa"), ("٣x", "9a"), ("", ""), ("李", "a"), ("a" * 99, "a" * 60)],
)
def test_a_shape_shows_the_form_and_not_the_content(value: str, masked: str) -> None:
    assert shape(value) == masked


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "empty_file"),
        (HEAD, "no_rows"),
        (HEAD + "\n,,,\n", "no_rows"),
        ("secret,day,size\nAnn,2020-01-05,1\n", "missing_column"),
        (HEAD + ",Ann,2020-01-05,1\n,Bob,2020-01-05,1\n", "no_good_rows"),
        ("Ident,IDENT,secret,day\n1,2,A,2020-01-05\n", "ambiguous_column"),
        (HEAD + 'a,"Ann,2020-01-05,1\n', "no_good_rows"),
        ("some prose\n", "no_header_match"),
    ],
)
def test_a_rejected_file_has_its_code_and_no_silver(out: Path, content: str, code: str) -> None:
    result = check(out, content)
    assert result.outcome is CheckOutcome.REJECTED
    assert [error.code for error in result.errors] == [code]
    assert not (out / "silver.parquet").exists()
    assert result.rows == result.accepted_rows + result.quarantined_rows


def test_bad_rows_reject_the_file_only_above_the_limit(out: Path) -> None:
    contract = contract_of(COLUMNS, customs=custom(maxRejectedPercent=50))
    good, bad = "g{},A,2020-01-05,1\n", ",A,2020-01-05,1\n"
    assert check(out, HEAD + good.format(1) + bad, contract).outcome is CheckOutcome.ACCEPTED
    result = check(out, HEAD + good.format(1) + bad * 2, contract)
    assert [error.code for error in result.errors] == ["too_many_bad_rows"]
    assert not (out / "silver.parquet").exists()
    assert pl.read_parquet(out / "quarantine.parquet").height == 2


def test_a_missing_optional_column_is_null_and_reported(out: Path) -> None:
    result = check(out, "ident,day\na,2020-01-05\n")
    assert result.columns.missing == ("secret", "size")
    assert pl.read_parquet(out / "silver.parquet").rows() == [("a", None, date(2020, 1, 5), None)]


def test_two_runs_with_different_chunks_write_the_same_bytes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = HEAD + "".join(f"i{n % 190},{'A' if n % 3 else 'b'}x,2020-01-{n % 40:02d},{n - 5}\n" for n in range(200))
    first = check(out, content)
    write_results(first, CONTRACT, out)
    before = listing(out)
    second = check(out, content)
    write_results(second, CONTRACT, out)
    assert listing(out) == before
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 500)
    small = check(out, content)
    for name in ("silver.parquet", "quarantine.parquet"):
        path = out.parent / name
        path.write_bytes(before[name])
        assert pl.read_parquet(out / name).equals(pl.read_parquet(path))
    assert {**small.to_json(), "profile": 0} == {**first.to_json(), "profile": 0}


def test_a_key_that_repeats_in_another_chunk_is_found(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", 200)
    rows = [f'i{n},"A, ""{n}""",2020-01-05,{n}' for n in range(100)]
    rows[99] = rows[99].replace("i99", "i0", 1)
    assert check(out, HEAD + "\n".join(rows) + "\n").reasons == {"ident.unique": 2}


def test_only_the_documented_files_are_written(out: Path) -> None:
    write_results(check(out, HEAD + "a,Ann,2020-01-05,3\n,B,,\n"), CONTRACT, out)
    assert set(listing(out)) == {"silver.parquet", "quarantine.parquet", "quarantine.csv", "report.json"}


def test_a_corrected_file_removes_the_results_of_the_bad_one(out: Path) -> None:
    write_results(check(out, HEAD + "a,Ann,2020-01-05,3\n,B,,\n"), CONTRACT, out)
    write_results(check(out, HEAD + "a,Ann,2020-01-05,3\n"), CONTRACT, out)
    assert set(listing(out)) == {"silver.parquet", "report.json"}


def test_the_quarantine_csv_holds_the_same_rows(out: Path) -> None:
    write_results(check(out, HEAD + 'a,Ann,2020-01-05,3\n,"B ""q"", é\n2",007,\n'), CONTRACT, out)
    shown = pl.read_csv(out / "quarantine.csv", infer_schema=False)
    kept = pl.read_parquet(out / "quarantine.parquet")
    assert shown.columns[0] == "_line"
    assert shown.select(kept.columns).rows() == kept.cast(pl.String).rows()
    assert json.loads((out / "report.json").read_text("utf-8"))["quarantined_rows"] == 1


@pytest.mark.parametrize("profile_only", [False, True])
def test_a_panic_of_polars_is_an_error_without_its_message(out: Path, profile_only: bool) -> None:
    path = out.parent / "delivery.csv"
    path.write_text(HEAD + "a,Ann,2020-01-05,3\n", "utf-8")

    def panics(_stage: str, _rows: int) -> None:
        raise pl.exceptions.PanicException("cannot compare Ann")

    def read() -> CheckResult:
        return profile_file(path, panics) if profile_only else check_file(path, CONTRACT, out, panics)

    with pytest.raises(RuntimeError) as caught:
        read()
    assert str(caught.value) == "Polars panicked on this file"
