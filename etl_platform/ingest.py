"""ingest: one delivery from its arrival to its record, whichever way it came in. No Dagster, no queue.

The order of writes carries the guarantees. Bronze and the record have keys of their own per delivery, so
repeating them changes nothing; silver is swapped by compare-and-swap against the version that was read; the
record is written last and only if it is absent, so a record always speaks of finished work. What is learned of
another delivery, or could not be learned again, is a fact of its own and written before the record.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl_platform.adapters.objects import ObjectHead, ObjectStore
from etl_platform.core import layout
from etl_platform.core.contracts import Contract
from etl_platform.core.deliveries import Cause, Delivery, Outcome, Reprocessing, delivery_id
from etl_platform.core.errors import ObjectMissingError, UnsafeKeyError
from etl_platform.core.events import ObjectCreated
from etl_platform.core.routing import WHY_IGNORED, Route, route
from etl_platform.ledger import Ledger, delivery_of, new_fact, new_record, order_of, source_of_delivery, source_of_event
from etl_platform.silver import Claim, GaveWay, Held, Silver


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


@dataclass(frozen=True)
class Ingested:
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
class _Task:
    """One delivery on its way: what, for whom, by which contract, where its bronze lies.

    Attributes:
        again: which reprocessing this is; None for an arrival.
    """

    delivery: Delivery
    agency: str
    contract: Contract
    bronze: str
    attempt: Attempt
    again: Reprocessing | None = None

    @property
    def silver(self) -> str:
        return layout.silver_key(self.contract.dataset, self.agency, self.delivery.key)

    @property
    def quarantine(self) -> str:
        return layout.quarantine_key(self.contract.dataset, self.agency, self.delivery.delivery_id)

    @property
    def claim(self) -> Claim:
        if self.again is None:
            return Claim(self.delivery)
        return Claim(self.delivery, self.again.attempt_id, self.again.made_of, self.again.after)

    def record(self) -> dict[str, Any]:
        record = new_record(self.delivery.delivery_id, self.agency, self.contract, source_of_delivery(self.delivery))
        record["written"]["bronze_key"] = self.bronze or None
        return record | {"attempt_id": self.again.attempt_id if self.again else None}


class Intake:
    """Ingests deliveries into one data bucket.

    Args:
        store: where sources are read and everything is written.
        contracts: by dataset.
        bucket: where bronze, silver, quarantine and reports go.
    """

    def __init__(self, store: ObjectStore, contracts: Mapping[str, Contract], bucket: str, source_prefix: str) -> None:
        self._store, self._contracts = store, contracts
        self._bucket, self._prefix = bucket, source_prefix
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)

    def ingest(self, event: ObjectCreated, attempt: Attempt) -> Ingested:
        """Take in what one event announces.

        Raises:
            TransientError: infrastructure; nothing is recorded, the same event may come again.
            ContractError: the contract's rules do not compile.
        """
        attempt = replace(attempt, began_at=datetime.now(UTC), event_time=event.event_time)
        where = route(event.key, event.size_bytes, self._contracts, self._prefix)
        if where.contract is None or where.agency is None:
            return self._ignore(event, where, attempt)
        dataset, agency = where.contract.dataset, where.agency
        try:
            head = self._store.head(event.bucket, event.key, event.version_id, event.etag)
        except (ObjectMissingError, UnsafeKeyError) as error:
            return self._missing(event, agency, where.contract, attempt, error)
        delivery = Delivery(
            event.bucket, event.key, head.version_id, head.etag, head.size_bytes, event.sequencer, head.last_modified
        )
        known = self._ledger.find(dataset, agency, delivery.delivery_id)
        if known is not None:
            self._clear_quarantine(known)
            return Ingested(Outcome.DUPLICATE, known)
        bronze = layout.bronze_key(dataset, agency, delivery.delivery_id, layout.base_name(event.key))
        if not attempt.dry_run:
            self._store.copy(head, self._bucket, bronze)
        return self._work(_Task(delivery, agency, where.contract, bronze, attempt), head)

    def reprocess(self, dataset: str, agency: str, attempt: Attempt) -> Iterator[Ingested]:
        """Re-read the latest bronze delivery of every source key of a partition under today's contract."""
        for record in self._latest_in_bronze(dataset, agency):
            yield self._reprocess(record, replace(attempt, began_at=datetime.now(UTC)))

    def _reprocess(self, arrived: Mapping[str, Any], attempt: Attempt) -> Ingested:
        """Work on a delivery once more, unless silver already holds the result of just this."""
        contract = self._contracts[arrived["dataset"]]
        delivery = delivery_of(arrived["source"])
        task = _Task(delivery, arrived["agency"], contract, arrived["written"]["bronze_key"], attempt)
        held = self._silver.held(task.silver)
        mine = held if held is not None and held.delivery_id == delivery.delivery_id else None
        again = Reprocessing.of(
            (delivery.delivery_id, contract.sha256, task.record()["code_version"]),
            (mine.attempt_id, mine.made_of) if mine else (None, None),
        )
        known = self._ledger.find(contract.dataset, task.agency, delivery.delivery_id, again.attempt_id)
        if known is not None and _stands(known, held):
            return Ingested(Outcome(known["outcome"]), known, repeated=True)
        return self._work(replace(task, again=again), self._store.head(self._bucket, task.bronze))

    def _work(self, task: _Task, source: ObjectHead) -> Ingested:
        """Read, check, write, record: ``source`` is where the bytes lie."""
        from etl_platform.check import QUARANTINE, SILVER, check_file  # noqa: PLC0415 - Polars, once there is work

        held = self._silver.held(task.silver)
        if held is not None and self._silver.is_newer(held, task.delivery):
            return self._give_way(task, held.delivery_id)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work, record = Path(folder), task.record()
            # The reader tells formats by content, so the name need not follow the sender's.
            record["sha256"] = self._store.download(source, work / "delivery")
            # The delivery's own day, so that reading it again next month gives the same answer.
            as_of = task.delivery.last_modified.astimezone(UTC).date()
            identity = task.delivery.delivery_id
            checked = check_file(work / "delivery", task.contract, work, as_of=as_of, delivery_id=identity)
            record |= checked.to_json()
            if task.attempt.dry_run:
                return Ingested(checked.outcome, record)
            if checked.outcome is Outcome.ACCEPTED:
                swapped = self._swap_silver(task, work / SILVER)
                if isinstance(swapped, GaveWay):
                    return self._give_way(task, swapped.to)
                record["written"] |= swapped
            record["written"] |= self._keep_quarantine(task, checked.outcome, work / QUARANTINE)
        return self._finish(task, record, checked.outcome)

    def _swap_silver(self, task: _Task, path: Path) -> dict[str, str] | GaveWay:
        """Put silver and say of the delivery whose place it takes that it is superseded."""

        def superseded(old: str, new: str) -> None:
            fact = new_fact("superseded", task.record(), delivery_id=old, superseded_by=new)
            self._ledger.put_fact(fact | {"attempt": _attempt(task.attempt)})

        swapped = self._silver.swap(task.silver, path, task.claim, displaced=superseded)
        if isinstance(swapped, GaveWay):
            return swapped
        if swapped.replaced:
            superseded(swapped.replaced, task.delivery.delivery_id)
        return {"silver_key": task.silver, "silver_etag": swapped.etag, "silver_sha256": _sha256(path)}

    def _keep_quarantine(self, task: _Task, outcome: Outcome, path: Path) -> dict[str, str]:
        """Keep the bad rows; a rejected reprocessing leaves silver as it was, and the quarantine that belongs to it."""
        if task.again and outcome is Outcome.REJECTED:
            return {}
        if not path.exists():
            if task.again:
                # What an older contract held back is good now.
                self._store.delete(self._bucket, task.quarantine)
            return {}
        etag = self._store.write(self._bucket, task.quarantine, path)
        return {"quarantine_key": task.quarantine, "quarantine_etag": etag, "quarantine_sha256": _sha256(path)}

    def is_current(self, record: Mapping[str, Any]) -> bool:
        """Whether silver still holds what this record wrote."""
        silver = record["written"].get("silver_key")
        held = self._silver.held(silver) if silver else None
        return held is not None and held.delivery_id == record["delivery_id"]

    def _give_way(self, task: _Task, to: str) -> Ingested:
        return self._finish(task, task.record() | {"superseded_by": to}, Outcome.SUPERSEDED)

    def _finish(self, task: _Task, record: dict[str, Any], outcome: Outcome) -> Ingested:
        """Write the record if it is absent: the delivery is done from here on."""
        record |= {"outcome": str(outcome), "attempt": _attempt(task.attempt)}
        if task.attempt.dry_run:
            return Ingested(outcome, record)
        kept = self._ledger.put(record)
        if task.again is not None:
            return Ingested(outcome, kept)
        self._clear_quarantine(kept)
        # Our own record may be there already: a request whose answer was lost is sent again.
        mine = kept["attempt"] == record["attempt"]
        return Ingested(outcome if mine else Outcome.DUPLICATE, kept)

    def _clear_quarantine(self, record: Mapping[str, Any]) -> None:
        """A superseded delivery has none; an attempt that died before a newer one was accepted may have left it."""
        if record["outcome"] == Outcome.SUPERSEDED:
            key = layout.quarantine_key(record["dataset"], record["agency"], record["delivery_id"])
            self._store.delete(self._bucket, key)

    def _missing(
        self,
        event: ObjectCreated,
        agency: str,
        contract: Contract,
        attempt: Attempt,
        error: ObjectMissingError | UnsafeKeyError,
    ) -> Ingested:
        """The version is gone for good: an outcome that the sender and the person on call must see."""
        gone = Delivery(
            event.bucket,
            event.key,
            event.version_id,
            event.etag,
            event.size_bytes or 0,
            event.sequencer,
            attempt.began_at,
        )
        known = self._ledger.find(contract.dataset, agency, gone.delivery_id)
        if known is not None:
            return Ingested(Outcome.DUPLICATE, known)
        task = _Task(gone, agency, contract, "", attempt)
        errors = [{"code": error.code, "message": str(error), "line": None}]
        return self._finish(task, task.record() | {"errors": errors}, Outcome.REJECTED)

    def _ignore(self, event: ObjectCreated, where: Route, attempt: Attempt) -> Ingested:
        """Leave a trace that is never final: a contract may come later."""
        identity = delivery_id(event.bucket, event.key, event.version_id or event.sequencer or event.etag)
        why = where.ignored or ""
        record = new_record(identity, where.agency, None, source_of_event(event)) | {
            "outcome": str(Outcome.IGNORED),
            "errors": [{"code": why, "message": WHY_IGNORED[why], "line": None}],
            "attempt": _attempt(attempt),
        }
        return Ingested(Outcome.IGNORED, record if attempt.dry_run else self._ledger.put(record))

    def _latest_in_bronze(self, dataset: str, agency: str) -> list[dict[str, Any]]:
        """Per source key, the record of the newest delivery whose bytes are in bronze."""
        latest: dict[str, dict[str, Any]] = {}
        for record in self._ledger.read(layout.report_prefix(dataset, agency)):
            if record["attempt"]["cause"] != Cause.EVENT or not record["written"]["bronze_key"]:
                continue
            other = latest.get(record["source"]["key"])
            if other is None or order_of(record).is_newer_than(order_of(other)):
                latest[record["source"]["key"]] = record
        return [latest[key] for key in sorted(latest)]


def _stands(record: Mapping[str, Any], held: Held | None) -> bool:
    """Whether what a reprocessing left is still there."""
    if record["outcome"] != Outcome.ACCEPTED:
        return True
    mine = held is not None and held.attempt_id == record["attempt_id"]
    return mine and held is not None and held.etag == record["written"]["silver_etag"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _attempt(attempt: Attempt) -> dict[str, Any]:
    ended = datetime.now(UTC)
    return {
        "cause": str(attempt.cause),
        "run_id": attempt.run_id,
        "message_id": attempt.message_id,
        "receive_count": attempt.receive_count,
        "event_time": attempt.event_time,
        "by": attempt.by,
        "began_at": attempt.began_at.isoformat(),
        "ended_at": ended.isoformat(),
        "seconds": round((ended - attempt.began_at).total_seconds(), 3),
    }
