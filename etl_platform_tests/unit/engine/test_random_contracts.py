"""Random contracts over random files: ``check_file`` against a row-by-row implementation of the documentation."""

import csv
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.columns import LINE
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform_tests.unit.contract_reference import PATTERNS, expected
from etl_platform_tests.unit.making import contract_of, custom, row_rule

RULES = {
    "ordered": ("n <= m", {"n", "m"}, lambda v: both(v["n"], v["m"], lambda a, b: a <= b)),
    "days_ordered": ("day <= until", {"day", "until"}, lambda v: both(v["day"], v["until"], lambda a, b: a <= b)),
    "n_if_on": ("NOT flag OR n IS NOT NULL", {"flag", "n"}, lambda v: either(opposite(v["flag"]), v["n"] is not None)),
    "s_given": ("s IS NOT NULL OR n > 3", {"s", "n"}, lambda v: either(v["s"] is not None, above(v["n"], 3))),
    "between": ("n BETWEEN 1 AND 50", {"n"}, lambda v: None if v["n"] is None else 1 <= v["n"] <= 50),
    "listed": ("s IN ('a', 'ab')", {"s"}, lambda v: None if v["s"] is None else v["s"] in {"a", "ab"}),
    "unlisted": ("s NOT IN ('b', 'É')", {"s"}, lambda v: None if v["s"] is None else v["s"] not in {"b", "É"}),
    "cents": ("x * 2 > n", {"x", "n"}, lambda v: both(v["x"], v["n"], lambda a, b: a * 2 > b)),
    "recent": ("day >= DATE '2020-01-01' AND n > 0", {"day", "n"}, lambda v: also(since(v["day"]), above(v["n"], 0))),
    "whichever": (
        "CASE WHEN flag THEN n > 5 ELSE s IS NULL END",
        {"flag", "n", "s"},
        lambda v: above(v["n"], 5) if v["flag"] else v["s"] is None,
    ),
    "prefixed": ("s LIKE 'a%'", {"s"}, lambda v: None if v["s"] is None else v["s"].startswith("a")),
    "same": (
        "s = ident OR flag",
        {"s", "ident", "flag"},
        lambda v: either(both(v["s"], v["ident"], str.__eq__), v["flag"]),
    ),
}


def both(one: Any, other: Any, compare: Any) -> bool | None:
    return None if one is None or other is None else compare(one, other)


def above(value: Any, bound: float) -> bool | None:
    return None if value is None else value > bound


def since(value: Any) -> bool | None:
    return None if value is None else value.year >= 2020


def opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def either(one: bool | None, other: bool | None) -> bool | None:
    return True if one or other else (None if None in (one, other) else False)


def also(one: bool | None, other: bool | None) -> bool | None:
    return False if False in (one, other) else (None if None in (one, other) else True)


NULLS = ["N/A", "-"]
CELLS = {
    "ident": ["a", "b", "ab", "c1", "É", "A"],
    "s": ["a", "ab", "abc", "b", "É", "Ab", "", "n/a", "-", "x\ny", 'q"q'],
    "n": ["1", "01", "7", "50", "-3", "+5", "", "N/A", "1.0", "x", "1e2", "9223372036854775807", "9223372036854775808"],
    "m": ["1", "7", "100", "", "-", "abc"],
    "x": ["1", "1.5", ".5", "-2.25", "$1,500.00", "(12.50)", "$7", "(5", "1,50", "inf", "1e3", "", "n/a", "1,234"],
    "day": ["2026-01-05", "1/5/2026", "01/05/2026", "05.01.2026", "20260105", "5 Jan 2026", "2/30/2026", "0026-01-05",
            "", "N/A", "2019-12-31", "2026-1-5", "5 Foo 2026", "31.12.1999"],
    "until": ["2026-01-05", "2026-01-04", "2020-02-29", "2021-02-29", ""],
    "at": ["2026-01-05T10:20:30", "2026-01-05 10:20:30", "2026-01-05 10:20", "1/5/2026 1:05 pm", "1/5/2026 12:00 AM",
           "1/5/2026 13:00 PM", "2026-01-05 24:00", "2026-01-05", "", "2026-01-05 10:60:00", "2026-01-05 10:20:60"],
    "flag": ["true", "FALSE", "Y", "n", "yes", "0", "", "N/A"],
}  # fmt: skip
DATES = sorted(pattern for pattern in PATTERNS if "H" not in pattern and "h" not in pattern)
TIMES = sorted(PATTERNS.keys() - set(DATES))


