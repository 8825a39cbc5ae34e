"""The fields of a report that are columns of the table ``reports``, with their types in DuckDB and in Hive."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias


class Scalar(Enum):
    """The type of a field: its name in DuckDB and in Hive. Hive cannot parse the times of a report."""

    TEXT = "VARCHAR", "string"
    WHOLE = "BIGINT", "bigint"
    DECIMAL = "DOUBLE", "double"
    TIME = "TIMESTAMPTZ", "string"
    COUNTS = "MAP(VARCHAR, BIGINT)", "map<string,bigint>"


Struct: TypeAlias = Mapping[str, Scalar]
FieldType: TypeAlias = "Scalar | Struct | tuple[Struct]"
"""A tuple is a list of its one entry."""

_TEXT, _WHOLE, _TIME = Scalar.TEXT, Scalar.WHOLE, Scalar.TIME

REPORT_COLUMNS: Mapping[str, FieldType] = {
    "delivery_id": _TEXT,
    "attempt_id": _TEXT,
    "outcome": _TEXT,
    "agency": _TEXT,
    "dataset": _TEXT,
    "source": {
        "bucket": _TEXT,
        "key": _TEXT,
        "version_id": _TEXT,
        "etag": _TEXT,
        "size_bytes": _WHOLE,
        "sequencer": _TEXT,
        "last_modified": _TIME,
    },
    "contract": {"id": _TEXT, "version": _TEXT, "sha256": _TEXT},
    "code_version": _TEXT,
    "sha256": _TEXT,
    "rows": _WHOLE,
    "accepted_rows": _WHOLE,
    "quarantined_rows": _WHOLE,
    "reasons": Scalar.COUNTS,
    "unevaluated": Scalar.COUNTS,
    "errors": ({"code": _TEXT, "message": _TEXT, "line": _WHOLE},),
    "superseded_by": _TEXT,
    "written": {
        "bronze_key": _TEXT,
        "silver_key": _TEXT,
        "silver_etag": _TEXT,
        "silver_sha256": _TEXT,
        "quarantine_key": _TEXT,
        "quarantine_etag": _TEXT,
        "quarantine_sha256": _TEXT,
    },
    "attempt": {
        "cause": _TEXT,
        "run_id": _TEXT,
        "message_id": _TEXT,
        "receive_count": _WHOLE,
        "event_time": _TIME,
        "by": _TEXT,
        "began_at": _TIME,
        "ended_at": _TIME,
        "seconds": Scalar.DECIMAL,
    },
}


def duckdb_type(field: FieldType) -> str:
    if isinstance(field, tuple):
        return f"{duckdb_type(field[0])}[]"
    if isinstance(field, Scalar):
        return field.value[0]
    return f"STRUCT({', '.join(f'{quoted(name)} {duckdb_type(inner)}' for name, inner in field.items())})"


def hive_type(field: FieldType) -> str:
    if isinstance(field, tuple):
        return f"array<{hive_type(field[0])}>"
    if isinstance(field, Scalar):
        return field.value[1]
    return f"struct<{','.join(f'{name}:{hive_type(inner)}' for name, inner in field.items())}>"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
