"""Rows as table metadata, which Dagster shows in its UI."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from etl_platform.engine.privacy.masking import shown


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table that Dagster shows in its UI: every cell is a short text."""
    texts = [{name: "" if value is None else shown(str(value)) for name, value in row.items()} for row in rows]
    columns = [dg.TableColumn(name, "string") for name in texts[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in texts], dg.TableSchema(columns=columns))
