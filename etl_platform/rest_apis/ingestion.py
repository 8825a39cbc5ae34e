"""One resource of a declared API: read to its end, merged into one snapshot, taken in like any file. No Dagster.

The snapshot is an object under ``from_api/``. Its metadata hold the cursor that was reached, so that data and cursor
change in one write or not at all: a run that dies leaves both as they were, and the next one asks the same again.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import Clock, DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ApiAnswerError, ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.rest_apis.records import Drift, Matching, Place, Shape, cell, drift, place_of
from etl_platform.rest_apis.snapshots import Row, SnapshotRows, read_header, read_rows, snapshot_rows
from etl_platform.rest_apis.source import ApiResource, ApiSource, Incremental
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256

_MAX_CURSOR = 500
"""Characters: S3 takes 2 KB of metadata, https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""

_ANYWHERE = Place("text", "")

Progress = Callable[[int, int], None]
"""Told pages and records read so far."""


@lru_cache(4_096)
def _field(name: str) -> str:
    """A field's name as it stands in a header; empty for one that is blank."""
    return cell(name).strip()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Pages(Protocol):
    """Where records come from."""

    def pages(
        self, source: ApiSource, resource: ApiResource, cursor: str | None = None
    ) -> Generator[list[dict[str, Any]]]: ...


