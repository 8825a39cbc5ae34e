"""``etl-platform sql``: one query over silver, quarantine and reports."""

import argparse
import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.table_formats import Table, add_formats, write_csv
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.tables.sql_query import QueryResult

_ROWS_SHOWN = 200


def add(commands: Commands) -> None:
    sql = add_command(
        commands,
        "sql",
        "Query silver, quarantine and reports with SQL (DuckDB, read-only)",
        'etl-platform sql "SELECT agency, count(*) AS officers FROM officer_detail GROUP BY ALL"\n'
        "  etl-platform sql \"SELECT * FROM officer_detail_quarantine WHERE agency = 'nm_albuquerque'\" --csv\n"
        '  etl-platform sql "SHOW TABLES"; etl-platform sql "DESCRIBE reports"',
    )
    sql.add_argument("query", metavar="SQL", help="one SELECT; it reads only the agencies that it asks for")
    form = add_formats(sql, "print the rows as JSON lines")
    form.add_argument("--out", type=Path, metavar="FILE.parquet", help="write the rows to a new Parquet file")
    sql.set_defaults(command=_sql)


def _sql(arguments: argparse.Namespace) -> int:
    from etl_platform.engine.output.plain_text import counted
    from etl_platform.platform import Platform
    from etl_platform.tables.sql_query import run_query

    out: Path | None = arguments.out
    if out is not None and (out.suffix != ".parquet" or out.exists()):
        problem = "exists already; name a new file" if out.exists() else "must end with .parquet"
        raise UsageError(f"--out {out} {problem}")
    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: the folder does not exist")

    progress = ExitStack()

    def use(result: "QueryResult") -> None:
        progress.close()
        if out is not None:
            result.write_parquet(out.absolute())
            print(f"{counted(result.height, 'row')} written to {out}")
        elif arguments.csv:
            # Exact values, for programs: no cell is guarded against spreadsheets.
            write_csv(
                result.columns, ([None if value is None else _text(value) for value in row] for row in result.rows())
            )
        elif arguments.json:
            for row in result.rows():
                print(json.dumps(dict(zip(result.columns, map(_json, row), strict=True)), ensure_ascii=False))
        else:
            _print_table(result)

    with progress:
        progress.enter_context(ProgressLine("querying"))
        run_query(Platform(load_settings()), arguments.query, use, out.absolute() if out else None)
    return GOOD


def _print_table(result: "QueryResult") -> None:
    from etl_platform.engine.output.plain_text import MAX_CELL, counted

    rows = [tuple(v if v is None or type(v) is int else _text(v) for v in row) for row in result.rows(_ROWS_SHOWN)]
    if rows:
        print(Table(result.columns, rows, cell=MAX_CELL))
    remarks = [counted(result.height, "row")]
    remarks += [f"{_ROWS_SHOWN} shown; --csv prints all"] if result.height > _ROWS_SHOWN else []
    print("; ".join(remarks))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(_json(value), ensure_ascii=False) if isinstance(value, dict | list) else str(_json(value))


def _json(value: Any) -> Any:
    """A value as JSON has it: what JSON does not know becomes a text, in ISO 8601 or with every digit."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {str(name): _json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case bytes():
            return value.hex()
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
