"""The ledger: one immutable JSON record per delivery, and one per reprocessing of it. No decisions."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.metadata import version
from typing import Any

from etl_platform.adapters.objects import ObjectStore
from etl_platform.core import layout
from etl_platform.core.contracts import Contract
from etl_platform.core.deliveries import Cause, Delivery, Outcome, SourceOrder
from etl_platform.core.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.core.events import ObjectCreated

_READERS = 16

Record = dict[str, Any]


class Ledger:
    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def find(self, dataset: str, agency: str, delivery_id: str) -> Record | None:
        """The final record of a delivery, if there is one."""
        try:
            return self._get(layout.report_key(dataset, agency, delivery_id))
        except ObjectMissingError:
            return None

    def put(self, record: Record) -> Record:
        """Write a record if it is absent; the one that is there afterwards."""
        key = _key(record)
        body = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            # Somebody else did the same work at the same time; theirs is the record, ours the same result.
            return self._get(key)
        return record

    def read(self, prefix: str = layout.REPORTS, since: datetime | None = None) -> list[Record]:
        """Records under a prefix, written since then (UTC), in key order; many are read at once."""
        keys = [
            head.key
            for head in self._store.list(self._bucket, prefix)
            if head.key.endswith(".json") and (since is None or head.last_modified >= since)
        ]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self._get, keys))

    def _get(self, key: str) -> Record:
        found: Record = json.loads(self._store.read(self._bucket, key))
        return found


def _key(record: Record) -> str:
    identity = record["delivery_id"]
    if record["outcome"] == Outcome.IGNORED:
        return layout.ignored_key(identity)
    attempt_id = None
    if record["attempt"]["cause"] == Cause.REPROCESS:
        named = f"{identity}:{record['contract']['sha256']}:{record['code_version']}"
        attempt_id = hashlib.sha256(named.encode()).hexdigest()[:12]
    return layout.report_key(record["dataset"], record["agency"], identity, attempt_id)


def new_record(delivery_id: str, agency: str | None, contract: Contract | None, source: Mapping[str, Any]) -> Record:
    """A record with every field that readers count on; the outcome is still open."""
    return {
        "delivery_id": delivery_id,
        "outcome": "",
        "agency": agency,
        "dataset": contract.dataset if contract else None,
        "source": dict(source),
        "contract": {"id": contract.id, "version": contract.version, "sha256": contract.sha256} if contract else None,
        "code_version": version("etl-platform"),
        "rows": None,
        "accepted_rows": None,
        "quarantined_rows": None,
        "reasons": {},
        "errors": [],
    }


def source_of_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "bucket": delivery.bucket,
        "key": delivery.key,
        "version_id": delivery.version_id,
        "etag": delivery.etag,
        "size_bytes": delivery.size_bytes,
        "sequencer": delivery.sequencer,
        "last_modified": delivery.last_modified.isoformat(),
    }


def source_of_event(event: ObjectCreated) -> dict[str, Any]:
    """The same fields of an object that was not looked at: LastModified is the event's time."""
    return {
        "bucket": event.bucket,
        "key": event.key,
        "version_id": event.version_id,
        "etag": event.etag,
        "size_bytes": event.size_bytes,
        "sequencer": event.sequencer,
        "last_modified": event.event_time,
    }


def delivery_of(source: Mapping[str, Any]) -> Delivery:
    return Delivery(**{**source, "last_modified": datetime.fromisoformat(source["last_modified"])})


def order_of(record: Record) -> SourceOrder:
    delivery = delivery_of(record["source"])
    return SourceOrder(delivery.delivery_id, delivery.sequencer, delivery.last_modified)
