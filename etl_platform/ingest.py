"""ingest: one delivery from its arrival to its record, whichever way it came in. No Dagster, no queue.

The order of writes carries the guarantees. Bronze and the record have keys of their own per delivery, so
repeating them changes nothing; silver is swapped by compare-and-swap against the version that was read; the
record is written last and only if it is absent, so a record always speaks of finished work.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl_platform.adapters.objects import ObjectHead, ObjectStore
from etl_platform.core import layout
from etl_platform.core.contracts import Contract, choose_contract
from etl_platform.core.deliveries import Cause, Delivery, Outcome, SourceOrder, delivery_id
from etl_platform.core.errors import ObjectMissingError, PreconditionFailedError, TransientError, UnsafeKeyError
from etl_platform.core.events import ObjectCreated
from etl_platform.ledger import Ledger, delivery_of, new_record, order_of, source_of_delivery, source_of_event

_SWAPS = 20


@dataclass(frozen=True)
class Attempt:
    """Who works on a delivery and why; goes into the record's ``attempt`` part, which reruns may change."""

    cause: Cause
    run_id: str | None = None
    message_id: str | None = None
    dry_run: bool = False
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Ingested:
    """What became of one delivery. ``record`` is the ledger's, also where it was there before."""

    outcome: Outcome
    record: Mapping[str, Any]

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
class Route:
    """Where a key belongs: an agency and a contract, or the reason why nowhere."""

    agency: str | None
    contract: Contract | None
    ignored: str | None = None


_WHY_IGNORED = {
    "folder_marker": "a folder was created; there is no file in it yet",
    "no_file_name": "the key ends with /, so it names no file",
    "no_agency": "the key does not lie in <source prefix>/<agency>/",
    "no_contract": "no contract knows this file name; add one, then have the file delivered again",
}


def route(key: str, size_bytes: int | None, contracts: Mapping[str, Contract], source_prefix: str) -> Route:
    """Decide by key alone: a folder marker and a key without agency or contract are ignored."""
    if key.endswith("/"):
        return Route(None, None, "no_file_name" if size_bytes else "folder_marker")
    source = layout.parse_source_key(key, source_prefix)
    if source is None:
        return Route(None, None, "no_agency")
    contract = choose_contract(contracts.values(), source.file_name)
    return Route(source.agency, contract, None if contract else "no_contract")


