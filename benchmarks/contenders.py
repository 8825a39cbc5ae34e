"""The contenders of ``make bench``, each run in its own process: ``python -m benchmarks.contenders NAME FILE FOLDER``.

Each prints the numbers of good and bad rows. ``duckdb_typed`` checks nothing: it is the practical minimum of CSV to
typed Parquet. The others do the whole job of ``etl-platform check``: types, 17 rules, split with reasons, profile.
DuckDB has two contenders, because its ``histogram`` spills far less in a separate query than in the profile's query.
"""

import json
import sys
from pathlib import Path

from benchmarks.generate import AGENCIES, RANKS, STATUS

CONTRACT = Path(__file__).parent / "officers.odcs.yaml"
TYPED = {"born": "DATE", "hired": "DATE", "left": "DATE", "salary": "DOUBLE"}
COLUMNS = ["officer_id", "agency", "badge", "last_name", "first_name", "email"]
COLUMNS += ["born", "hired", "left", "rank", "status", "salary"]
MEMORY = "800MB"
BIN, BINS = 25_000, 20
"""Width and number of a histogram's bins."""


def ours(path: Path, folder: Path) -> tuple[int, int]:
    from etl_platform.engine.check import check_file
    from etl_platform.engine.contract_folder import load_contract

    result = check_file(path, load_contract(CONTRACT), folder)
    return result.accepted_rows, result.quarantined_rows


