"""Contracts → columns of tables in AWS Glue, as Terraform in JSON. What else a table has is in ``glue.tf``.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

import json
from collections.abc import Iterable
from typing import Any

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.tables.report_columns import REPORT_COLUMNS, hive_type
from etl_platform.tables.table_columns import agency_column

_TYPES = {
    ColumnType.STRING: "string",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "double",
    ColumnType.BOOLEAN: "boolean",
    # Hive has no time of day, and Athena refuses to read one as another type.
    ColumnType.TIME: None,
}
_MAX_COMMENT, _MAX_DESCRIPTION = 255, 2_048
"""Glue's limits in characters."""


def glue_type(column: Column) -> str | None:
    """The type with which Athena reads a column of silver; None if it cannot."""
    return f"decimal({column.decimal[0]},{column.decimal[1]})" if column.decimal else _TYPES[column.type]


def terraform_json(contracts: Iterable[Contract]) -> str:
    """The locals ``silver_tables`` and ``report_columns``."""
    tables = {contract.dataset.lower(): _table(contract) for contract in contracts}
    reports = [{"name": name, "type": hive_type(kind)} for name, kind in REPORT_COLUMNS.items()]
    about = "Made from the contracts by `etl-platform contract glue`; do not edit."
    found = {"//": about, "locals": {"silver_tables": tables, "report_columns": reports}}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _table(contract: Contract) -> dict[str, Any]:
    columns = [(column, glue_type(column)) for column in contract.columns]
    left_out = [column.name for column, kind in columns if kind is None]
    about = " ".join(f"{contract.description} {contract.grain}".split())
    if left_out:
        about += f" Not readable in Athena: {', '.join(left_out)}."
    return {
        "dataset": contract.dataset,
        "description": _literal(about, _MAX_DESCRIPTION),
        "agency": agency_column(contract),
        "columns": [
            # Athena's names have no capitals.
            {"name": column.name.lower(), "type": kind, "comment": _literal(column.description, _MAX_COMMENT)}
            for column, kind in columns
            if kind is not None
        ],
    }


def _literal(text: str, limit: int) -> str:
    """A text that Terraform does not read as a template."""
    plain = " ".join(text.split())
    short = plain if len(plain) <= limit else plain[: limit - 1] + "…"
    return short.replace("${", "$${").replace("%{", "%%{")
