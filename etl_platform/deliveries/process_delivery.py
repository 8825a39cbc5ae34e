"""The work on one delivery, for an arrival and for a reprocessing: read, check, write, report. No Dagster, no queue.

The guarantees depend on the order of writes. Silver is written by compare-and-swap against the version that was read.
The report is written last and only if it is absent, so a report always describes finished work. Amendments are written
before the report, because a retry after a crash could not compute them again.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.attempts import Author, ContestedError
from etl_platform.deliveries.check_errors import verdict_on
from etl_platform.deliveries.compare_keys import KeyComparer
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.quarantine_object import QuarantineObject
from etl_platform.deliveries.report import (
    Amendment,
    AmendmentKind,
    ReplayChanges,
    Report,
    WrittenObjects,
)
from etl_platform.deliveries.series import Series
from etl_platform.deliveries.silver import CurrentObject, Silver, SilverContent, Superseded, Written
from etl_platform.engine.result import CheckResult
from etl_platform.errors import TransientError
from etl_platform.queue_work.memory import MemoryBudget
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256

Clock = Callable[[], datetime]
"""The time now, in UTC."""


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one delivery.

    Attributes:
        outcome: ``duplicate`` if the delivery was processed before; the report then has the first outcome.
        report: as it is in the ledger; of a dry run, as it would be.
        repeated: whether this reprocessing was done before, so that nothing was written.
        report_etag: of the report's object, if this attempt has written it.
    """

    outcome: Outcome
    report: Report
    repeated: bool = False
    report_etag: str | None = None


@dataclass(frozen=True)
class Found:
    """The objects of a delivery's source key and of the delivery, as they were before this attempt wrote."""

    silver: CurrentObject | None = None
    quarantine: ObjectHead | None = None


