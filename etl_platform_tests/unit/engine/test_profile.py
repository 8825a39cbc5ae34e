"""The one-pass profile against a naive computation, and the profile of files without a contract."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.engine.check import check_file, profile_file
from etl_platform.engine.column_state import SKETCH_SIZE
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.profile import Profiler
from etl_platform.engine.reading.delimited import text_table
from etl_platform.engine.result import DECILES, CheckOutcome
from etl_platform.engine.rules.compiled_contract import KEY_SEED
from etl_platform_tests.unit.making import contract_of, custom, text, typed


def profiled(folder: Path, content: str, contract: Contract) -> dict[str, Any]:
    """The profile of each column, as the report has it."""
    path = folder / "delivery.csv"
    path.write_text(content, "utf-8")
    result = check_file(path, contract, folder)
    return {name: column.to_json() for name, column in result.profile.items()}


def naive(values: list[str | None]) -> dict[str, Any]:
    filled = [value for value in values if value is not None]
    counts = sorted(Counter(filled).items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "nulls": len(values) - len(filled),
        "empty": len(values) - len(filled),
        "distinct": len(set(filled)),
        "min_length": min(map(len, filled), default=None),
        "max_length": max(map(len, filled), default=None),
        "top": [{"value": value, "rows": rows} for value, rows in counts[:10]],
    }


@pytest.mark.parametrize("chunk_bytes", [300, 1 << 24])
def test_a_profile_gives_the_numbers_of_a_naive_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    rows = [(f"é{n % 7}" if n % 5 else None, str(n % 50 - 9) if n % 4 else None) for n in range(300)]
    content = "word,size,secret\n" + "".join(f"{a or ''},{b or ''},S{n}\n" for n, (a, b) in enumerate(rows))
    contract = contract_of([text("word"), typed("size", "integer"), text("secret", classification="restricted")])
    profile = profiled(tmp_path, content, contract)
    assert naive([word for word, _ in rows]).items() <= profile["word"].items()
    numbers = [int(size) for _, size in rows if size is not None]
    assert naive([size for _, size in rows]).items() <= profile["size"].items()
    assert (profile["size"]["min"], profile["size"]["max"]) == (min(numbers), max(numbers))
    bins = profile["size"]["histogram"]
    assert sum(part["rows"] for part in bins) == len(numbers)
    for part in bins:
        # A value on an edge may stand on either side of it.
        low, high = part["from"] or -99, part["to"] or 99
        assert sum(low < number < high for number in numbers) <= part["rows"]
        assert part["rows"] <= sum(low <= number <= high for number in numbers)
    counted = {"nulls", "empty", "distinct", "distinct_error", "min_length", "max_length", "forms"}
    assert set(profile["secret"]) == counted
    assert set(profile["secret"]["forms"]) <= {"A9 2-3", "A9 4-7", "rare"}


def test_a_null_token_is_null_and_not_empty(tmp_path: Path) -> None:
    cell = text("cell", customProperties=custom(nullTokens=["N/A"], trim=True))
    profile = profiled(tmp_path, "cell,x\nN/A,1\n  ,1\n,1\na,1\n n/a ,1\n", contract_of([cell, text("x")]))
    assert (profile["cell"]["nulls"], profile["cell"]["empty"]) == (4, 2)


def test_a_histogram_of_dates_has_dates_for_edges(tmp_path: Path) -> None:
    days = [f"2020-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    profile = profiled(tmp_path, "day\n" + "\n".join(days) + "\n", contract_of([typed("day", "date")]))
    bins = profile["day"]["histogram"]
    assert sum(part["rows"] for part in bins) == len(days)
    for part in bins:
        within = sum((part["from"] or "") <= day <= (part["to"] or "9") for day in days)
        # Edges lie within days: a day on either edge may stand on this side or that.
        assert abs(within - part["rows"]) <= 2


@pytest.mark.parametrize("rows", [1, 7, 1_000, 40_000])
def test_deciles_are_those_of_the_values_however_skewed_they_are(rows: int) -> None:
    draw = random.Random(rows)
    numbers = [1.0 if draw.random() < 0.7 else round(draw.lognormvariate(3, 2), 2) for _ in range(rows)]
    profiler = Profiler({"size": pl.Float64()})
    for start in range(0, rows, 3_000):
        values = pl.Series("size", numbers[start : start + 3_000])
        profiler.update(pl.DataFrame([values, values.cast(pl.String).alias("text:size")]))
    deciles = profiler.result()["size"].deciles
    assert deciles is not None
    assert (deciles[0], deciles[-1]) == (min(numbers), max(numbers))
    for level, decile in zip(DECILES, deciles, strict=True):
        below, up_to = (sum(map(test, numbers)) / rows for test in (decile.__gt__, decile.__ge__))
        assert below - 0.03 - 1 / rows <= level <= up_to + 0.03 + 1 / rows


def test_deciles_of_dates_are_dates_and_a_masked_column_has_none(tmp_path: Path) -> None:
    days = [f"2020-01-{day:02}" for day in range(1, 12)]
    lines = "".join(f"{day},{day}\n" for day in days)
    contract = contract_of([typed("day", "date"), typed("born", "date", classification="restricted")])
    profile = profiled(tmp_path, f"day,born\n{lines}", contract)
    assert profile["day"]["deciles"] == days
    assert "deciles" not in profile["born"]


def test_one_typing_error_does_not_widen_the_histogram(tmp_path: Path) -> None:
    rows = [*map(str, range(1_000)), "99999999"]
    profile = profiled(tmp_path, "size\n" + "\n".join(rows) + "\n", contract_of([typed("size", "integer")]))
    assert max(part["rows"] for part in profile["size"]["histogram"]) < 100


def test_many_distinct_values_are_estimated_within_the_stated_error(tmp_path: Path) -> None:
    content = "word,size\n" + "".join(f"w{n},{n}\n" for n in range(20_000))
    column = profiled(tmp_path, content, contract_of([text("word"), typed("size", "integer")]))["word"]
    assert abs(column["distinct"] - 20_000) < 3 * column["distinct_error"] * 20_000
    assert "top" not in column


def test_the_estimate_uses_the_smallest_hashes_of_all_batches() -> None:
    texts = [f"w{n}" for n in range(9_000)]
    profiler = Profiler({"word": pl.String()})
    for start in (0, 3_000, 1_500, 6_000, 0):
        words = pl.Series("word", [*texts[start : start + 3_000], None], pl.String)
        profiler.update(pl.DataFrame([words, words.alias("text:word")]))
    smallest = pl.Series(texts).hash(KEY_SEED).sort()[SKETCH_SIZE - 1]
    assert profiler.result()["word"].distinct == round((SKETCH_SIZE - 1) / (smallest / 2**64))


@pytest.mark.parametrize(("distinct", "counted"), [(2_000, True), (2_001, False)])
def test_values_are_counted_up_to_two_thousand_beside_the_nulls(distinct: int, counted: bool) -> None:
    profiler = Profiler({"word": pl.String()})
    for start, end in ((0, 1_500), (1_000, distinct), (7, 8)):
        words = pl.Series("word", [None, *(f"w{n:04}" for n in range(start, end)), None], pl.String)
        profiler.update(pl.DataFrame([words, words.alias("text:word")]))
    profile = profiler.result()["word"].to_json()
    assert (profile["nulls"], profile["min"], profile["max"]) == (6, "w0000", f"w{distinct - 1:04}")
    assert (profile["distinct"] == distinct and profile["distinct_error"] == 0) is counted
    top = [{"value": "w0007", "rows": 2}, *({"value": f"w{n}", "rows": 2} for n in range(1_000, 1_009))]
    assert profile.get("top") == (top if counted else None)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("integer", ["9007199254740993"]),
        ("integer", ["9007199254740992", "9007199254740993"]),
        ("integer", ["-9223372036854775808", "9223372036854775807", "0"]),
        ("number", ["-1" + "0" * 308, "1" + "0" * 308, "0"]),
        ("number", ["5", "5"]),
        ("number", ["0." + "0" * 320 + "1", "0"]),
    ],
)
def test_numbers_of_any_size_have_a_histogram(tmp_path: Path, kind: str, numbers: list[str]) -> None:
    column = profiled(tmp_path, "a\n" + "\n".join(numbers) + "\n", contract_of([typed("a", kind)]))["a"]
    assert sum(part["rows"] for part in column["histogram"]) == len(numbers)


@pytest.mark.parametrize("header", ["a,b", "a,a", "a,text:a", "a,_line", "a,a|nulls", "a|min,a"])
def test_any_header_can_be_profiled(tmp_path: Path, header: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n1,2\n3,\n", "utf-8")
    result = profile_file(path)
    assert (result.outcome, result.rows, len(result.profile)) == (CheckOutcome.ACCEPTED, 2, 2)
    assert [column.nulls for column in result.profile.values()] == [0, 1]


def test_a_profile_of_an_unreadable_file_is_a_rejection(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"")
    assert [error.code for error in profile_file(path).errors] == ["empty_file"]
