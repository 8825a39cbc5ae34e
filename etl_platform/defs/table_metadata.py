"""Rows as table metadata, which Dagster shows in its UI."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg

from etl_platform.engine.privacy.masking import SHOWN_CHARACTERS

MAX_SHOWN = 100
"""Rows, and columns, of a table about the columns of a file. All tables of a materialization are in the event log."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table that Dagster shows in its UI: every cell is a short text."""
    texts = [
        {name: "" if value is None else str(value)[:SHOWN_CHARACTERS] for name, value in row.items()} for row in rows
    ]
    columns = [dg.TableColumn(name, "string") for name in texts[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in texts], dg.TableSchema(columns=columns))


def first_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first rows, and how many more there are."""
    if len(rows) <= MAX_SHOWN:
        return list(rows)
    more = dict.fromkeys(rows[0], "")
    more[next(iter(more))] = f"and {len(rows) - MAX_SHOWN:,} more"
    return [*rows[:MAX_SHOWN], more]


def first_columns(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first columns of each row, and how many more there are."""
    if not rows or len(rows[0]) <= MAX_SHOWN:
        return list(rows)
    more = f"and {len(rows[0]) - MAX_SHOWN:,} more columns"
    return [{**dict(islice(row.items(), MAX_SHOWN)), "…": more} for row in rows]
