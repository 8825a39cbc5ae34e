"""Column metadata from a delivery's header: the columns of bronze, and which of them each silver column is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.result import FileColumns

SENT_AS = "sent_as"


def header_schema(files: Sequence[FileColumns]) -> dict[str, Any]:
    """The headers as they were sent, for bronze: every column is text. Empty if no header was found."""
    names = dict.fromkeys(name for columns in files for name in columns.header)
    if not names:
        return {}
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name, "string") for name in names])}


def column_lineage(files: Sequence[FileColumns], contract: Contract) -> dict[str, Any]:
    """The sender's own names of each silver column, in the files that silver was made of. Their headers may differ."""
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
    # Dagster draws column lineage in Dagster+ only. The open-source UI hides it but shows this table.
    rows = [dg.TableRecord({"column": column, SENT_AS: shown(", ".join(names))}) for column, names in sent.items()]
    schema = dg.TableSchema([dg.TableColumn("column", "string"), dg.TableColumn(SENT_AS, "string")])
    return dg.MetadataValue.table(rows, schema)


def _sent_names(file: FileColumns, column: str) -> list[str]:
    """The sender's names of the columns that one silver column is made of."""
    sources = (file.derived_from or {}).get(column, (column,))
    return [file.matched[source] for source in sources if source in file.matched]
