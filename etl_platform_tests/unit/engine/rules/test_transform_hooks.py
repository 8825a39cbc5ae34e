"""A dataset's own function: what it is given, what it may hand back in Polars and pandas, and how it is refused."""

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from etl_platform.engine.check import check_contract, check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, TransformError
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.result import CheckResult, Example
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.rules.derived_columns import lineage
from etl_platform_tests.unit.making import contract_of, custom, row_rule, text, typed

HERE = __name__
COMPUTED = {"customProperties": custom(computed=True)}


def polars_hook(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        share=pl.col("part") / pl.col("whole"),
        kind=pl.when(pl.col("part") > 2).then(pl.lit("many")).otherwise(pl.lit("few")),
    )


def pandas_hook(frame: pd.DataFrame) -> pd.DataFrame:
    assert isinstance(frame, pd.DataFrame)
    frame["share"] = frame["part"] / frame["whole"]
    frame["kind"] = ["many" if part > 2 else "few" for part in frame["part"]]
    return frame


def hook_contract(function: str, *, pandas: bool = False, **more: Any) -> Contract:
    frame = {"transformFrame": "pandas"} if pandas else {}
    return contract_of(
        [
            text("ident", unique=True),
            typed("part", "integer", required=True),
            typed("whole", "integer"),
            typed("double", "integer", transformLogic="part * 2"),
            typed("share", "number", logicalTypeOptions={"maximum": 1}, **COMPUTED),
            text("kind", required=True, **COMPUTED, enum=[{"value": "few"}, {"value": "many"}]),
        ],
        quality=[row_rule("many_is_a_lot", "kind = 'few' OR whole > 3")],
        customs=custom(transform=f"{HERE}:{function}", **frame),
        **more,
    )


def check(folder: Path, contract: Contract, content: str) -> CheckResult:
    path = folder / "things.csv"
    path.write_text(content, "utf-8")
    return check_file(path, contract, folder)


CONTENT = "ident,part,whole\na,1,2\nb,x,2\nc,3,3\nd,3,2\ne,4,8\nf,0,0\ng,1,\n"


@pytest.mark.parametrize("pandas", [False, True])
@pytest.mark.parametrize("chunk_bytes", [1 << 23, 12])
def test_a_hook_computes_columns_of_the_rows_that_are_good_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pandas: bool, chunk_bytes: int
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    contract = hook_contract("pandas_hook" if pandas else "polars_hook", pandas=pandas)
    result = check(tmp_path, contract, CONTENT)
    silver = pl.read_parquet(tmp_path / "silver.parquet")
    assert silver.columns == ["ident", "part", "whole", "double", "share", "kind"]
    # 0/0 is a missing value to pandas; to Polars it is NaN, which no number may be.
    no_share = [("f", 0, 0, 0, None, "few")] if pandas else []
    assert silver.rows() == [
        ("a", 1, 2, 2, 0.5, "few"),
        ("e", 4, 8, 8, 0.5, "many"),
        *no_share,
        ("g", 1, None, 2, None, "few"),
    ]
    broken = {"many_is_a_lot": 2, "part.type": 1, "share.range": 1}
    assert result.reasons == broken | ({} if pandas else {"share.type": 1})
    bad = pl.read_parquet(tmp_path / "quarantine.parquet").select("ident", "part", "whole", "_line", "reasons")
    assert bad.rows() == [
        ("b", "x", "2", 3, "part.type"),
        ("c", "3", "3", 4, "many_is_a_lot"),
        ("d", "3", "2", 5, "share.range;many_is_a_lot"),
        *([] if pandas else [("f", "0", "0", 7, "share.type")]),
    ]
    assert list(result.profile) == silver.columns
    assert result.profile["kind"].nulls == 0
    assert result.examples["share.range"] == (Example(5, "1.5"),)
    assert result.examples["many_is_a_lot"][0] == Example(4, "kind=many, whole=3")


@pytest.mark.parametrize("function", ["polars_hook", "pandas_hook"])
def test_a_contract_with_a_hook_is_checked_on_no_rows(function: str) -> None:
    contract = hook_contract(function, pandas=function == "pandas_hook")
    check_contract(contract)
    assert lineage(contract)["kind"] == ("ident", "part", "whole")
    assert [r.reason for r in contract_rules(contract) if r.column in {"share", "kind"}] == [
        "share.type",
        "share.range",
        "kind.required",
        "kind.allowed",
    ]


def raises(frame: pl.DataFrame) -> pl.DataFrame:
    raise KeyError("secret value")


def fewer(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).head(1)


def lacks(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).drop("kind")


def drops(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).drop("part")


def adds(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).with_columns(more=1)


def changes(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).with_columns(pl.col("whole") + 1)


def retypes(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).with_columns(pl.col("whole").cast(pl.Int32))


def reorders(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).reverse()


def mistypes(frame: pl.DataFrame) -> pl.DataFrame:
    return polars_hook(frame).with_columns(share=pl.lit("0.5"))


def nothing(frame: pl.DataFrame) -> None:
    frame.clear()


def leaves(_frame: pl.DataFrame) -> pl.DataFrame:
    sys.exit("secret")


def lazy(frame: pl.DataFrame) -> pl.LazyFrame:
    return polars_hook(frame).lazy()


def pandas_reorders(frame: pd.DataFrame) -> pd.DataFrame:
    return pandas_hook(frame).sort_values("ident", ascending=False)


