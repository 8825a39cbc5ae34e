"""Exports the employment history of one agency from the database to CSV and Parquet in the bucket. No Dagster."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from etl_platform.application_db.agencies import find_agency
from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.employment.checks import NO_FINDINGS, Finding, HistoryCheck
from etl_platform.engine.output.plain_text import counted
from etl_platform.object_keys import export_key
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256, find_object

DATASET = "employment_history"
_SUFFIXES = ("csv", "parquet")
_SHA256 = "sha256"
_SUMMARY_TEXTS = {
    HistoryCheck.OVERLAPPING: "overlapping",
    HistoryCheck.REVERSED: "reversed",
    HistoryCheck.UNKNOWN_RANK: "with an unknown rank",
    HistoryCheck.LOST_DATE: "with an invalid date",
}

OnProgress = Callable[[int], None]
"""Called with the number of rows read so far."""


@dataclass(frozen=True)
class ExportObject:
    """One object of an export, as it is in the bucket now.

    Attributes:
        written: whether this export wrote it; otherwise an earlier export wrote the same content.
    """

    key: str
    size_bytes: int
    sha256: str
    written: bool


@dataclass(frozen=True)
class ExportResult:
    """The result of an agency's export.

    Attributes:
        agency: its partition key.
        agency_exists: whether the application database has this agency.
        objects: CSV and Parquet; empty if there are no rows.
        earlier_objects: objects of an earlier export, which stay unchanged if there are no rows.
    """

    agency: str
    agency_exists: bool
    rows: int
    findings: tuple[Finding, ...]
    objects: tuple[ExportObject, ...] = ()
    earlier_objects: tuple[ObjectHead, ...] = ()

    @property
    def summary(self) -> str:
        if not self.agency_exists:
            return f"{self.agency}: the application database has no such agency; nothing written"
        if not self.rows:
            earlier = self.earlier_objects
            kept = f"; the export of {earlier[0].last_modified:%Y-%m-%d} stays unchanged" if earlier else ""
            return f"{self.agency}: no rows, nothing written{kept}"
        written = [item.key for item in self.objects if item.written]
        findings = [f", {finding.rows:,} {_SUMMARY_TEXTS[finding.check]}" for finding in self.findings if finding.rows]
        action = f"wrote {' and '.join(written)}" if written else "unchanged, nothing written"
        return f"{self.agency}: {counted(self.rows, 'row')}{''.join(findings)}; {action}"


@dataclass(frozen=True)
class EmploymentHistoryExport:
    """The outside systems of the export, and the known ranks.

    The same rows give the same bytes, and an object with the same content is not written again. Without rows an earlier
    export stays unchanged, because an agency that suddenly has no rows is usually a mistake.
    """

    database: ApplicationDatabase
    store: ObjectStore
    bucket: str
    known_ranks: Iterable[str] = ()

    def export(self, agency: str, on_progress: OnProgress = lambda _rows: None) -> ExportResult:
        """Export one partition.

        Raises:
            TransientError: infrastructure failed, or another export of this agency wrote meanwhile.
            PermanentError: the database refuses the query, contains invalid UTF-8, or has two agencies with this slug.
        """
        found = find_agency(agency, self.database.agencies())
        if found is None:
            return ExportResult(agency, agency_exists=False, rows=0, findings=NO_FINDINGS)
        keys = {suffix: export_key(DATASET, agency, suffix) for suffix in _SUFFIXES}
        # Read the eTags before the rows: an export that writes after this has newer rows and must not be overwritten.
        before = {suffix: find_object(self.store, self.bucket, key) for suffix, key in keys.items()}
        with tempfile.TemporaryDirectory(prefix="employment-history-") as folder:
            paths = {suffix: Path(folder) / f"{DATASET}.{suffix}" for suffix in _SUFFIXES}
            rows, findings = self._write_files(found.id, paths["csv"], paths["parquet"], on_progress)
            if not rows:
                earlier = tuple(head for head in before.values() if head is not None)
                return ExportResult(agency, True, 0, findings, earlier_objects=earlier)
            objects = tuple(
                self._upload_if_changed(keys[suffix], paths[suffix], before[suffix]) for suffix in _SUFFIXES
            )
        return ExportResult(agency, True, rows, findings, objects)

    def _write_files(
        self, agency_id: int, csv: Path, parquet: Path, on_progress: OnProgress
    ) -> tuple[int, tuple[Finding, ...]]:
        """Write an agency's rows to two files; returns their number and the findings."""
        import polars as pl

        from etl_platform.employment.periods import SCHEMA, HistoryChecker, to_csv, to_typed
        from etl_platform.engine.output.parquet import ParquetSink

        checker = HistoryChecker(self.known_ranks)
        with csv.open("wb") as text, ParquetSink(parquet, SCHEMA) as sink:

            def write(texts: pl.DataFrame) -> None:
                rows = to_typed(texts)
                text.write(to_csv(rows, header=not sink.rows))
                sink.write(rows)
                checker.add(texts, rows)
                on_progress(sink.rows)

            self.database.employment_history(agency_id, SCHEMA.names(), write)
        return sink.rows, checker.findings()

    def _upload_if_changed(self, key: str, path: Path, before: ObjectHead | None) -> ExportObject:
        sha256, size = file_sha256(path), path.stat().st_size
        # The eTag of a multipart upload is not a hash of the content, so the hash is stored as metadata.
        changed = before is None or before.metadata.get(_SHA256) != sha256
        if changed:
            metadata = {_SHA256: sha256}
            etag = before.etag if before else None
            self.store.write(self.bucket, key, path, if_absent=before is None, if_match=etag, metadata=metadata)
        return ExportObject(key, size, sha256, changed)
