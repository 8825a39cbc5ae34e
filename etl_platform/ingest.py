"""ingest: one delivery from its arrival to its record, whichever way it came in. No Dagster, no queue.

The order of writes carries the guarantees. Bronze and the record have keys of their own per delivery, so
repeating them changes nothing; silver is swapped by compare-and-swap against the version that was read; the
record is written last and only if it is absent, so a record always speaks of finished work.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etl_platform.adapters.objects import ObjectHead, ObjectStore
from etl_platform.core import layout
from etl_platform.core.contracts import Contract, choose_contract
from etl_platform.core.deliveries import Cause, Delivery, Outcome, SourceOrder, delivery_id
from etl_platform.core.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.core.events import ObjectCreated

_SWAPS = 20
_READERS = 16


@dataclass(frozen=True)
class Attempt:
    """Who works on a delivery and why; goes into the record's ``attempt`` part, which reruns may change."""

    cause: Cause
    run_id: str | None = None
    message_id: str | None = None
    dry_run: bool = False


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


def route(key: str, size_bytes: int | None, contracts: Mapping[str, Contract], source_prefix: str) -> Route:
    """Decide by key alone: a folder marker and a key without agency or contract are ignored."""
    if key.endswith("/"):
        return Route(None, None, "folder_marker" if not size_bytes else "no_file_name")
    source = layout.parse_source_key(key, source_prefix)
    if source is None:
        return Route(None, None, "no_agency")
    contract = choose_contract(contracts.values(), source.file_name)
    return Route(source.agency, contract, None if contract else "no_contract")