def pandas_changes(frame: pd.DataFrame) -> pd.DataFrame:
    frame = pandas_hook(frame)
    frame["whole"] = frame["whole"].fillna(0) + 1
    return frame


def pandas_mixes(frame: pd.DataFrame) -> pd.DataFrame:
    return pandas_hook(frame).assign(kind=["few", 3])


not_callable = 3
TWO_ROWS = "ident,part,whole\na,1,2\nb,1,2\n"


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("raises", "raised KeyError in line"),
        ("leaves", "raised SystemExit in line"),
        ("fewer", "returned 1 rows for 2"),
        ("lacks", "did not return kind"),
        ("drops", "did not return part"),
        ("adds", "returned 'more', which the contract does not declare with computed"),
        ("changes", "changed whole"),
        ("retypes", "changed whole"),
        ("reorders", "changed ident or the order of rows"),
        ("mistypes", "returned share as String, not number"),
        ("nothing", "returned NoneType, not a polars DataFrame"),
        ("lazy", "returned LazyFrame, not a polars DataFrame"),
        ("pandas_hook", "raised"),
        ("not_callable", "has no function not_callable"),
        ("nowhere", "has no function nowhere"),
    ],
)
def test_a_hook_that_breaks_its_promise_is_named_without_values(tmp_path: Path, function: str, says: str) -> None:
    with pytest.raises(TransformError) as caught:
        check(tmp_path, hook_contract(function), TWO_ROWS)
    message = str(caught.value)
    assert says in message
    assert f"the transform hook {HERE}:{function} of things" in message
    assert message.startswith("made.odcs.yaml:")
    assert "secret" not in message
    assert not (tmp_path / "silver.parquet").exists()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("pandas_reorders", "changed ident or the order of rows"),
        ("pandas_changes", "changed whole"),
        ("pandas_mixes", "kind with values of several types"),
        ("nothing", "raised AttributeError"),
        ("polars_hook", "raised"),
    ],
)
def test_a_pandas_hook_is_held_to_the_same(tmp_path: Path, function: str, says: str) -> None:
    with pytest.raises(TransformError, match=says):
        check(tmp_path, hook_contract(function, pandas=True), TWO_ROWS)


def test_a_hook_that_cannot_be_imported_is_named_before_the_file_is_read(tmp_path: Path) -> None:
    contract = hook_contract("x")
    missing = contract_of([text("a"), text("b", **COMPUTED)], customs=custom(transform="no_such_package.module:f"))
    for broken, says in ((contract, "has no function x"), (missing, "ModuleNotFoundError")):
        with pytest.raises(TransformError, match=says):
            check_file(tmp_path / "no such file", broken, tmp_path)
        with pytest.raises(TransformError, match=says):
            check_contract(broken)


@pytest.mark.parametrize(
    ("columns", "customs", "says"),
    [
        ([text("b", **COMPUTED)], {}, "needs the schema's custom property transform"),
        ([], {"transform": "m:f"}, "no column to compute"),
        ([], {"transformFrame": "pandas"}, "needs the schema's custom property transform"),
        ([text("b", **COMPUTED)], {"transform": "m.f"}, "package.module:function"),
        ([text("b", **COMPUTED)], {"transform": "m:f", "transformFrame": "spark"}, "polars or pandas"),
        ([text("b", unique=True, **COMPUTED)], {"transform": "m:f"}, "cannot be a key"),
        ([text("b", synonyms=[{"synonym": "c"}], **COMPUTED)], {"transform": "m:f"}, "that the file has"),
    ],
)
def test_a_hook_stands_with_its_columns_or_not_at_all(
    columns: list[dict[str, Any]], customs: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        contract_of([text("a"), *columns], customs=custom(**customs))


EVERY = contract_of(
    [
        text("t"),
        typed("n", "integer"),
        typed("f", "number"),
        typed("e", "number", physicalType="decimal(6,2)"),
        typed("b", "boolean"),
        typed("d", "date"),
        typed("m", "timestamp"),
        typed("w", "time"),
        *[typed(f"{name}2", kind, **COMPUTED) for name, kind in (("n", "integer"), ("f", "number"), ("b", "boolean"))],
        *[typed(f"{name}2", kind, **COMPUTED) for name, kind in (("d", "date"), ("m", "timestamp"), ("t", "string"))],
        typed("e2", "number", physicalType="decimal(6,2)", **COMPUTED),
        typed("w2", "time", **COMPUTED),
    ],
    customs=custom(transform=f"{HERE}:copies", transformFrame="pandas"),
)


def copies(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{f"{name}2": frame[name] for name in frame})


def test_every_type_survives_the_way_through_pandas(tmp_path: Path) -> None:
    content = (
        "t,n,f,e,b,d,m,w\nx,9007199254740993,1.5,0.10,true,2020-01-05,2020-01-05 10:20:30,10:20\n,,,,,,y,\nz,,,,,,,\n"
    )
    check(tmp_path, EVERY, content)
    silver = pl.read_parquet(tmp_path / "silver.parquet")
    assert silver["n"].to_list() == [9007199254740993, None]
    assert silver["e2"].to_list() == [Decimal("0.10"), None]
    assert silver["d2"].to_list() == [date(2020, 1, 5), None]
    for name in "tnfebdmw":
        assert silver[f"{name}2"].rename(name).equals(silver[name])
        assert silver[f"{name}2"].dtype == silver[name].dtype
    check_contract(EVERY)
