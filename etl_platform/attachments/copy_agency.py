"""Copies one agency's attachments from the application's document store to the research bucket. No Dagster."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.metadata_table import read_recorded_etags, write_metadata
from etl_platform.attachments.object_copies import ObjectCopies
from etl_platform.attachments.plan import (
    FoundObjects,
    Plan,
    RecordedETags,
    Row,
    Status,
    destination_keys,
    metadata_rows,
    needs_recorded_etags,
    plan_copies,
)
from etl_platform.engine.errors import PermanentError
from etl_platform.storage.object_store import ObjectStore

OnProgress = Callable[[int, int], None]
"""Called after each copy, made or failed, with the number of copies done and of all copies to make."""


@dataclass(frozen=True)
class CopyResult:
    """The state of an agency's attachments after a run.

    Attributes:
        rows: the metadata, one row per attachment in the database.
        attempted: copies that this run tried to make; the other attachments were copied before or cannot be copied.
        wrote_metadata: whether the metadata changed.
    """

    rows: tuple[Row, ...]
    attempted: int
    wrote_metadata: bool

    @property
    def statuses(self) -> Counter[str]:
        return Counter(row.status for row in self.rows)

    @property
    def not_copied(self) -> tuple[Row, ...]:
        """The attachments without a copy of the size that the database records."""
        return tuple(row for row in self.rows if row.status != Status.COPIED)

    @property
    def size_bytes(self) -> int:
        return sum(row.size_bytes or 0 for row in self.rows)


@dataclass(frozen=True)
class _Scan:
    """Attachments by destination key, the objects that exist in both buckets, and what to do."""

    wanted: dict[str, AttachmentFile]
    sources: FoundObjects
    targets: FoundObjects
    plan: Plan


class AttachmentCopies:
    """Copies between two buckets, and keeps a metadata table beside the copies, which ``store`` reads and writes."""

    def __init__(self, copies: ObjectCopies, store: ObjectStore) -> None:
        self._copies, self._store = copies, store

    def plan(self, agency: Agency, files: Sequence[AttachmentFile]) -> Plan:
        """What ``run`` would do; writes nothing and raises the same errors."""
        return self._scan(agency, files).plan

    def run(self, agency: Agency, files: Sequence[AttachmentFile], on_progress: OnProgress) -> CopyResult:
        """Make the missing copies, look them up, and write the metadata. Without files nothing is read or written.

        Raises:
            PermanentError: a bucket does not exist, or attachment ids are not unique.
            TransientError: infrastructure failed for all objects; the failure of one object is recorded in its row.
        """
        if not files:
            return CopyResult((), 0, False)
        scan = self._scan(agency, files)
        copies, done = scan.plan.copies, 0

        def count_copy() -> None:
            nonlocal done
            done += 1
            on_progress(done, len(copies))

        problems = {**scan.plan.problems, **self._copies.copy(copies, count_copy)}
        targets = {**scan.targets, **self._copies.find_copies([copy.destination_key for copy in copies])}
        buckets = self._copies.source, self._copies.destination
        rows = tuple(
            metadata_rows(agency, buckets, scan.wanted, sources=scan.sources, targets=targets, problems=problems)
        )
        wrote = write_metadata(self._store, self._copies.destination, agency.partition, rows)
        return CopyResult(rows, len(copies), wrote)

    def _scan(self, agency: Agency, files: Sequence[AttachmentFile]) -> _Scan:
        repeated = [str(number) for number, times in Counter(file.id for file in files).items() if times > 1]
        if repeated:
            raise PermanentError(
                f"agency {agency.partition}: the application database lists attachment ids more than once: "
                f"{', '.join(repeated[:10])}; ids must be unique"
            )
        wanted = destination_keys(files, agency.partition)
        sources = self._copies.find_sources(file.source_key for file in files)
        targets = self._copies.find_copies(wanted)
        recorded: RecordedETags = {}
        if needs_recorded_etags(wanted, sources, targets):
            recorded = read_recorded_etags(self._store, self._copies.destination, agency.partition, self._copies.source)
        return _Scan(wanted, sources, targets, plan_copies(wanted, sources, targets, recorded))
