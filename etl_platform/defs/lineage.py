"""Dagster's column metadata from a delivery's header: columns of bronze, and lineage of silver's columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.result import FileColumns

SENT_AS = "sent_as"


def header_schema(files: Sequence[FileColumns]) -> dict[str, Any]:
    """The headers as sent, as the schema of bronze: every column is text. Empty where no header was found."""
    names = dict.fromkeys(name for columns in files for name in columns.header)
    if not names:
        return {}
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name, "string") for name in names])}


def column_lineage(files: Sequence[FileColumns], contract: Contract) -> dict[str, Any]:
    """For each column of silver, the sender's columns that it was made from. The files may have different headers."""
    sent: dict[str, list[str]] = {}
    for column in contract.columns:
        names = [name for columns in files for name in _sent_names(columns, column.name)]
        if names:
            sent[column.name] = list(dict.fromkeys(names))
    if not sent:
        return {}
    bronze = dg.AssetKey(["bronze", contract.dataset])
    edges = {column: [dg.TableColumnDep(bronze, name) for name in names] for column, names in sent.items()}
    return {"dagster/column_lineage": dg.TableColumnLineage(edges), SENT_AS: _table(sent)}


def _table(sent: Mapping[str, Sequence[str]]) -> dg.TableMetadataValue:
    # Only Dagster+ draws column lineage. The open-source UI hides that entry, so this table shows it to people.
    rows = [dg.TableRecord({"column": column, SENT_AS: shown(", ".join(names))}) for column, names in sent.items()]
    schema = dg.TableSchema([dg.TableColumn("column", "string"), dg.TableColumn(SENT_AS, "string")])
    return dg.MetadataValue.table(rows, schema)


def _sent_names(file: FileColumns, column: str) -> list[str]:
    """The sender's names of the columns that a column of silver was made from."""
    sources = (file.derived_from or {}).get(column, (column,))
    return [file.matched[source] for source in sources if source in file.matched]