def duckdb_typed(path: Path, folder: Path) -> tuple[int, int]:
    database = _duckdb(folder)
    # Without trim(), DuckDB 2.0 moves the cast into its reader, where one bad date fails the whole job.
    columns = ", ".join(f'TRY_CAST(trim("{c}") AS {TYPED[c]}) AS "{c}"' if c in TYPED else f'"{c}"' for c in COLUMNS)
    target = folder / "typed.parquet"
    database.execute(f"COPY (SELECT {columns} FROM {_source(path)}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return database.execute(f"SELECT count(*) FROM '{target}'").fetchone()[0], 0


def duckdb_whole(path: Path, folder: Path, *, apart: bool = False) -> tuple[int, int]:
    database = _duckdb(folder)
    database.execute(
        f"CREATE TEMP TABLE twice AS SELECT officer_id FROM {_source(path)} "
        "WHERE officer_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    )

    def listed(values: list[str]) -> str:
        return ", ".join(f"'{value}'" for value in values)

    rules = {
        "officer_id.required": "officer_id IS NULL",
        "officer_id.pattern": "NOT regexp_matches(officer_id, '^P[0-9]{10}$')",
        "officer_id.unique": "officer_id IN (SELECT officer_id FROM twice)",
        "agency.allowed": f"agency NOT IN ({listed(AGENCIES)})",
        "last_name.required": "last_name IS NULL",
        "email.pattern": r"NOT regexp_matches(email, '^[a-z0-9.]+@[a-z0-9.-]+\.[a-z]{2,}$')",
        "born.type": "born IS NOT NULL AND t_born IS NULL",
        "born.range": "t_born NOT BETWEEN DATE '1930-01-01' AND DATE '2008-01-01'",
        "hired.required": "hired IS NULL",
        "hired.type": "hired IS NOT NULL AND t_hired IS NULL",
        "left.type": '"left" IS NOT NULL AND t_left IS NULL',
        "rank.allowed": f"rank NOT IN ({listed(RANKS)})",
        "status.allowed": f"status NOT IN ({listed(STATUS)})",
        "salary.type": "salary IS NOT NULL AND t_salary IS NULL",
        "salary.range": "t_salary NOT BETWEEN 0 AND 500000",
        "left_after_hired": "t_left < t_hired",
        "left_has_date": "status = 'LEFT' AND \"left\" IS NULL",
    }
    casts = ", ".join(f'TRY_CAST(trim("{column}") AS {kind}) AS t_{column}' for column, kind in TYPED.items())
    reasons = ", ".join(f"CASE WHEN {broken} THEN '{reason}' END" for reason, broken in rules.items())
    database.execute(
        f"CREATE TEMP TABLE checked AS SELECT *, concat_ws(';', {reasons}) AS reasons "
        f"FROM (SELECT *, {casts} FROM {_source(path)})"
    )
    good = ", ".join(f't_{c} AS "{c}"' if c in TYPED else f'"{c}"' for c in COLUMNS)
    raw = ", ".join(f'"{c}"' for c in COLUMNS)
    for name, columns, where in (("good", good, "reasons = ''"), ("bad", f"{raw}, reasons", "reasons <> ''")):
        target = folder / f"{name}.parquet"
        database.execute(
            f"COPY (SELECT {columns} FROM checked WHERE {where}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
    profile = ", ".join(
        f'count("{c}"), approx_count_distinct("{c}"), min({v}), max({v}), approx_top_k("{c}", 10), '
        f'min(length("{c}")), max(length("{c}"))'
        for c in COLUMNS
        for v in [f"t_{c}" if c in TYPED else f'"{c}"']
    )
    bin_, within = f"floor(t_salary / {BIN})", f"t_salary BETWEEN 0 AND {BIN * BINS}"
    if apart:
        bins = database.execute(f"SELECT {bin_}, count(*) FROM checked WHERE {within} GROUP BY 1").fetchall()
    else:
        profile, bins = f"{profile}, histogram({bin_}) FILTER ({within})", []
    found = [*database.execute(f"SELECT {profile} FROM checked").fetchone(), *bins]
    (folder / "profile.json").write_text(json.dumps(found, default=str))
    counts = database.execute("SELECT count(*) FILTER (reasons = ''), count(*) FILTER (reasons <> '') FROM checked")
    return counts.fetchone()


def duckdb_apart(path: Path, folder: Path) -> tuple[int, int]:
    return duckdb_whole(path, folder, apart=True)


def polars_whole(path: Path, folder: Path) -> tuple[int, int]:
    """Polars streaming with one lazy plan per result, which needs several passes over the file."""
    import polars as pl

    col = pl.col
    frame = pl.scan_csv(path, infer_schema=False)
    hashes = frame.select(col("officer_id").drop_nulls().hash().alias("h"))
    twice = hashes.group_by("h").len().filter(col("len") > 1).select("h").collect(engine="streaming")["h"]
    typed = frame.with_columns(
        *(col(c).str.to_date("%Y-%m-%d", strict=False).alias(f"t_{c}") for c in ("born", "hired", "left")),
        col("salary").cast(pl.Float64, strict=False).alias("t_salary"),
    )

    def day(text: str) -> pl.Expr:
        return pl.lit(text).str.to_date()

    rules = {
        "officer_id.required": col("officer_id").is_null(),
        "officer_id.pattern": ~col("officer_id").str.contains("^P[0-9]{10}$"),
        "officer_id.unique": col("officer_id").is_not_null() & col("officer_id").hash().is_in(twice.implode()),
        "agency.allowed": ~col("agency").is_in(AGENCIES),
        "last_name.required": col("last_name").is_null(),
        "email.pattern": ~col("email").str.contains(r"^[a-z0-9.]+@[a-z0-9.-]+\.[a-z]{2,}$"),
        "born.type": col("born").is_not_null() & col("t_born").is_null(),
        "born.range": ~col("t_born").is_between(day("1930-01-01"), day("2008-01-01")),
        "hired.required": col("hired").is_null(),
        "hired.type": col("hired").is_not_null() & col("t_hired").is_null(),
        "left.type": col("left").is_not_null() & col("t_left").is_null(),
        "rank.allowed": ~col("rank").is_in(RANKS),
        "status.allowed": ~col("status").is_in(STATUS),
        "salary.type": col("salary").is_not_null() & col("t_salary").is_null(),
        "salary.range": ~col("t_salary").is_between(0, 500_000),
        "left_after_hired": col("t_left") < col("t_hired"),
        "left_has_date": (col("status") == "LEFT") & col("left").is_null(),
    }
    flagged = typed.with_columns(rule.fill_null(value=False).alias(f"r:{name}") for name, rule in rules.items())
    broken = pl.any_horizontal("^r:.*$")
    reasons = pl.concat_str(
        [pl.when(f"r:{name}").then(pl.lit(name)) for name in rules], separator=";", ignore_nulls=True
    )
    good = flagged.filter(~broken).select(col(f"t_{c}").alias(c) if c in TYPED else col(c) for c in COLUMNS)
    bad = flagged.filter(broken).select(*COLUMNS, reasons.alias("reasons"))
    profiled = (
        expression
        for c in COLUMNS
        for value in [col(f"t_{c}" if c in TYPED else c)]
        for expression in (
            col(c).null_count().alias(f"{c} nulls"),
            col(c).approx_n_unique().alias(f"{c} distinct"),
            value.min().alias(f"{c} min"),
            value.max().alias(f"{c} max"),
            col(c).str.len_chars().min().alias(f"{c} shortest"),
            col(c).str.len_chars().max().alias(f"{c} longest"),
        )
    )
    profile = typed.select(
        *profiled,
        *(col("t_salary").is_between(n * BIN, n * BIN + BIN, closed="left").sum().alias(f"{n}") for n in range(BINS)),
    )
    few = [c for c in COLUMNS if c not in {"officer_id", "email", "badge", "born", "hired", "left", "salary"}]
    plans = [
        good.sink_parquet(folder / "good.parquet", compression="zstd", lazy=True),
        bad.sink_parquet(folder / "bad.parquet", compression="zstd", lazy=True),
        profile,
        *(frame.group_by(c).len().top_k(10, by="len") for c in few),
    ]
    found = pl.collect_all(plans, engine="streaming")
    (folder / "profile.json").write_text(json.dumps([item.to_dicts() for item in found[2:]], default=str))
    rows = [pl.scan_parquet(folder / f"{n}.parquet").select(pl.len()).collect().item() for n in ("good", "bad")]
    return rows[0], rows[1]


def _duckdb(folder: Path):
    import duckdb

    database = duckdb.connect()
    database.execute(
        f"SET memory_limit='{MEMORY}'; SET temp_directory='{folder}/spill'; SET preserve_insertion_order=false"
    )
    return database


def _source(path: Path) -> str:
    return f"read_csv('{path}', header=true, all_varchar=true, delim=',', quote='\"')"


CONTENDERS = {
    function.__name__: function for function in (duckdb_typed, ours, polars_whole, duckdb_whole, duckdb_apart)
}

if __name__ == "__main__":
    name, file, out = sys.argv[1:]
    good, bad = CONTENDERS[name](Path(file), Path(out))
    print(json.dumps({"good": good, "bad": bad}))
