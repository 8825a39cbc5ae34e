"""Column metadata from a delivery's header: the columns of bronze, and the lineage of each silver column."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.table_metadata import first_rows, table
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.matched_columns import FileColumns

SENT_AS = "sent_as"


def header_schema(files: Sequence[FileColumns]) -> dict[str, Any]:
    """The headers as they were sent, for bronze: every column is text. Empty if no header was found."""
    names = dict.fromkeys(name for columns in files for name in columns.header)
    if not names:
        return {}
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name, "string") for name in names])}


def column_lineage(files: Sequence[FileColumns], contract: Contract) -> dict[str, Any]:
    """The sender's names for each silver column, from all files in silver, whose headers may differ."""
    sent: dict[str, list[str]] = {}
    for column in contract.columns:
        names = [name for columns in files for name in _sent_names(columns, column.name)]
        if names:
            sent[column.name] = list(dict.fromkeys(names))
    if not sent:
        return {}
    bronze = dg.AssetKey(["bronze", contract.dataset])
    # Dagster draws column lineage in Dagster+ only. The open-source UI hides it but shows this table.
    rows = [{"column": column, SENT_AS: ", ".join(names)} for column, names in sent.items()]
    edges = {column: [dg.TableColumnDep(bronze, name) for name in names] for column, names in sent.items()}
    return {"dagster/column_lineage": dg.TableColumnLineage(edges), SENT_AS: table(first_rows(rows))}


def _sent_names(file: FileColumns, column: str) -> list[str]:
    """The sender's names of the columns from which one silver column is derived."""
    sources = (file.derived_from or {}).get(column, (column,))
    return [file.matched[source] for source in sources if source in file.matched]
