"""The work on one delivery, whichever way it came: read, check, write, record. No Dagster, no queue.

The order of writes carries the guarantees. Silver is swapped by compare-and-swap against the version that was read; the
record is written last and only if it is absent, so a record always speaks of finished work. What is learned of
another delivery, or could not be learned again, is a fact of its own and written before the record.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Delivery, Outcome, Reprocessing
from etl_platform.deliveries.ledger import Ledger, new_fact, new_record, source_of_delivery
from etl_platform.deliveries.silver import CurrentObject, Silver, Superseded, WriteRequest
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Corrections
from etl_platform.errors import ObjectMissingError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, file_sha256


@dataclass(frozen=True)
class Attempt:
    """Who works on a delivery and why; goes into the record's ``attempt`` part, which reruns may change.

    Attributes:
        by: the person who asked for a replay.
        receive_count, event_time: of the message and the event that brought the delivery.
    """

    cause: Cause
    run_id: str | None = None
    message_id: str | None = None
    dry_run: bool = False
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    by: str | None = None
    receive_count: int | None = None
    event_time: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As of now: the work ends here."""
        ended = datetime.now(UTC)
        return {
            "cause": str(self.cause),
            "run_id": self.run_id,
            "message_id": self.message_id,
            "receive_count": self.receive_count,
            "event_time": self.event_time,
            "by": self.by,
            "began_at": self.began_at.isoformat(),
            "ended_at": ended.isoformat(),
            "seconds": round((ended - self.began_at).total_seconds(), 3),
        }


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one delivery. ``record`` is the ledger's, also where it was there before.

    Attributes:
        repeated: a reprocessing that was done before; nothing was written.
    """

    outcome: Outcome
    record: Mapping[str, Any]
    repeated: bool = False

    @property
    def dataset(self) -> str | None:
        return self.record.get("dataset")

    @property
    def agency(self) -> str | None:
        return self.record.get("agency")

    @property
    def delivery_id(self) -> str:
        return str(self.record["delivery_id"])


@dataclass(frozen=True)
class DeliveryTask:
    """One delivery on its way: what, for whom, by which contract, where its bronze lies.

    Attributes:
        reprocessing: which reprocessing this is; None for an arrival.
    """

    delivery: Delivery
    agency: str
    contract: Contract
    bronze: str
    attempt: Attempt
    reprocessing: Reprocessing | None = None
    corrections: Corrections = field(default_factory=Corrections)

    @property
    def silver(self) -> str:
        return object_keys.silver_key(self.contract.dataset, self.agency, self.delivery.key)

    @property
    def quarantine(self) -> str:
        return object_keys.quarantine_key(self.contract.dataset, self.agency, self.delivery.delivery_id)

    @property
    def write_request(self) -> WriteRequest:
        if self.reprocessing is None:
            return WriteRequest(self.delivery)
        return WriteRequest(
            self.delivery, self.reprocessing.attempt_id, self.reprocessing.derived_from, self.reprocessing.after
        )

    def record(self) -> dict[str, Any]:
        record = new_record(self.delivery.delivery_id, self.agency, self.contract, source_of_delivery(self.delivery))
        record["written"]["bronze_key"] = self.bronze or None
        if self.reprocessing:
            record["attempt_id"] = self.reprocessing.attempt_id
        if self.corrections:
            record["corrections"] = {"rows": len(self.corrections.rows), "sha256": self.corrections.sha256}
        return record


class DeliveryProcessor:
    """What is done with every delivery once it is known which it is.

    Args:
        store: where bytes lie and everything is written.
        bucket: where bronze, silver, quarantine and reports go.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)

    def process(self, task: DeliveryTask, source: ObjectHead) -> DeliveryResult:
        """Read, check, write, record: ``source`` is where the bytes lie."""
        from etl_platform.engine.check import check_file
        from etl_platform.engine.split import QUARANTINE, SILVER

        held = self._silver.current(task.silver)
        if held is not None and self._silver.is_newer(held, task.delivery):
            return self._give_way(task, held.delivery_id)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work, record = Path(folder), task.record()
            # The reader tells formats by content, so the name need not follow the sender's.
            record["sha256"] = self._store.download(source, work / "delivery")
            # The delivery's own day, so that reading it again next month gives the same answer.
            as_of = task.delivery.last_modified.astimezone(UTC).date()
            identity = task.delivery.delivery_id
            checked = check_file(
                work / "delivery",
                task.contract,
                work,
                as_of=as_of,
                delivery_id=identity,
                corrections=task.corrections,
            )
            record |= checked.to_json()
            outcome = Outcome(checked.outcome)
            if task.reprocessing and outcome is Outcome.ACCEPTED:
                record["changes"] = self._row_changes(task, held, work)
            if task.attempt.dry_run:
                return DeliveryResult(outcome, record)
            if outcome is Outcome.ACCEPTED:
                swapped = self._swap_silver(task, work / SILVER)
                if isinstance(swapped, Superseded):
                    return self._give_way(task, swapped.to)
                record["written"] |= swapped
            record["written"] |= self._keep_quarantine(task, outcome, work / QUARANTINE)
        return self.finish(task, record, outcome)

    def _row_changes(self, task: DeliveryTask, held: CurrentObject | None, work: Path) -> dict[str, Any]:
        """Which rows change outcome: against the quarantine that is there, before this attempt takes its place.

        A fact of its own, written first: a rerun after a crash could not find it out again.
        """
        from etl_platform.engine.output.quarantine_files import row_changes
        from etl_platform.engine.split import QUARANTINE

        before, after = work / "before.parquet", work / QUARANTINE
        try:
            self._store.download(self._store.head(self._bucket, task.quarantine), before)
        except ObjectMissingError:
            before.unlink(missing_ok=True)
        there = held is not None and held.delivery_id == task.delivery.delivery_id
        changes = row_changes(before if before.exists() else None, after if after.exists() else None)
        changes = {"in_silver_before": there, **changes}
        if task.attempt.dry_run:
            return changes
        record = task.record()
        fact = new_fact("replayed", record, attempt_id=record["attempt_id"], changes=changes)
        return dict(self._ledger.put_fact(fact | {"attempt": task.attempt.to_json()})["changes"])

    def _swap_silver(self, task: DeliveryTask, path: Path) -> dict[str, str] | Superseded:
        """Put silver and say of the delivery whose place it takes that it is superseded."""

        def superseded(old: str, new: str) -> None:
            fact = new_fact("superseded", task.record(), delivery_id=old, superseded_by=new)
            self._ledger.put_fact(fact | {"attempt": task.attempt.to_json()})

        swapped = self._silver.swap(task.silver, path, task.write_request, on_superseded=superseded)
        if isinstance(swapped, Superseded):
            return swapped
        if swapped.replaced:
            superseded(swapped.replaced, task.delivery.delivery_id)
        return {"silver_key": task.silver, "silver_etag": swapped.etag, "silver_sha256": file_sha256(path)}

    def _keep_quarantine(self, task: DeliveryTask, outcome: Outcome, path: Path) -> dict[str, str]:
        """Keep the bad rows; a rejected reprocessing leaves silver as it was, and the quarantine that belongs to it."""
        if task.reprocessing and outcome is Outcome.REJECTED:
            return {}
        if not path.exists():
            if task.reprocessing:
                # What an older contract held back is good now.
                self._store.delete(self._bucket, task.quarantine)
            return {}
        etag = self._store.write(self._bucket, task.quarantine, path)
        return {"quarantine_key": task.quarantine, "quarantine_etag": etag, "quarantine_sha256": file_sha256(path)}

    def _give_way(self, task: DeliveryTask, to: str) -> DeliveryResult:
        return self.finish(task, task.record() | {"superseded_by": to}, Outcome.SUPERSEDED)

    def finish(self, task: DeliveryTask, record: dict[str, Any], outcome: Outcome) -> DeliveryResult:
        """Write the record if it is absent: the delivery is done from here on."""
        record |= {"outcome": str(outcome), "attempt": task.attempt.to_json()}
        if task.attempt.dry_run:
            return DeliveryResult(outcome, record)
        kept = self._ledger.put(record)
        if task.reprocessing is not None:
            return DeliveryResult(outcome, kept)
        self.clear_quarantine(kept)
        # Our own record may be there already: a request whose answer was lost is sent again.
        mine = kept["attempt"] == record["attempt"]
        return DeliveryResult(outcome if mine else Outcome.DUPLICATE, kept)

    def clear_quarantine(self, record: Mapping[str, Any]) -> None:
        """A superseded delivery has none; an attempt that died before a newer one was accepted may have left it."""
        if record["outcome"] == Outcome.SUPERSEDED:
            key = object_keys.quarantine_key(record["dataset"], record["agency"], record["delivery_id"])
            self._store.delete(self._bucket, key)
