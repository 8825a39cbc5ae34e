"""Case, labels, decimals, serial dates, lookups, derived and computed columns in one contract, over real files."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from etl_platform.engine.check import check_contract, check_file
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform_tests.unit.making import contract_of, custom, reference, row_rule, text, typed, write_results

RANKS = reference("ranks", "code,name,grade", "OFC,Officer,1", "SGT,Sergeant,2", "CPT,Captain,4")


def promote(frame: pl.DataFrame) -> pl.DataFrame:
    """The hook: pay per grade, to the cent."""
    return frame.with_columns(per_grade=(pl.col("yearly") / pl.col("grade")).round(2))


CONTRACT = contract_of(
    [
        text("ident", required=True, unique=True, logicalTypeOptions={"pattern": "^[A-Z][0-9]+$"}),
        text("name", classification="restricted"),
        text("rank", customProperties=custom(lookup={"table": "ranks", "key": "code", "take": "name"})),
        text("code"),
        text(
            "sex",
            enum=[{"value": "M", "label": "male"}, {"value": "F", "label": "female"}, {"value": "X"}],
            customProperties=custom(useLabels=True),
        ),
        typed(
            "pay",
            "number",
            physicalType="decimal(8,2)",
            logicalTypeOptions={"minimum": 0.01},
            customProperties=custom(formats=["money"]),
        ),
        typed("hired", "date", customProperties=custom(formats=["yyyy-MM-dd", "excelSerial"])),
        typed(
            "grade",
            "integer",
            customProperties=custom(lookup={"table": "ranks", "key": "code", "take": "grade", "from": "code"}),
        ),
        typed("yearly", "number", physicalType="decimal(12,2)", transformLogic="pay * 12"),
        text("label", transformLogic="rank || ' (' || sex || ')'", logicalTypeOptions={"maxLength": 16}),
        text("initial", transformLogic="LEFT(name, 1)", classification="confidential"),
        typed(
            "per_grade",
            "number",
            physicalType="decimal(12,2)",
            classification="public",
            logicalTypeOptions={"maximum": 60000},
            customProperties=custom(computed=True),
        ),
    ],
    references=[RANKS],
    quality=[row_rule("captains_earn", "rank <> 'Captain' OR yearly > 50000")],
    customs=custom(case="upper", trim=True, transform=f"{__name__}:promote"),
)
HEADER = "ident,name,Rank,code,sex,pay,hired,yearly\n"
GOOD = 'a{n}, Ann ,sgt,ofc,m,"$1,000.10",45000,'
BAD: list[tuple[str, str | None]] = [
    ("b{n},Secret,mjr,Ofc,x,1,45000,", "rank.lookup"),
    ("b{n},Secret,ofc,mjr,x,1,45000,", "grade.lookup"),
    ("b{n},Secret,ofc,,q,1,45000,", "sex.allowed"),
    ("b{n},Secret,ofc,,,1.001,45000,", "pay.type"),
    ("b{n},Secret,ofc,,,0.00,45000,", "pay.range"),
    ("b{n},Secret,ofc,,,1,60,", "hired.type"),
    ("b{n},Secret,sgt,,m,1,,", None),
    ("b{n},Secret,sgt,,F,1,,", "label.length"),
    ("b{n},Secret,cpt,,m,4166.66,,", "captains_earn"),
    ("b{n},Secret,ofc,ofc,,5000.01,,", "per_grade.range"),
    ("b{n},Secret,ofc,sgt,,5000.01,,", None),
    ("same1,Secret,,,,,,", "ident.pattern;ident.unique"),
]


@pytest.mark.parametrize("chunk_bytes", [1 << 23, 400])
def test_all_of_it_together_splits_a_file_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    lines: list[str] = []
    expected: list[tuple[str, int, str]] = []
    for n in range(30):
        for m, (line, reason) in enumerate([(GOOD, None), *BAD]):
            lines.append(line.replace("{n}", str(n * 100 + m)))
            if reason is not None:
                expected.append((lines[-1], len(lines) + 1, reason))
    path = tmp_path / "things.csv"
    path.write_text(HEADER + "\n".join(lines), "utf-8")
    result = check_file(path, CONTRACT, tmp_path)
    write_results(result, CONTRACT, tmp_path)

    silver = pl.read_parquet(tmp_path / "silver.parquet")
    assert silver.columns == [column.name for column in CONTRACT.columns]
    assert (result.rows, silver.height) == (len(lines), len(lines) - len(expected))
    first, yearly = silver.row(0, named=True), Decimal("12001.20")
    assert first == {
        "ident": "A0",
        "name": "ANN",
        "rank": "Sergeant",
        "code": "OFC",
        "sex": "male",
        "pay": Decimal("1000.10"),
        "hired": date(2023, 3, 15),
        "grade": 1,
        "yearly": yearly,
        "label": "Sergeant (male)",
        "initial": "A",
        "per_grade": yearly,
    }
    assert silver.schema["per_grade"] == pl.Decimal(12, 2)

    quarantine = pl.read_parquet(tmp_path / "quarantine.parquet")
    cells = [",".join(cell or "" for cell in row) for row in quarantine.select(quarantine.columns[:8]).rows()]
    assert list(zip(cells, quarantine["_line"], quarantine["reasons"], strict=True)) == expected
    assert sum(result.reasons.values()) == sum(len(reason.split(";")) for _, _, reason in expected)
    assert result.columns.extra == ("yearly",)
    assert result.columns.missing == ()
    assert set(result.reasons) <= {rule.reason for rule in contract_rules(CONTRACT)}
    assert list(result.profile) == silver.columns
    assert result.examples["rank.lookup"][0].value == "MJR"
    assert result.examples["grade.lookup"][0].value == "MJR"
    assert "SECRET" not in json.dumps(result.to_json()).upper()


def test_the_same_contract_is_good_without_a_file() -> None:
    check_contract(CONTRACT)
