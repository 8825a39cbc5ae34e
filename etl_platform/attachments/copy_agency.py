"""One agency's attachments from the application's document store to the research bucket. No Dagster."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.metadata_table import read_remembered, write_metadata
from etl_platform.attachments.object_copies import ObjectCopies
from etl_platform.attachments.plan import (
    Found,
    Plan,
    Remembered,
    Row,
    Status,
    destination_keys,
    metadata_rows,
    needs_memory,
    plan_copies,
)
from etl_platform.engine.errors import PermanentError
from etl_platform.storage.object_store import ObjectStore

Tell = Callable[[int, int], None]
"""Called with the copies that are settled and all that there are to make."""


@dataclass(frozen=True)
class Copied:
    """What became of an agency's attachments.

    Attributes:
        rows: one per attachment of the database, as the metadata has them.
        tried: copies that this run set out to make; the rest was there, or could not be copied.
        wrote_metadata: whether the metadata changed.
    """

    rows: tuple[Row, ...]
    tried: int
    wrote_metadata: bool

    @property
    def statuses(self) -> Counter[str]:
        return Counter(row.status for row in self.rows)

    @property
    def not_copied(self) -> tuple[Row, ...]:
        """The attachments that are not at the destination as the database has them."""
        return tuple(row for row in self.rows if row.status != Status.COPIED)

    @property
    def size_bytes(self) -> int:
        return sum(row.size_bytes or 0 for row in self.rows)


@dataclass(frozen=True)
class _Looked:
    wanted: dict[str, AttachmentFile]
    sources: Found
    targets: Found
    plan: Plan


class AttachmentCopies:
    """Copies between a pair of buckets; the metadata lies beside the copies and is read and written by ``store``."""

    def __init__(self, copies: ObjectCopies, store: ObjectStore) -> None:
        self._copies, self._store = copies, store

    def plan(self, agency: Agency, files: Sequence[AttachmentFile]) -> Plan:
        """What a run would do, without writing anything.

        Raises:
            PermanentError, TransientError
        """
        return self._look(agency, files).plan

    def run(self, agency: Agency, files: Sequence[AttachmentFile], tell: Tell) -> Copied:
        """Copy what is not there, look again, and record all of it. Without files nothing is read or written.

        Raises:
            PermanentError: a bucket is not there, or the database's ids repeat.
            TransientError: infrastructure, where it is in the way of all; of one object it is that one's row.
        """
        if not files:
            return Copied((), 0, False)
        looked = self._look(agency, files)
        copies, settled = looked.plan.copies, 0

        def settle() -> None:
            nonlocal settled
            settled += 1
            tell(settled, len(copies))

        problems = {**looked.plan.problems, **self._copies.copy(copies, settle)}
        there = {**looked.targets, **self._copies.find_copies([copy.destination_key for copy in copies])}
        buckets = self._copies.source, self._copies.destination
        rows = tuple(
            metadata_rows(agency, buckets, looked.wanted, sources=looked.sources, targets=there, problems=problems)
        )
        wrote = write_metadata(self._store, self._copies.destination, agency.partition, rows)
        return Copied(rows, len(copies), wrote)

    def _look(self, agency: Agency, files: Sequence[AttachmentFile]) -> _Looked:
        repeated = [str(number) for number, times in Counter(file.id for file in files).items() if times > 1]
        if repeated:
            raise PermanentError(f"attachment ids stand for several files: {', '.join(repeated[:10])}")
        wanted = destination_keys(files, agency.partition)
        sources = self._copies.find_sources(file.source_key for file in files)
        targets = self._copies.find_copies(wanted)
        remembered: Remembered = {}
        if needs_memory(wanted, sources, targets):
            remembered = read_remembered(self._store, self._copies.destination, agency.partition, self._copies.source)
        return _Looked(wanted, sources, targets, plan_copies(wanted, sources, targets, remembered))