@dataclass(frozen=True)
class _Task:
    """One delivery on its way: what, for whom, by which contract, where its bronze lies."""

    delivery: Delivery
    agency: str
    contract: Contract
    bronze: str
    attempt: Attempt

    @property
    def order(self) -> SourceOrder:
        return SourceOrder(self.delivery.delivery_id, self.delivery.sequencer, self.delivery.last_modified)

    @property
    def silver(self) -> str:
        return layout.silver_key(self.contract.dataset, self.agency, self.delivery.key)

    def record(self) -> dict[str, Any]:
        return new_record(self.delivery.delivery_id, self.agency, self.contract, source_of_delivery(self.delivery))


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
        self._ledger = Ledger(store, bucket)

    def ingest(self, event: ObjectCreated, attempt: Attempt) -> Ingested:
        """Take in what one event announces.

        Raises:
            TransientError: infrastructure; nothing is recorded, the same event may come again.
            ContractError: the contract's rules do not compile.
        """
        attempt = replace(attempt, began_at=datetime.now(UTC))
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
            return Ingested(Outcome.DUPLICATE, known)
        bronze = layout.bronze_key(dataset, agency, delivery.delivery_id, layout.base_name(event.key))
        if not attempt.dry_run:
            self._store.copy(head, self._bucket, bronze)
        return self._work(_Task(delivery, agency, where.contract, bronze, attempt), head)

    def reprocess(self, dataset: str, agency: str, attempt: Attempt) -> Iterator[Ingested]:
        """Re-read the latest bronze delivery of every source key of a partition under today's contract."""
        for record in self._latest_in_bronze(dataset, agency):
            head = self._store.head(self._bucket, record["written"]["bronze_key"])
            task = _Task(delivery_of(record["source"]), agency, self._contracts[dataset], head.key, attempt)
            yield self._work(task, head)

    def _work(self, task: _Task, source: ObjectHead) -> Ingested:
        """Read, check, write, record: ``source`` is where the bytes lie."""
        from etl_platform.check import QUARANTINE, SILVER, check_file  # noqa: PLC0415 - Polars, once there is work

        written: dict[str, Any] = {"bronze_key": task.bronze}
        current = self._silver_order(task.silver)
        if current is not None and self._is_newer(current[1], task):
            return self._finish(task, task.record(), Outcome.SUPERSEDED, written)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work, record = Path(folder), task.record()
            # The reader tells formats by content, so the name need not follow the sender's.
            record["sha256"] = self._store.download(source, work / "delivery")
            # The delivery's own day, so that reading it again next month gives the same answer.
            as_of = task.delivery.last_modified.astimezone(UTC).date()
            checked = check_file(work / "delivery", task.contract, work, as_of=as_of)
            record |= checked.to_json()
            if task.attempt.dry_run:
                return Ingested(checked.outcome, record)
            if checked.outcome is Outcome.ACCEPTED:
                etag = self._swap_silver(task, work / SILVER)
                if etag is None:
                    return self._finish(task, task.record(), Outcome.SUPERSEDED, written)
                written |= {"silver_key": task.silver, "silver_etag": etag}
            key = layout.quarantine_key(task.contract.dataset, task.agency, task.delivery.delivery_id)
            again = task.attempt.cause is Cause.REPROCESS
            if again and checked.outcome is Outcome.ACCEPTED and not checked.quarantined_rows:
                # What an older contract held back is good now.
                self._store.delete(self._bucket, key)
            # A rejected reprocess leaves silver as it was, and so the quarantine that belongs to it.
            if checked.quarantined_rows and not (again and checked.outcome is Outcome.REJECTED):
                etag = self._store.write(self._bucket, key, work / QUARANTINE)
                written |= {"quarantine_key": key, "quarantine_etag": etag}
        return self._finish(task, record, checked.outcome, written)

    def _silver_order(self, silver: str) -> tuple[str, SourceOrder] | None:
        """eTag and source version of the silver object that is there."""
        try:
            head = self._store.head(self._bucket, silver)
        except ObjectMissingError:
            return None
        meta = head.metadata
        modified = datetime.fromisoformat(meta["last-modified"])
        return head.etag, SourceOrder(meta["delivery-id"], meta.get("sequencer"), modified)

    def _is_newer(self, current: SourceOrder, task: _Task) -> bool:
        """Whether silver holds a newer version of the source; where times tie, S3's latest version is the newer."""
        order = task.order
        if current.delivery_id == order.delivery_id or order.is_newer_than(current):
            return False
        if current.is_newer_than(order):
            return True
        try:
            latest = self._store.head(task.delivery.bucket, task.delivery.key)
        except ObjectMissingError:
            return False
        return latest.version_id != task.delivery.version_id

    def is_current(self, record: Mapping[str, Any]) -> bool:
        """Whether silver still holds what this record wrote."""
        silver = record["written"].get("silver_key")
        current = self._silver_order(silver) if silver else None
        return current is not None and current[1].delivery_id == record["delivery_id"]

    def _swap_silver(self, task: _Task, path: Path) -> str | None:
        """Put silver unless a newer version of the source is there; its eTag, or None."""
        order = task.order
        metadata = {"delivery-id": order.delivery_id, "last-modified": order.last_modified.isoformat()}
        if order.sequencer:
            metadata["sequencer"] = order.sequencer
        for _ in range(_SWAPS):
            current = self._silver_order(task.silver)
            if current is not None and self._is_newer(current[1], task):
                return None
            try:
                return self._store.write(
                    self._bucket,
                    task.silver,
                    path,
                    if_absent=current is None,
                    if_match=current[0] if current else None,
                    metadata=metadata,
                )
            except PreconditionFailedError:
                continue
        raise TransientError(f"{task.silver} changed {_SWAPS} times while it was to be written")

    def _finish(self, task: _Task, record: dict[str, Any], outcome: Outcome, written: dict[str, Any]) -> Ingested:
        """Write the record if it is absent: the delivery is done from here on."""
        record |= {"outcome": str(outcome), "written": written, "attempt": _attempt(task.attempt)}
        if task.attempt.dry_run:
            return Ingested(outcome, record)
        return Ingested(outcome, self._ledger.put(record))

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
        return self._finish(task, task.record() | {"errors": errors}, Outcome.REJECTED, {})

    def _ignore(self, event: ObjectCreated, where: Route, attempt: Attempt) -> Ingested:
        """Leave a trace that is never final: a contract may come later."""
        identity = delivery_id(event.bucket, event.key, event.version_id or event.sequencer or event.etag)
        why = where.ignored or ""
        record = new_record(identity, where.agency, None, source_of_event(event)) | {
            "outcome": str(Outcome.IGNORED),
            "errors": [{"code": why, "message": _WHY_IGNORED[why], "line": None}],
            "written": {},
            "attempt": _attempt(attempt),
        }
        return Ingested(Outcome.IGNORED, record if attempt.dry_run else self._ledger.put(record))

    def _latest_in_bronze(self, dataset: str, agency: str) -> list[dict[str, Any]]:
        """Per source key, the record of the newest delivery whose bytes are in bronze."""
        latest: dict[str, dict[str, Any]] = {}
        for record in self._ledger.read(layout.report_prefix(dataset, agency)):
            if record["attempt"]["cause"] != Cause.EVENT or "bronze_key" not in record["written"]:
                continue
            other = latest.get(record["source"]["key"])
            if other is None or order_of(record).is_newer_than(order_of(other)):
                latest[record["source"]["key"]] = record
        return [latest[key] for key in sorted(latest)]


def _attempt(attempt: Attempt) -> dict[str, Any]:
    ended = datetime.now(UTC)
    return {
        "cause": str(attempt.cause),
        "run_id": attempt.run_id,
        "message_id": attempt.message_id,
        "began_at": attempt.began_at.isoformat(),
        "ended_at": ended.isoformat(),
        "seconds": round((ended - attempt.began_at).total_seconds(), 3),
    }
