"""The employment-history export of one agency: database rows → CSV and Parquet in the bucket. No Dagster."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from etl_platform.application_db.agencies import find_agency
from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.employment.oddities import NOTHING_ODD, Finding, Oddity
from etl_platform.object_keys import export_key
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256, find_object

DATASET = "employment_history"
_SUFFIXES = ("csv", "parquet")
_SHA256 = "sha256"
_SAID = {
    Oddity.OVERLAPPING: "overlapping",
    Oddity.REVERSED: "reversed",
    Oddity.UNKNOWN_RANK: "of unknown rank",
    Oddity.LOST_DATE: "with a date that is no day",
}

Progress = Callable[[int], None]
"""Is told how many rows have come so far."""


@dataclass(frozen=True)
class ExportObject:
    """One object of an export, as it lies in the bucket now.

    Attributes:
        written: by this export; else it was there already.
    """

    key: str
    size_bytes: int
    sha256: str
    written: bool


@dataclass(frozen=True)
class Exported:
    """What became of an agency's export.

    Attributes:
        agency: its partition.
        known: the application database has this agency.
        objects: CSV and Parquet; none where there are no rows.
        left: objects of an earlier export that an agency without rows leaves as they were.
    """

    agency: str
    known: bool
    rows: int
    findings: tuple[Finding, ...]
    objects: tuple[ExportObject, ...] = ()
    left: tuple[ObjectHead, ...] = ()

    @property
    def summary(self) -> str:
        if not self.known:
            return f"{self.agency}: the application database has no such agency; nothing written"
        if not self.rows:
            since = f"; the export of {self.left[0].last_modified:%Y-%m-%d} is left as it was" if self.left else ""
            return f"{self.agency}: no rows, nothing written{since}"
        written = [item.key for item in self.objects if item.written]
        odd = [f"{finding.rows:,} {_SAID[finding.oddity]}" for finding in self.findings if finding.rows]
        did = f"wrote {' and '.join(written)}" if written else "unchanged, nothing written"
        return f"{self.agency}: {self.rows:,} rows{''.join(f', {text}' for text in odd)}; {did}"


@dataclass(frozen=True)
class EmploymentHistoryExport:
    """The export's outside systems and the ranks that are known.

    The same rows give the same bytes, and an object that has them already is not written. For an agency without rows
    nothing is done: what lies there from before stays, because rows that all go at once are gone by mistake more often.
    """

    database: ApplicationDatabase
    store: ObjectStore
    bucket: str
    known_ranks: Iterable[str] = ()

    def export(self, agency: str, progress: Progress = lambda _rows: None) -> Exported:
        """Export one partition.

        Raises:
            TransientError: infrastructure; or another export of this agency has written in the meantime.
            PermanentError: the database refuses the query, holds what is no text, or has two agencies of this name.
        """
        found = find_agency(agency, self.database.agencies())
        if found is None:
            return Exported(agency, known=False, rows=0, findings=NOTHING_ODD)
        keys = {suffix: export_key(DATASET, agency, suffix) for suffix in _SUFFIXES}
        # Before the rows are read: whoever writes after this look has newer rows, and must not be overwritten.
        before = {suffix: find_object(self.store, self.bucket, key) for suffix, key in keys.items()}
        with tempfile.TemporaryDirectory(prefix="employment-history-") as folder:
            paths = {suffix: Path(folder) / f"{DATASET}.{suffix}" for suffix in _SUFFIXES}
            rows, findings = self._shape(found.id, paths["csv"], paths["parquet"], progress)
            if not rows:
                left = tuple(head for head in before.values() if head is not None)
                return Exported(agency, known=True, rows=0, findings=findings, left=left)
            objects = tuple(self._put(keys[suffix], paths[suffix], before[suffix]) for suffix in _SUFFIXES)
        return Exported(agency, True, rows, findings, objects)

    def _shape(self, agency_id: int, csv: Path, parquet: Path, progress: Progress) -> tuple[int, tuple[Finding, ...]]:
        """Write an agency's rows to two files; how many, and what is odd about them."""
        import polars as pl

        from etl_platform.employment.periods import SCHEMA, Review, csv_bytes, typed
        from etl_platform.engine.output.parquet import ParquetSink

        review = Review(self.known_ranks)
        with csv.open("wb") as text, ParquetSink(parquet, SCHEMA) as sink:

            def take(texts: pl.DataFrame) -> None:
                rows = typed(texts)
                text.write(csv_bytes(rows, header=not sink.rows))
                sink.write(rows)
                review.look(texts, rows)
                progress(sink.rows)

            self.database.employment_history(agency_id, SCHEMA.names(), take)
        return sink.rows, review.findings()

    def _put(self, key: str, path: Path, before: ObjectHead | None) -> ExportObject:
        sha256, size = file_sha256(path), path.stat().st_size
        # An eTag of many parts is no hash of the content, so the object keeps one.
        changed = before is None or before.metadata.get(_SHA256) != sha256
        if changed:
            metadata = {_SHA256: sha256}
            etag = before.etag if before else None
            self.store.write(self.bucket, key, path, if_absent=before is None, if_match=etag, metadata=metadata)
        return ExportObject(key, size, sha256, changed)
