"""The metadata table of an agency's attachments, in Parquet and CSV: replaced after a run and read by the next one.

Parquet is the authoritative copy. It is written last, and only if it has not changed since this run read it. Both
objects have the hash of their rows as metadata, so that a reader can see whether they belong together.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from etl_platform.attachments.plan import COPIED_STATUSES, Row
from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.object_keys import attachments_metadata_key
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

if TYPE_CHECKING:
    import polars as pl

ROWS_HASH = "rows-sha256"
_ATTEMPTS = 5


def read_recorded_etags(store: ObjectStore, bucket: str, agency: str, source_bucket: str) -> dict[str, tuple[str, str]]:
    """The eTags that an earlier run recorded of good copies, by destination key: of the source and of the copy."""
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        found = pl.read_parquet(io.BytesIO(store.read(bucket, attachments_metadata_key(agency, "parquet"))))
        made = (pl.col("source_bucket") == source_bucket) & pl.col("status").is_in(COPIED_STATUSES)
        rows = found.filter(made).select("destination_key", "source_etag", "destination_etag")
    except (ObjectMissingError, PolarsError):
        # The table is missing or was not written by this job. Copies that cannot be compared are then made again.
        return {}
    return {key: (source, copy) for key, source, copy in rows.drop_nulls().iter_rows()}


def write_metadata(store: ObjectStore, bucket: str, agency: str, rows: Sequence[Row]) -> bool:
    """Replace both objects, unless they have these rows already; returns whether the table changed.

    Raises:
        TransientError: infrastructure failed, or other runs changed the table during every attempt.
    """
    frame = _frame(rows)
    text = _csv(frame)
    digest = hashlib.sha256(text).hexdigest()
    csv_key, parquet_key = attachments_metadata_key(agency, "csv"), attachments_metadata_key(agency, "parquet")
    for attempt in range(1, _ATTEMPTS + 1):
        csv, parquet = find_object(store, bucket, csv_key), find_object(store, bucket, parquet_key)
        stale = [head is None or head.metadata.get(ROWS_HASH) != digest for head in (csv, parquet)]
        if not any(stale):
            return attempt > 1
        try:
            if stale[0]:
                _replace(store, bucket, csv_key, text, seen=csv, digest=digest)
            if stale[1]:
                _replace(store, bucket, parquet_key, _parquet(frame), seen=parquet, digest=digest)
        except PreconditionFailedError:
            # Another run of the same agency wrote the table; read it before the next attempt.
            if attempt == _ATTEMPTS:
                raise
        else:
            return True
    raise AssertionError("the last attempt returns or raises")


def _replace(store: ObjectStore, bucket: str, key: str, body: bytes, *, seen: ObjectHead | None, digest: str) -> None:
    store.write(
        bucket,
        key,
        body,
        if_absent=seen is None,
        if_match=seen.etag if seen else None,
        metadata={ROWS_HASH: digest},
    )


def _frame(rows: Sequence[Row]) -> "pl.DataFrame":
    import polars as pl

    numbers = {"attachment_id", "agency_id", "recorded_size_bytes", "size_bytes"}
    schema: dict[str, Any] = {item.name: pl.Int64 if item.name in numbers else pl.String for item in fields(Row)}
    return pl.DataFrame([asdict(row) for row in rows], schema=schema, orient="row")


def _csv(frame: "pl.DataFrame") -> bytes:
    """CSV for spreadsheets: with a UTF-8 byte order mark, and without cells that would run as formulas."""
    import polars.selectors as cs

    from etl_platform.engine.output.formula_guard import guarded

    return frame.with_columns(guarded(cs.string())).write_csv(include_bom=True, line_terminator="\r\n").encode()


def _parquet(frame: "pl.DataFrame") -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body)
    return body.getvalue()