KINDS = {"n": "integer", "m": "integer", "x": "number", "day": "date", "until": "date", "at": "timestamp"}
KINDS["flag"] = "boolean"
CUSTOMS: list[dict[str, Any]] = [{}, {"trim": True}, {"nullTokens": NULLS}, {"trim": True, "nullTokens": NULLS}]
FORMATS = {
    "day": st.lists(st.sampled_from(DATES), max_size=3, unique=True).map(lambda formats: {"formats": formats}),
    "at": st.lists(st.sampled_from(TIMES), max_size=3, unique=True).map(lambda formats: {"formats": formats}),
    "x": st.sampled_from([{}, {"formats": ["money"]}]),
    "flag": st.sampled_from([{}, {"trueValues": ["Y", "yes"], "falseValues": ["N"]}]),
}
OPTIONS: list[dict[str, Any]] = [{}, {}, {"pattern": "^[a-z0-9]+$"}, {"pattern": "[0-9é]"}, {"minLength": 2}]
OPTIONS += [{"maxLength": 3}, {"minLength": 1, "maxLength": 2}, {"minLength": 0}]
BOUNDS: dict[str, tuple[Any, Any]] = {
    "n": (-2, 50),
    "x": (-12.5, 1.5),
    "day": ("2019-12-31", "2026-01-05"),
    "at": ("2026-01-05", "2030-01-01"),
}
ALLOWED: dict[str, list[Any]] = {"s": ["a", "ab", "É"], "n": [1, 7, 50], "m": [1, 7]}
LOW = st.sampled_from(["minimum", "exclusiveMinimum", None])
HIGH = st.sampled_from(["maximum", "exclusiveMaximum", None])
seldom = st.integers(0, 5).map(lambda n: n == 5)


@st.composite
def one_property(draw: st.DrawFn, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "logicalType": KINDS.get(name, "string")}
    customs = draw(st.sampled_from(CUSTOMS)) | draw(FORMATS.get(name, st.just({})))
    options = dict(draw(st.sampled_from(OPTIONS))) if name in {"s", "ident"} else {}
    entry |= {flag: True for flag in ("required", "unique") if draw(seldom)}
    if name in BOUNDS:
        named = zip((draw(LOW), draw(HIGH)), BOUNDS[name], strict=True)
        options |= {bound: value for bound, value in named if bound is not None}
    if name in ALLOWED and draw(seldom):
        # A long list is looked up, a short one compared with.
        more = draw(st.sampled_from([[], [f"z{n}" for n in range(9)]])) if name == "s" else []
        entry["enum"] = [{"value": value} for value in ALLOWED[name] + more]
    return (
        entry
        | ({"customProperties": custom(**customs)} if customs else {})
        | ({"logicalTypeOptions": options} if options else {})
    )


@st.composite
def properties(draw: st.DrawFn) -> list[dict[str, Any]]:
    keys = draw(st.sampled_from([[], ["ident"], ["n"], ["ident", "n"], ["day", "s"], ["ident", "day", "flag"]]))
    made = [draw(one_property(name)) for name in CELLS]
    for entry in made:
        if entry["name"] in keys:
            entry |= {"primaryKey": True, "primaryKeyPosition": keys.index(entry["name"]) + 1}
    return draw(st.permutations(made))


@st.composite
def cells(draw: st.DrawFn, made: list[dict[str, Any]]) -> dict[str, str]:
    row = {}
    for entry in made:
        cell = draw(st.sampled_from(CELLS[entry["name"]]))
        trimmed = {"property": "trim", "value": True} in entry.get("customProperties", ())
        row[entry["name"]] = f" {cell}\t" if trimmed and draw(st.integers(0, 4)) == 0 else cell
    return row


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_every_row_is_good_or_bad_as_documented(tmp_path: Path, data: st.DataObject) -> None:
    made = data.draw(properties())
    chosen = data.draw(st.sets(st.sampled_from(sorted(RULES)), max_size=3))
    rows = data.draw(st.lists(cells(made), min_size=1, max_size=12))
    contract = contract_of(made, quality=[row_rule(name, RULES[name][0]) for name in sorted(chosen)])
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [entry["name"] for entry in made])
        writer.writeheader()
        writer.writerows(rows)
    result = check_file(path, contract, tmp_path)
    wanted = expected(made, {name: RULES[name][1:] for name in chosen}, rows)
    lines, line = [], 2
    for row in rows:
        lines.append(line)
        line += 1 + sum(cell.count("\n") for cell in row.values())
    refused = pl.read_parquet(tmp_path / QUARANTINE) if result.quarantined_rows else None
    found = {} if refused is None else {row[LINE]: set(row["reasons"].split(";")) for row in refused.rows(named=True)}
    assert found == {at: reasons for at, (_, reasons) in zip(lines, wanted, strict=True) if reasons}
    good = [values for values, reasons in wanted if not reasons]
    assert result.accepted_rows == len(good)
    # Beside 1,234 in a column of money, 1,50 makes the whole file ambiguous.
    assert {error.code for error in result.errors} <= {"no_good_rows", "ambiguous_numbers"}
    if good and not result.errors:
        assert pl.read_parquet(tmp_path / SILVER).rows(named=True) == good
