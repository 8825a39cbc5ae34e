"""The work on one delivery, for an arrival and for a reprocessing: read, check, write, report. No Dagster, no queue.

The guarantees depend on the order of writes. Silver is written by compare-and-swap against the version that was read.
The report is written last and only if it is absent, so a report always describes finished work. Amendments are written
before the report, because a retry after a crash could not compute them again.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.check_errors import verdict_on
from etl_platform.deliveries.compare_keys import KeyComparer
from etl_platform.deliveries.delivery import ObjectVersion, Outcome, Reprocessing
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import (
    Amendment,
    AmendmentKind,
    AppliedCorrections,
    Attempt,
    ContractReference,
    ReplayChanges,
    Report,
    Trigger,
    WrittenObjects,
)
from etl_platform.deliveries.silver import CurrentObject, Silver, SilverContent, Superseded
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.result import CheckResult
from etl_platform.errors import ObjectMissingError
from etl_platform.queue_work.memory import MemoryBudget
from etl_platform.settings import code_version
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
    """

    outcome: Outcome
    report: Report
    repeated: bool = False


@dataclass(frozen=True)
class DeliveryTask:
    """The work to do on one delivery.

    Attributes:
        bronze: key of the delivered bytes; empty where there are none.
        event_time: of the S3 event that announced the delivery.
        reprocessing: which reprocessing this is; None for an arrival.
        dry_run: find out the outcome and write nothing.
    """

    source: ObjectVersion
    agency: str
    contract: Contract
    bronze: str
    trigger: Trigger
    began_at: datetime
    event_time: datetime | None = None
    reprocessing: Reprocessing | None = None
    corrections: Corrections = field(default_factory=Corrections)
    dry_run: bool = False

    @property
    def partition(self) -> tuple[str, str]:
        """Dataset and agency."""
        return self.contract.dataset, self.agency

    @property
    def quarantine(self) -> str:
        return object_keys.quarantine_key(self.contract.dataset, self.agency, self.source.delivery_id)

    def attempt(self, ended_at: datetime) -> Attempt:
        return Attempt(self.trigger, self.began_at, ended_at, self.event_time)

    def report(self, outcome: Outcome, check: CheckResult, ended_at: datetime) -> Report:
        corrections = self.corrections
        return Report(
            delivery_id=self.source.delivery_id,
            attempt_id=self.reprocessing.attempt_id if self.reprocessing else None,
            outcome=outcome,
            agency=self.agency,
            dataset=self.contract.dataset,
            source=self.source,
            contract=ContractReference.of(self.contract),
            code_version=code_version(),
            check=check,
            corrections=AppliedCorrections(len(corrections.rows), corrections.sha256) if corrections else None,
            written=WrittenObjects(bronze_key=self.bronze or None),
            attempt=self.attempt(ended_at),
        )


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
        self._keys = KeyComparer(store, bucket)

    def process(self, task: DeliveryTask, bronze: ObjectHead) -> DeliveryResult:
        """Read the delivered bytes, check them, write silver and quarantine, and report."""
        from etl_platform.engine.split import QUARANTINE, SILVER

        current = self._silver.current(*task.partition, task.source.key)
        if current is not None and self._silver.is_newer(current, task.source):
            return self._superseded(task, current.delivery_id)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work = Path(folder)
            # The reader recognises formats by content, so the sender's file name is not needed.
            sha256 = self._store.download(bronze, work / "delivery")
            check = _check(task, work / "delivery", work, self._memory)
            report = replace(task.report(Outcome(check.outcome), check, self._clock()), sha256=sha256)
            if task.reprocessing and report.outcome is Outcome.ACCEPTED:
                report = replace(report, changes=self._replay_changes(task, current, work))
            if task.dry_run:
                return DeliveryResult(report.outcome, self._with_shared_keys(report, task, work / SILVER, current))
            written = report.written
            if report.outcome is Outcome.ACCEPTED:
                swapped = self._swap_silver(task, current, work / SILVER, check.accepted_rows or 0, written)
                if isinstance(swapped, Superseded):
                    return self._superseded(task, swapped.by)
                written = swapped
                # After the swap: of two files that arrive at once, the later one sees the other.
                report = self._with_shared_keys(report, task, work / SILVER, current)
            written = self._write_quarantine(task, report.outcome, work / QUARANTINE, written)
        return self.finish(task, replace(report, written=written))

    def _with_shared_keys(
        self, report: Report, task: DeliveryTask, silver: Path, current: CurrentObject | None
    ) -> Report:
        if report.outcome is not Outcome.ACCEPTED:
            return report
        key = current.key if current else object_keys.silver_key(*task.partition, task.source.key)
        return replace(report, shared_keys=self._keys.compare(silver, key, task.contract, task.agency))

    def _replay_changes(self, task: DeliveryTask, current: CurrentObject | None, work: Path) -> ReplayChanges:
        """Which rows changed outcome, compared with the quarantine that this attempt is about to replace."""
        from etl_platform.engine.output.quarantine_files import row_changes
        from etl_platform.engine.split import QUARANTINE

        before, after = work / "before.parquet", work / QUARANTINE
        try:
            self._store.download(self._store.head(self._bucket, task.quarantine), before)
        except ObjectMissingError:
            before.unlink(missing_ok=True)
        changes = ReplayChanges(
            in_silver_before=current is not None and current.delivery_id == task.source.delivery_id,
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
        self, task: DeliveryTask, current: CurrentObject | None, path: Path, rows: int, written: WrittenObjects
    ) -> WrittenObjects | Superseded:
        """Write silver, and amend the report of the delivery that it replaces."""

        def amend_superseded(delivery_id: str, successor: str) -> None:
            amendment = self._amendment(task, AmendmentKind.SUPERSEDED, delivery_id)
            self._ledger.amend(replace(amendment, superseded_by=successor))

        content = SilverContent(rows, file_sha256(path))
        swapped = self._silver.swap(
            task.partition,
            task.source,
            path,
            content,
            found=current,
            reprocessing=task.reprocessing,
            on_superseded=amend_superseded,
        )
        if isinstance(swapped, Superseded):
            return swapped
        if swapped.replaced:
            amend_superseded(swapped.replaced, task.source.delivery_id)
        return replace(written, silver_key=swapped.key, silver_etag=swapped.etag, silver_sha256=content.sha256)

    def _write_quarantine(
        self, task: DeliveryTask, outcome: Outcome, path: Path, written: WrittenObjects
    ) -> WrittenObjects:
        """Write the bad rows. A rejected reprocessing changes neither silver nor quarantine."""
        if task.reprocessing and outcome is Outcome.REJECTED:
            return written
        if not path.exists():
            if task.reprocessing:
                # All rows that were quarantined before are good now.
                self._store.delete(self._bucket, task.quarantine)
            return written
        etag = self._store.write(self._bucket, task.quarantine, path)
        return replace(
            written, quarantine_key=task.quarantine, quarantine_etag=etag, quarantine_sha256=file_sha256(path)
        )

    def _superseded(self, task: DeliveryTask, by: str) -> DeliveryResult:
        report = task.report(Outcome.SUPERSEDED, CheckResult(), self._clock())
        return self.finish(task, replace(report, superseded_by=by))

    def finish(self, task: DeliveryTask, report: Report) -> DeliveryResult:
        """Write the report if it is absent. With its report, a delivery is finished."""
        report = replace(report, attempt=task.attempt(self._clock()))
        if task.dry_run:
            return DeliveryResult(report.outcome, report)
        kept = self._ledger.put(report)
        if task.reprocessing is not None:
            return DeliveryResult(report.outcome, kept)
        self.clear_quarantine(kept)
        # The stored report may be this attempt's own: if S3's response was lost, the client repeated the write.
        is_own = kept.attempt == report.attempt
        return DeliveryResult(report.outcome if is_own else Outcome.DUPLICATE, kept)

    def clear_quarantine(self, report: Report) -> None:
        """Delete the quarantine of a superseded delivery; an earlier attempt that crashed may have left one."""
        if report.outcome is Outcome.SUPERSEDED:
            self._store.delete(self._bucket, object_keys.quarantine_key(*report.partition, report.delivery_id))


def _check(task: DeliveryTask, path: Path, work: Path, memory: MemoryBudget) -> CheckResult:
    """Check a delivery. An arrival whose check would fail again in the same way is rejected.

    A reprocessing raises instead: the person who asked for it sees the error, and after the cure it is the same
    reprocessing, which a report would prevent.
    """
    from etl_platform.engine.check import check_file
    from etl_platform.engine.reading.expected_memory import expected_memory_bytes
    from etl_platform.engine.split import QUARANTINE, SILVER

    try:
        with memory.reserve(expected_memory_bytes(path)):
            return check_file(
                path,
                task.contract,
                work,
                # The day of delivery, so that a reprocessing next month gives the same result.
                as_of=task.source.order.last_modified.astimezone(UTC).date(),
                delivery_id=task.source.delivery_id,
                corrections=task.corrections,
            )
    except Exception as error:
        verdict = None if task.reprocessing else verdict_on(error, task.trigger.receive_count)
        if verdict is None:
            raise
        for half_written in (SILVER, QUARANTINE):
            (work / half_written).unlink(missing_ok=True)
        return CheckResult(errors=(verdict,))