class Intake:
    """Ingests deliveries into one data bucket.

    Args:
        store: where sources are read and everything is written.
        contracts: by dataset.
    """

    def __init__(
        self, store: ObjectStore, contracts: Mapping[str, Contract], bucket: str, source_prefix: str
    ) -> None:
        self._store, self._contracts = store, contracts
        self._bucket, self._prefix = bucket, source_prefix
        self._code_version = version("etl-platform")

    def ingest(self, event: ObjectCreated, attempt: Attempt) -> Ingested:
        """Take in what one event announces.

        Raises:
            TransientError: infrastructure; nothing is recorded, the same event may come again.
            ContractError: the contract's rules do not compile.
        """
        began = datetime.now(UTC)
        where = route(event.key, event.size_bytes, self._contracts, self._prefix)
        if where.contract is None or where.agency is None:
            return self._ignore(event, where, attempt, began)
        try:
            head = self._store.head(event.bucket, event.key, event.version_id)
            if event.version_id is None and event.etag not in {None, head.etag}:
                raise ObjectMissingError(
                    f"s3://{event.bucket}/{event.key} was overwritten before it was read"
                )
        except ObjectMissingError as error:
            return self._missing(event, where, attempt, began, error)
        delivery = Delivery(
            event.bucket,
            event.key,
            head.version_id,
            head.etag,
            head.size_bytes,
            event.sequencer,
            head.last_modified,
        )
        known = self._record(where.contract.dataset, where.agency, delivery.delivery_id)
        if known is not None:
            return Ingested(Outcome.DUPLICATE, known)
        bronze = layout.bronze_key(
            where.contract.dataset, where.agency, delivery.delivery_id, layout.base_name(event.key)
        )
        if not attempt.dry_run:
            self._store.copy(head, self._bucket, bronze)
        return self._work(delivery, where.agency, where.contract, head, bronze, attempt, began)

    def reprocess(self, dataset: str, agency: str, attempt: Attempt) -> Iterator[Ingested]:
        """Re-read the latest bronze delivery of every source key of a partition under today's contract."""
        contract = self._contracts[dataset]
        for record in self._latest_records(dataset, agency):
            began = datetime.now(UTC)
            head = self._store.head(self._bucket, record["written"]["bronze_key"])
            yield self._work(_delivery(record["source"]), agency, contract, head, head.key, attempt, began)

    def _work(
        self,
        delivery: Delivery,
        agency: str,
        contract: Contract,
        source: ObjectHead,
        bronze: str,
        attempt: Attempt,
        began: datetime,
    ) -> Ingested:
        """Read, check, write, record: ``source`` is where the bytes lie."""
        from etl_platform.check import QUARANTINE, SILVER, check_file  # noqa: PLC0415 - Polars, once there is work

        order = SourceOrder(delivery.delivery_id, delivery.sequencer, delivery.last_modified)
        silver = layout.silver_key(contract.dataset, agency, delivery.key)
        written: dict[str, Any] = {"bronze_key": bronze}
        record = self._new_record(delivery, agency, contract)
        if self._newer_in_silver(silver, order):
            return self._finish(record, Outcome.SUPERSEDED, written, attempt, began)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            work = Path(folder)
            # The reader tells formats by content, so the name need not follow the sender's.
            record["sha256"] = self._store.download(source, work / "delivery")
            checked = check_file(work / "delivery", contract, work)
            record |= checked.to_json() | {"preview": _plain(checked.preview)}
            outcome = checked.outcome
            if attempt.dry_run:
                return Ingested(outcome, record | {"outcome": str(outcome)})
            if outcome is Outcome.ACCEPTED:
                etag = self._swap_silver(silver, work / SILVER, order)
                if etag is None:
                    return self._finish(
                        self._new_record(delivery, agency, contract),
                        Outcome.SUPERSEDED,
                        written,
                        attempt,
                        began,
                    )
                written |= {"silver_key": silver, "silver_etag": etag}
            if checked.quarantined_rows:
                key = layout.quarantine_key(contract.dataset, agency, delivery.delivery_id)
                written |= {
                    "quarantine_key": key,
                    "quarantine_etag": self._store.write(self._bucket, key, work / QUARANTINE),
                }
        return self._finish(record, outcome, written, attempt, began)

    def _newer_in_silver(self, silver: str, order: SourceOrder) -> bool:
        current = self._silver_order(silver)
        return current is not None and current[1].is_newer_than(order)

    def _silver_order(self, silver: str) -> tuple[str, SourceOrder] | None:
        """eTag and source version of the silver object that is there."""
        try:
            head = self._store.head(self._bucket, silver)
        except ObjectMissingError:
            return None
        meta = head.metadata
        return head.etag, SourceOrder(
            meta["delivery-id"], meta.get("sequencer"), datetime.fromisoformat(meta["last-modified"])
        )

    def _swap_silver(self, silver: str, path: Path, order: SourceOrder) -> str | None:
        """Put silver unless a newer version of the source is there; its eTag, or None."""
        metadata = {"delivery-id": order.delivery_id, "last-modified": order.last_modified.isoformat()}
        if order.sequencer:
            metadata["sequencer"] = order.sequencer
        for _ in range(_SWAPS):
            current = self._silver_order(silver)
            if current is not None and current[1].is_newer_than(order):
                return None
            try:
                return self._store.write(
                    self._bucket,
                    silver,
                    path,
                    if_absent=current is None,
                    if_match=current[0] if current else None,
                    metadata=metadata,
                )
            except PreconditionFailedError:
                continue
        raise TransientError(f"{silver} changed {_SWAPS} times while it was to be written")

    def _new_record(self, delivery: Delivery, agency: str, contract: Contract) -> dict[str, Any]:
        return {
            "delivery_id": delivery.delivery_id,
            "outcome": "",
            "agency": agency,
            "dataset": contract.dataset,
            "source": _source(delivery),
            "contract": {"id": contract.id, "version": contract.version, "sha256": contract.sha256},
            "code_version": self._code_version,
            "rows": None,
            "accepted_rows": None,
            "quarantined_rows": None,
            "reasons": {},
            "errors": [],
        }

    def _finish(
        self,
        record: dict[str, Any],
        outcome: Outcome,
        written: dict[str, Any],
        attempt: Attempt,
        began: datetime,
    ) -> Ingested:
        """Write the record if it is absent: the delivery is done from here on."""
        ended = datetime.now(UTC)
        record |= {
            "outcome": str(outcome),
            "written": written,
            "attempt": {
                "cause": str(attempt.cause),
                "run_id": attempt.run_id,
                "message_id": attempt.message_id,
                "began_at": began.isoformat(),
                "ended_at": ended.isoformat(),
                "seconds": round((ended - began).total_seconds(), 3),
            },
        }
        if attempt.dry_run:
            return Ingested(outcome, record)
        attempt_id = None
        if attempt.cause is Cause.REPROCESS:
            named = f"{record['delivery_id']}:{record['contract']['sha256']}"
            attempt_id = hashlib.sha256(named.encode()).hexdigest()[:12]
        key = layout.report_key(record["dataset"], record["agency"], record["delivery_id"], attempt_id)
        try:
            self._store.write(self._bucket, key, _dump(record), if_absent=True)
        except PreconditionFailedError:
            # Somebody else did the same work at the same time; theirs is the record, ours the same result.
            record = json.loads(self._store.read(self._bucket, key))
        return Ingested(outcome, record)

    def _ignore(self, event: ObjectCreated, where: Route, attempt: Attempt, began: datetime) -> Ingested:
        """Leave a trace that is never final: a contract may come later."""
        identity = delivery_id(event.bucket, event.key, event.version_id or event.sequencer or event.etag)
        record = {
            "delivery_id": identity,
            "outcome": str(Outcome.IGNORED),
            "agency": where.agency,
            "dataset": None,
            "source": _source_of(event),
            "code_version": self._code_version,
            "rows": None,
            "accepted_rows": None,
            "quarantined_rows": None,
            "reasons": {},
            "errors": [{"code": where.ignored, "message": _WHY_IGNORED[where.ignored or ""], "line": None}],
            "written": {},
            "attempt": {"cause": str(attempt.cause), "run_id": attempt.run_id, "began_at": began.isoformat()},
        }
        if not attempt.dry_run:
            try:
                self._store.write(self._bucket, layout.ignored_key(identity), _dump(record), if_absent=True)
            except PreconditionFailedError:
                record = json.loads(self._store.read(self._bucket, layout.ignored_key(identity)))
        return Ingested(Outcome.IGNORED, record)

    def _missing(
        self, event: ObjectCreated, where: Route, attempt: Attempt, began: datetime, error: ObjectMissingError
    ) -> Ingested:
        """The version is gone for good: an outcome that the sender and the person on call must see."""
        assert where.contract is not None
        assert where.agency is not None
        gone = Delivery(
            event.bucket,
            event.key,
            event.version_id,
            event.etag,
            event.size_bytes or 0,
            event.sequencer,
            began,
        )
        known = self._record(where.contract.dataset, where.agency, gone.delivery_id)
        if known is not None:
            return Ingested(Outcome.DUPLICATE, known)
        record = self._new_record(gone, where.agency, where.contract)
        record["source"] = _source_of(event)
        record["errors"] = [{"code": error.code, "message": str(error), "line": None}]
        return self._finish(record, Outcome.REJECTED, {}, attempt, began)

    def _record(self, dataset: str, agency: str, identity: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(
                self._store.read(self._bucket, layout.report_key(dataset, agency, identity))
            )
        except ObjectMissingError:
            return None
        return found

    def _latest_records(self, dataset: str, agency: str) -> list[dict[str, Any]]:
        """Per source key, the record of the newest delivery whose bytes are in bronze."""
        latest: dict[str, dict[str, Any]] = {}
        for record in read_records(self._store, self._bucket, layout.report_prefix(dataset, agency)):
            if record["attempt"]["cause"] != Cause.EVENT or "bronze_key" not in record["written"]:
                continue
            other = latest.get(record["source"]["key"])
            if other is None or _order(record).is_newer_than(_order(other)):
                latest[record["source"]["key"]] = record
        return [latest[key] for key in sorted(latest)]


def read_records(
    store: ObjectStore, bucket: str, prefix: str, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Records under a prefix, written since then, in key order; many are read at once."""
    keys = [
        head.key
        for head in store.list(bucket, prefix)
        if head.key.endswith(".json") and (since is None or head.last_modified >= since)
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        return [json.loads(body) for body in pool.map(lambda key: store.read(bucket, key), keys)]


_WHY_IGNORED = {
    "folder_marker": "a folder was created; there is no file in it yet",
    "no_file_name": "the key ends with /, so it names no file",
    "no_agency": "the key does not lie in <source prefix>/<agency>/",
    "no_contract": "no contract knows this file name; it is ingested once one does",
}


def _order(record: Mapping[str, Any]) -> SourceOrder:
    source = _delivery(record["source"])
    return SourceOrder(source.delivery_id, source.sequencer, source.last_modified)


def _source(delivery: Delivery) -> dict[str, Any]:
    return {
        "bucket": delivery.bucket,
        "key": delivery.key,
        "version_id": delivery.version_id,
        "etag": delivery.etag,
        "size_bytes": delivery.size_bytes,
        "sequencer": delivery.sequencer,
        "last_modified": delivery.last_modified.isoformat(),
    }


def _source_of(event: ObjectCreated) -> dict[str, Any]:
    return {
        "bucket": event.bucket,
        "key": event.key,
        "version_id": event.version_id,
        "etag": event.etag,
        "size_bytes": event.size_bytes,
        "sequencer": event.sequencer,
        "last_modified": event.event_time,
    }


def _delivery(source: Mapping[str, Any]) -> Delivery:
    return Delivery(**{**source, "last_modified": datetime.fromisoformat(source["last_modified"])})


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows]


def _dump(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
