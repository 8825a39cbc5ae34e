"""Reads one resource of a declared API, merges it into a snapshot, and ingests the snapshot like a file. No Dagster.

The snapshot is an object below ``from_api/``. Its metadata contains the cursor, so that one write changes data and
cursor together. A run that dies changes neither, and the next run starts at the same cursor.
"""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import Clock, DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ApiResponseError, ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.rest_apis.extraction import Extraction, OnProgress
from etl_platform.rest_apis.field_types import FieldChange, FieldTypes, field_changes
from etl_platform.rest_apis.records import ColumnMatcher, Record
from etl_platform.rest_apis.snapshots import SnapshotRows, read_header, read_rows, snapshot_rows
from etl_platform.rest_apis.source import ApiResource, ApiSource
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class PageReader(Protocol):
    """Reads the pages of a resource; ``HttpApi`` is one."""

    def pages(self, source: ApiSource, resource: ApiResource, cursor: str | None = None) -> Generator[list[Record]]: ...


@dataclass(frozen=True)
class ApiIngestionResult:
    """The result of ingesting one resource.

    Attributes:
        records, pages: read in this run.
        rows: of the current snapshot; None if there never was one.
        new, changed: rows of this run; None unless records were merged into an earlier snapshot.
        landed: whether this run wrote the snapshot.
        field_changes: empty if no record was read.
        unknown_fields: fields of the records without a column in the contract.
        ingested: the delivery of the snapshot; a duplicate if an earlier run ingested it.
    """

    source: ApiSource
    resource: ApiResource
    key: str
    pages: int = 0
    records: int = 0
    rows: int | None = None
    new: int | None = None
    changed: int | None = None
    landed: bool = False
    cursor: str | None = None
    field_changes: tuple[FieldChange, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    ingested: DeliveryResult | None = None

    @property
    def is_rejected(self) -> bool:
        """Whether the snapshot was rejected, by this run or by the one that first ingested it."""
        return self.ingested is not None and self.ingested.report.outcome is Outcome.REJECTED

    @property
    def summary(self) -> str:
        """One line for people."""
        text = f"{self.source.name} {self.resource.dataset}: {_count(self.records, 'record')}"
        text += f" in {_count(self.pages, 'page')}"
        if self.rows is None:
            return f"{text}, nothing to land"
        if not self.landed:
            text += ", nothing new"
        elif self.new is not None:
            text += f", {self.new:,} new and {self.changed:,} changed"
        return f"{text}; snapshot of {_count(self.rows, 'row')} {self._outcome}"

    @property
    def _outcome(self) -> str:
        if self.ingested is None:
            return "not ingested"
        outcome = str(self.ingested.report.outcome)
        return f"{outcome} before" if self.ingested.outcome is Outcome.DUPLICATE else outcome


@dataclass(frozen=True)
class _Snapshot:
    """The current snapshot, as its metadata describes it.

    Attributes:
        path: a local copy.
        types, rows: None if the platform did not write it.
        identity: ``ApiSource.identity`` when it was written.
    """

    head: ObjectHead
    path: Path
    types: FieldTypes | None
    rows: int | None
    identity: str | None
    cursor: str | None

    @classmethod
    def of(cls, head: ObjectHead, path: Path) -> "_Snapshot":
        metadata = head.metadata
        rows = metadata.get("rows", "")
        types = FieldTypes.from_text(read_header(path), metadata.get("types", "")) if rows.isdecimal() else None
        cursor = unquote(metadata["cursor"]) if "cursor" in metadata else None
        return cls(head, path, types, int(rows) if types else None, metadata.get("declaration"), cursor)


class ApiIngester:
    """Ingests declared APIs into one data bucket.

    Args:
        contracts: by dataset.
    """

    def __init__(
        self,
        store: ObjectStore,
        contracts: Mapping[str, Contract],
        bucket: str,
        page_reader: PageReader,
        clock: Clock,
    ) -> None:
        self._store, self._bucket, self._page_reader = store, bucket, page_reader
        self._intake = Intake(store, contracts, bucket, object_keys.FROM_API, clock)

    def ingest(
        self,
        source: ApiSource,
        resource: ApiResource,
        trigger: Trigger,
        *,
        now: datetime,
        full: bool = False,
        on_progress: OnProgress = lambda _pages, _records: None,
    ) -> ApiIngestionResult:
        """Read a resource, write its snapshot if it changed, and ingest the current snapshot.

        An unchanged snapshot is ingested too, because an earlier run may have died before it did that.

        Args:
            now: UTC.
            full: read everything and build a new snapshot, which removes deleted records.

        Raises:
            ApiResponseError, SettingsError: see ``HttpApi.pages``.
            TransientError: infrastructure failed, or another run landed this resource meanwhile. Nothing is landed.
        """
        key = source.key(resource)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as name:
            folder = Path(name)
            current = self._current_snapshot(key, folder / "current.csv")
            base = None if full else _base(current, source, resource)
            initial = resource.incremental.initial if resource.incremental else None
            extraction = Extraction(resource, now, on_progress, (base.cursor if base else None) or initial)
            result = ApiIngestionResult(source, resource, key, rows=current.rows if current else None)
            with snapshot_rows(folder) as rows:
                result = self._extract(result, extraction, rows, base)
                if extraction.records:
                    result = _compare_fields(result, current, extraction)
                    result = self._land(result, extraction, rows, folder / "snapshot.csv", current=current, base=base)
        return result if result.rows is None else self._ingest_snapshot(result, trigger)

    def _ingest_snapshot(self, result: ApiIngestionResult, trigger: Trigger) -> ApiIngestionResult:
        # No event announced the snapshot, so there is no event time.
        snapshot = replace(ObjectVersion.of(self._store.head(self._bucket, result.key)), last_modified=None)
        return replace(result, ingested=self._intake.ingest(self._intake.route(snapshot), trigger))

    def _current_snapshot(self, key: str, path: Path) -> _Snapshot | None:
        try:
            head = self._store.head(self._bucket, key)
            self._store.download(head, path)
        except ObjectMissingError:
            return None
        return _Snapshot.of(head, path)

    def _extract(
        self, result: ApiIngestionResult, extraction: Extraction, rows: SnapshotRows, base: _Snapshot | None
    ) -> ApiIngestionResult:
        """Read the resource to its end and merge it into the rows of ``base``, if there is one."""
        if base is not None:
            rows.merge(read_rows(base.path, extraction.snapshot_row))
        rows_before, writes_before = len(rows), rows.writes
        with closing(self._page_reader.pages(result.source, result.resource, extraction.cursor)) as pages:
            for page in pages:
                rows.merge(extraction.rows(page))
        result = replace(result, pages=extraction.pages, records=extraction.records, cursor=extraction.cursor)
        if base is None:
            return result
        new = len(rows) - rows_before
        return replace(result, new=new, changed=rows.writes - writes_before - new)

    def _land(
        self,
        result: ApiIngestionResult,
        extraction: Extraction,
        rows: SnapshotRows,
        path: Path,
        *,
        current: _Snapshot | None,
        base: _Snapshot | None,
    ) -> ApiIngestionResult:
        """Write the snapshot if it differs from ``current``; fails if another run has replaced ``current``."""
        types = base.types | extraction.types if base and base.types else extraction.types
        header = ColumnMatcher(result.resource.contract).header(types.types)
        if not header:
            raise ApiResponseError(f"{result.source.name} {result.resource.path}: the records have no fields")
        rows.write(path, header)
        result = replace(result, rows=len(rows))
        metadata = {
            "sha256": file_sha256(path),
            "declaration": result.source.identity(result.resource),
            "types": types.to_text(header),
            "rows": str(result.rows),
            **({"cursor": quote(result.cursor)} if result.cursor is not None else {}),
        }
        if current is not None and dict(current.head.metadata) == metadata:
            return result
        etag = current.head.etag if current else None
        try:
            self._store.write(
                self._bucket, result.key, path, if_absent=current is None, if_match=etag, metadata=metadata
            )
        except PreconditionFailedError:
            raise TransientError(
                f"{result.key}: another run landed this snapshot meanwhile; nothing was written, run the job again"
            ) from None
        return replace(result, landed=True)


def _base(current: _Snapshot | None, source: ApiSource, resource: ApiResource) -> _Snapshot | None:
    """The snapshot into which new records are merged; None if all records must be read."""
    if resource.incremental is None or current is None or current.types is None:
        return None
    return current if current.identity == source.identity(resource) else None


def _compare_fields(
    result: ApiIngestionResult, current: _Snapshot | None, extraction: Extraction
) -> ApiIngestionResult:
    contract = result.resource.contract
    return replace(
        result,
        field_changes=tuple(field_changes(current.types if current else None, extraction.types, contract)),
        unknown_fields=tuple(ColumnMatcher(contract).unknown(extraction.types.types)),
    )