@dataclass(frozen=True)
class ApiIngestion:
    """What became of one resource.

    Attributes:
        records, pages: what came.
        rows: of the snapshot that is there now; None where nothing ever came.
        new, changed: rows, where records were merged into a snapshot.
        landed: whether the snapshot was written.
        drift: empty where no record came.
        unknown_fields: of the records, that no column of the contract has.
        ingested: what the intake made of the snapshot; a duplicate where it was done before.
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
    drift: tuple[Drift, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    ingested: DeliveryResult | None = None

    @property
    def is_red(self) -> bool:
        """Whether the snapshot was rejected, now or when it was first taken in."""
        return self.ingested is not None and self.ingested.report.outcome is Outcome.REJECTED

    @property
    def summary(self) -> str:
        """One line for a person."""
        what = f"{self.source.name} {self.resource.dataset}: {_count(self.records, 'record')}"
        what += f" in {_count(self.pages, 'page')}"
        if self.rows is None:
            return f"{what}, nothing to land"
        if not self.landed:
            what += ", nothing new"
        elif self.new is not None:
            what += f", {self.new:,} new and {self.changed:,} changed"
        return f"{what}; snapshot of {_count(self.rows, 'row')} {self._became}"

    @property
    def _became(self) -> str:
        if self.ingested is None:
            return "not taken in"
        outcome = str(self.ingested.report.outcome)
        return f"{outcome} before" if self.ingested.outcome is Outcome.DUPLICATE else outcome


@dataclass(frozen=True)
class _Held:
    """The snapshot that is there, as its own metadata tell.

    Attributes:
        path: a copy of it.
        shape: None where the platform did not write it.
        identity: ``ApiSource.identity`` when it was written.
    """

    head: ObjectHead
    path: Path
    shape: Shape | None
    rows: int | None
    identity: str | None
    cursor: str | None

    @classmethod
    def of(cls, head: ObjectHead, path: Path) -> "_Held":
        told = head.metadata
        rows = told.get("rows", "")
        shape = Shape.from_text(read_header(path), told.get("types", "")) if rows.isdecimal() else None
        cursor = unquote(told["cursor"]) if "cursor" in told else None
        return cls(head, path, shape, int(rows) if shape else None, told.get("declaration"), cursor)


@dataclass
class _Extraction:
    """One reading of a resource, from its cursor to its last page; turns records into rows as they come."""

    resource: ApiResource
    now: datetime
    progress: Progress
    cursor: str | None = None
    shape: Shape = field(default_factory=Shape)
    pages: int = 0
    records: int = 0
    _reached: Place | None = None

    def __post_init__(self) -> None:
        self._matching = Matching(self.resource.contract)
        self._now = place_of(self.now.isoformat())
        if self.cursor is not None:
            self._reached = place_of(self.cursor)

    def rows(self, page: list[dict[str, Any]]) -> Iterator[Row]:
        """The rows of one page.

        Raises:
            ApiAnswerError: a record without a value of the incremental field, or with one of another kind; too many
                fields, or one that is nested too deeply.
        """
        for record in page:
            named = {_field(name): value for name, value in record.items()}
            try:
                self.shape.see(named)
                cells = {name: text for name, value in named.items() if name and (text := cell(value))}
            except ValueError as error:
                raise ApiAnswerError(f"{self.resource.path}: {error}") from None
            place = self._follow(self.resource.incremental, cells) if self.resource.incremental else _ANYWHERE
            yield Row(self._matching.key(cells), cells, place.order)
        self.pages += 1
        self.records += len(page)
        self.progress(self.pages, self.records)

    def held_row(self, cells: dict[str, str]) -> Row:
        """A row of the snapshot that is there."""
        step = self.resource.incremental
        place = place_of(cells.get(step.field, "")) if step else _ANYWHERE
        return Row(self._matching.key(cells), cells, place.order)

    def _follow(self, step: Incremental, cells: Mapping[str, str]) -> Place:
        """Where the record stands; the cursor goes with the highest."""
        text = cells.get(step.field, "")
        if not text:
            raise ApiAnswerError(f"{self.resource.path}: a record has no {step.field}, the incremental field")
        place = place_of(text)
        if self._reached is not None and place.kind != self._reached.kind:
            kinds = " and a ".join(sorted({place.kind, self._reached.kind}))
            raise ApiAnswerError(f"{self.resource.path}: {step.field} is a {kinds}, which have no common order")
        # A typing error of the year 2999 must not hide everything until then.
        ahead = place.kind == self._now.kind and place.is_after(self._now)
        if not ahead and (self._reached is None or place.is_after(self._reached)):
            if len(quote(text)) > _MAX_CURSOR:
                raise ApiAnswerError(f"{self.resource.path}: a {step.field} of more than {_MAX_CURSOR} characters")
            self._reached, self.cursor = place, text
        return place


class ApiIngester:
    """Ingests declared APIs into one data bucket.

    Args:
        contracts: by dataset.
        pages: reads one resource.
    """

    def __init__(
        self, store: ObjectStore, contracts: Mapping[str, Contract], bucket: str, pages: Pages, clock: Clock
    ) -> None:
        self._store, self._bucket, self._pages = store, bucket, pages
        self._intake = Intake(store, contracts, bucket, object_keys.FROM_API, clock)

    def ingest(
        self,
        source: ApiSource,
        resource: ApiResource,
        trigger: Trigger,
        *,
        now: datetime,
        full: bool = False,
        progress: Progress = lambda _pages, _records: None,
    ) -> ApiIngestion:
        """Read a resource, land what changed, and take in the snapshot that is there afterwards.

        The intake is asked even where nothing changed: a run may have died between landing and intake.

        Args:
            now: UTC.
            full: read everything and forget what is held, so that deleted records go.

        Raises:
            ApiAnswerError, SettingsError: see ``HttpApi.pages``.
            TransientError: infrastructure, or somebody else landed this resource meanwhile; nothing is landed.
        """
        key, step = source.key(resource), resource.incremental
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as name:
            folder = Path(name)
            held = self._held(key, folder / "held.csv")
            base = held if step and held and held.shape and held.identity == source.identity(resource) else None
            base = None if full else base
            cursor = (base.cursor if base else None) or (step.initial if step else None)
            extraction = _Extraction(resource, now, progress, cursor)
            done = ApiIngestion(source, resource, key, rows=held.rows if held else None)
            with snapshot_rows(folder) as rows:
                done = self._extract(done, extraction, rows, base)
                if extraction.records:
                    done = replace(
                        done,
                        drift=tuple(drift(held.shape if held else None, extraction.shape, resource.contract)),
                        unknown_fields=tuple(Matching(resource.contract).unknown(extraction.shape.types)),
                    )
                    done = self._land(done, extraction, rows, folder / "snapshot.csv", held=held, base=base)
        if done.rows is None:
            return done
        head = self._store.head(self._bucket, key)
        landed = self._intake.route(replace(ObjectVersion.of(head), last_modified=None))
        return replace(done, ingested=self._intake.ingest(landed, trigger))

    def _held(self, key: str, path: Path) -> _Held | None:
        try:
            head = self._store.head(self._bucket, key)
            self._store.download(head, path)
        except ObjectMissingError:
            return None
        return _Held.of(head, path)

    def _extract(
        self, done: ApiIngestion, extraction: _Extraction, rows: SnapshotRows, base: _Held | None
    ) -> ApiIngestion:
        """Read the resource to its end, onto the rows of ``base`` if there is one."""
        if base is not None:
            rows.merge(read_rows(base.path, extraction.held_row))
        rows_before, writes_before = len(rows), rows.writes
        with closing(self._pages.pages(done.source, done.resource, extraction.cursor)) as pages:
            for page in pages:
                rows.merge(extraction.rows(page))
        done = replace(done, pages=extraction.pages, records=extraction.records, cursor=extraction.cursor)
        if base is None:
            return done
        new = len(rows) - rows_before
        return replace(done, new=new, changed=rows.writes - writes_before - new)

    def _land(
        self,
        done: ApiIngestion,
        extraction: _Extraction,
        rows: SnapshotRows,
        path: Path,
        *,
        held: _Held | None,
        base: _Held | None,
    ) -> ApiIngestion:
        """Write the snapshot in the place of the one that was read, unless it is the same."""
        shape = base.shape | extraction.shape if base and base.shape else extraction.shape
        header = Matching(done.resource.contract).header(shape.types)
        if not header:
            raise ApiAnswerError(f"{done.source.name} {done.resource.path}: the records have no fields")
        rows.write(path, header)
        done = replace(done, rows=len(rows))
        metadata = {
            "sha256": file_sha256(path),
            "declaration": done.source.identity(done.resource),
            "types": shape.to_text(header),
            "rows": str(done.rows),
            **({"cursor": quote(done.cursor)} if done.cursor is not None else {}),
        }
        if held is not None and dict(held.head.metadata) == metadata:
            return done
        try:
            self._store.write(
                self._bucket,
                done.key,
                path,
                if_absent=held is None,
                if_match=held.head.etag if held else None,
                metadata=metadata,
            )
        except PreconditionFailedError:
            raise TransientError(
                f"{done.key} was landed by another run meanwhile; what this one read is left to the next"
            ) from None
        return replace(done, landed=True)