class DeliveryProcessor:
    """Processes deliveries of one data bucket.

    Args:
        store: where the delivered bytes are read and everything is written.
        bucket: where bronze, silver, quarantine and reports are.
        memory: what deliveries that are checked at the same time share.
    """

    def __init__(self, store: ObjectStore, bucket: str, clock: Clock, memory: MemoryBudget) -> None:
        self._store, self._bucket, self._clock, self._memory = store, bucket, clock, memory
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)
        self._keys, self._series = KeyComparer(store, bucket), Series(store, bucket)

    def process(self, task: DeliveryTask, bronze: ObjectHead, *, is_first: bool = False) -> DeliveryResult:
        """Read the delivered bytes, check them, write silver and quarantine, and report.

        Args:
            is_first: there was no silver of the source key a moment ago. If there is by now, its swap finds it.
        """
        from etl_platform.engine.split import SILVER

        current = None if is_first else self._silver.current(*task.partition, task.source.key)
        if current is not None and self._silver.is_newer(current, task.source):
            return self._superseded(task, current.delivery_id)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work = Path(folder)
            # The reader recognises formats by content, so the sender's file name is not needed.
            sha256 = self._store.download(bronze, work / "delivery")
            check = self._check(task, work / "delivery", work)
            report = replace(task.report(Outcome(check.outcome), check, self._clock()), sha256=sha256)
            found = Found(current, self._quarantine(task).current() if task.reprocessing else None)
            if task.reprocessing and report.outcome is Outcome.ACCEPTED:
                report = replace(report, changes=self._replay_changes(task, found, work))
            if task.dry_run:
                return DeliveryResult(report.outcome, self._compared(report, task, work / SILVER, current))
            try:
                written = self._write(task, report, found, work)
            except ContestedError:
                return self._report_first(task, report, work)
            if isinstance(written, Superseded):
                return self._superseded(task, written.by)
            # After the swap: of two files that arrive at once, the later one sees the other.
            report = self._compared(report, task, work / SILVER, current)
        return self.finish(task, replace(report, written=written))

    def _check(self, task: DeliveryTask, path: Path, work: Path) -> CheckResult:
        """Check a delivery. An arrival whose check would fail again in the same way is rejected.

        A reprocessing raises instead: the person who asked for it sees the error, and after the cure it is the same
        reprocessing, which a report would prevent.
        """
        from etl_platform.engine.check import check_file
        from etl_platform.engine.reading.expected_memory import expected_memory_bytes
        from etl_platform.engine.split import QUARANTINE, SILVER

        try:
            with self._memory.reserve(expected_memory_bytes(path)):
                return check_file(
                    path,
                    task.contract,
                    work,
                    # The day of delivery, so that a reprocessing next month gives the same result.
                    as_of=task.source.order.last_modified.astimezone(UTC).date(),
                    delivery_id=task.source.delivery_id,
                    corrections=task.corrections,
                    previous=lambda: self._series.previous(task),
                )
        except Exception as error:
            verdict = None if task.reprocessing else verdict_on(error, task.trigger.receive_count)
            if verdict is None:
                raise
            for half_written in (SILVER, QUARANTINE):
                (work / half_written).unlink(missing_ok=True)
            return CheckResult(errors=(verdict,))

    def _write(
        self, task: DeliveryTask, report: Report, found: Found, work: Path, *, has_reported: bool = False
    ) -> WrittenObjects | Superseded:
        """Write silver, then quarantine."""
        from etl_platform.engine.split import QUARANTINE, SILVER

        author = Author(task.derived_from, task.reprocessing, has_reported)
        written = WrittenObjects(bronze_key=report.written.bronze_key)
        if report.outcome is Outcome.ACCEPTED:
            swapped = self._swap_silver(task, author, found.silver, work / SILVER, report.check.accepted_rows or 0)
            if isinstance(swapped, Written):
                sha256 = file_sha256(work / SILVER)
                written = replace(written, silver_key=swapped.key, silver_etag=swapped.etag, silver_sha256=sha256)
            elif not has_reported or swapped.by == task.source.delivery_id:
                return swapped
        path = work / QUARANTINE if (work / QUARANTINE).exists() else None
        if task.reprocessing:
            # A rejected reprocessing changes neither silver nor quarantine.
            if report.outcome is Outcome.REJECTED:
                return written
            etag = self._quarantine(task).replace(path, author, found.quarantine)
            self._check_not_followed(task, is_new=path is not None and found.quarantine is None)
        elif path is not None:
            etag = self._quarantine(task).put(path, author)
        else:
            etag = None
            if has_reported:
                self._quarantine(task).remove()
        if path is None or etag is None:
            return written
        return replace(
            written, quarantine_key=task.quarantine, quarantine_etag=etag, quarantine_sha256=file_sha256(path)
        )

    def _report_first(self, task: DeliveryTask, report: Report, work: Path) -> DeliveryResult:
        """Report before writing, because another attempt has written under another contract or release.

        The report decides which attempt counts. If it is of this one, what the other has written is overwritten. The
        other one will find the report and write no more. If this one dies before it has written, its message comes
        again, and ``Intake`` repairs what does not agree with the report.
        """
        from etl_platform.engine.split import QUARANTINE, SILVER

        current = self._silver.current(*task.partition, task.source.key)
        written = report.written
        if report.outcome is Outcome.ACCEPTED:
            key = current.key if current else object_keys.silver_key(*task.partition, task.source.key)
            written = replace(written, silver_key=key, silver_sha256=file_sha256(work / SILVER))
        if (work / QUARANTINE).exists():
            sha256 = file_sha256(work / QUARANTINE)
            written = replace(written, quarantine_key=task.quarantine, quarantine_sha256=sha256)
        report = self._compared(replace(report, written=written), task, work / SILVER, current)
        result = self.finish(task, report)
        if result.outcome is not Outcome.DUPLICATE:
            self._write(task, report, Found(current), work, has_reported=True)
        return result

    def _quarantine(self, task: DeliveryTask) -> QuarantineObject:
        return QuarantineObject(self._store, self._bucket, task.quarantine)

    def _check_not_followed(self, task: DeliveryTask, *, is_new: bool) -> None:
        """Raise TransientError if another reprocessing has replaced silver meanwhile.

        Args:
            is_new: whether there was no quarantine before. The other reprocessing has left none then.
        """
        assert task.reprocessing is not None
        current = self._silver.current(*task.partition, task.source.key)
        if current is not None:
            is_own = current.delivery_id == task.source.delivery_id
            if self._silver.is_newer(current, task.source) or (
                is_own and current.attempt_id == task.reprocessing.attempt_id
            ):
                return
        if is_new:
            self._quarantine(task).delete()
        raise TransientError(f"{task.source.key} was replayed by another process meanwhile; run the replay again")

    def _compared(self, report: Report, task: DeliveryTask, silver: Path, current: CurrentObject | None) -> Report:
        if report.outcome is not Outcome.ACCEPTED:
            return report
        key = current.key if current else object_keys.silver_key(*task.partition, task.source.key)
        return replace(
            report,
            shared_keys=self._keys.compare(silver, key, task.contract, task.agency),
            drift=self._series.compare(task, report.check),
        )

    def _replay_changes(self, task: DeliveryTask, found: Found, work: Path) -> ReplayChanges:
        """Which rows changed outcome, compared with the quarantine that this attempt is about to replace."""
        from etl_platform.engine.output.quarantine_files import row_changes
        from etl_platform.engine.split import QUARANTINE

        before, after = work / "before.parquet", work / QUARANTINE
        if found.quarantine is not None:
            self._store.download(found.quarantine, before)
        changes = ReplayChanges(
            in_silver_before=found.silver is not None and found.silver.delivery_id == task.source.delivery_id,
            rows=row_changes(before if before.exists() else None, after if after.exists() else None),
        )
        if task.dry_run:
            return changes
        assert task.reprocessing is not None
        amendment = self._amendment(task, AmendmentKind.REPLAYED, task.source.delivery_id)
        amendment = replace(amendment, attempt_id=task.reprocessing.attempt_id, changes=changes)
        # If an earlier attempt crashed after this line, its amendment is kept: it saw the quarantine before the replay.
        return self._ledger.amend(amendment).changes or changes

    def _amendment(self, task: DeliveryTask, kind: AmendmentKind, delivery_id: str) -> Amendment:
        return Amendment(
            kind=kind,
            delivery_id=delivery_id,
            agency=task.agency,
            dataset=task.contract.dataset,
            attempt=task.attempt(self._clock()),
        )

    def _swap_silver(
        self, task: DeliveryTask, author: Author, found: CurrentObject | None, path: Path, rows: int
    ) -> Written | Superseded:
        """Write silver, and amend the report of the delivery that it replaces."""

        def amend_superseded(delivery_id: str, successor: str) -> None:
            amendment = self._amendment(task, AmendmentKind.SUPERSEDED, delivery_id)
            self._ledger.amend(replace(amendment, superseded_by=successor))

        swapped = self._silver.swap(
            task.partition,
            task.source,
            path,
            SilverContent(rows, file_sha256(path)),
            found=found,
            author=author,
            on_superseded=amend_superseded,
        )
        if isinstance(swapped, Written) and swapped.replaced:
            amend_superseded(swapped.replaced, task.source.delivery_id)
        return swapped

    def _superseded(self, task: DeliveryTask, by: str) -> DeliveryResult:
        report = task.report(Outcome.SUPERSEDED, CheckResult(), self._clock())
        return self.finish(task, replace(report, superseded_by=by))

    def finish(self, task: DeliveryTask, report: Report) -> DeliveryResult:
        """Write the report if it is absent. With its report, a delivery is finished."""
        report = replace(report, attempt=task.attempt(self._clock()))
        if task.dry_run:
            return DeliveryResult(report.outcome, report)
        kept, etag = self._ledger.put_with_etag(report)
        if task.reprocessing is not None:
            return DeliveryResult(report.outcome, kept, report_etag=etag)
        self.clear_quarantine(kept)
        # The stored report may be this attempt's own: if S3's response was lost, the client repeated the write.
        is_own = kept.attempt == report.attempt
        return DeliveryResult(report.outcome if is_own else Outcome.DUPLICATE, kept, report_etag=etag)

    def clear_quarantine(self, report: Report) -> None:
        """Delete the quarantine of a superseded delivery; an earlier attempt that crashed may have left one."""
        if report.outcome is Outcome.SUPERSEDED:
            self._store.delete(self._bucket, object_keys.quarantine_key(*report.partition, report.delivery_id))
