"""The ledger: one immutable JSON record per delivery and per reprocessing of it, and facts learned later. No decisions.

Every record has the same fields, whatever its outcome, on one line, so that DuckDB and Athena read them as a table.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Delivery, Outcome
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.settings import code_version
from etl_platform.storage.object_store import ObjectStore

_READERS = 16

Record = dict[str, Any]


class Ledger:
    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def find(self, dataset: str, agency: str, delivery_id: str, attempt_id: str | None = None) -> Record | None:
        """The final record of a delivery, or of one reprocessing of it, if there is one."""
        try:
            return self._get(object_keys.report_key(dataset, agency, delivery_id, attempt_id))
        except ObjectMissingError:
            return None

    def put(self, record: Record) -> Record:
        """Write a record if it is absent; the one that is there afterwards."""
        return self._put(_key(record), record)

    def put_fact(self, fact: Record) -> Record:
        """Write what was learned of a delivery after its record, if it is absent; the one that is there afterwards."""
        place = fact["dataset"], fact["agency"], fact["delivery_id"]
        return self._put(object_keys.fact_key(*place, fact["fact"], fact["attempt_id"]), fact)

    def _put(self, key: str, record: Record) -> Record:
        body = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            # Somebody else did the same work at the same time; theirs is the record, ours the same result.
            return self._get(key)
        return record

    def read(self, prefix: str = object_keys.REPORTS, since: datetime | None = None) -> list[Record]:
        """Records under a prefix, written since then (UTC), in key order; facts only where the prefix is theirs."""
        keys = [
            head.key
            for head in self._store.list(self._bucket, prefix)
            if head.key.endswith(".json")
            and (since is None or head.last_modified >= since)
            and head.key.startswith(object_keys.FACTS) == prefix.startswith(object_keys.FACTS)
        ]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self._get, keys))

    def _get(self, key: str) -> Record:
        found: Record = json.loads(self._store.read(self._bucket, key))
        return found


def _key(record: Record) -> str:
    identity = record["delivery_id"]
    if record["outcome"] == Outcome.IGNORED:
        return object_keys.ignored_key(identity)
    return object_keys.report_key(record["dataset"], record["agency"], identity, record["attempt_id"])


WRITTEN = (
    "bronze_key",
    "silver_key",
    "silver_etag",
    "silver_sha256",
    "quarantine_key",
    "quarantine_etag",
    "quarantine_sha256",
)


def new_record(delivery_id: str, agency: str | None, contract: Contract | None, source: Mapping[str, Any]) -> Record:
    """A record with every field that it will ever have; the outcome is still open."""
    return {
        "delivery_id": delivery_id,
        "attempt_id": None,
        "outcome": "",
        "agency": agency,
        "dataset": contract.dataset if contract else None,
        "source": dict(source),
        "contract": {"id": contract.id, "version": contract.version, "sha256": contract.sha256} if contract else None,
        "code_version": code_version(),
        "sha256": None,
        "rows": None,
        "accepted_rows": None,
        "quarantined_rows": None,
        "reasons": {},
        "examples": {},
        "dialect": {},
        "columns": {},
        "profile": {},
        "dataset_rules": [],
        "errors": [],
        "preview": [],
        "corrections": None,
        "changes": None,
        "superseded_by": None,
        "written": dict.fromkeys(WRITTEN),
        "attempt": {},
    }


def new_fact(fact: str, record: Record, **learned: Any) -> Record:
    """A fact with every field that facts have: which delivery, what, and what else is known of it."""
    of = {name: record[name] for name in ("delivery_id", "agency", "dataset")}
    return {"fact": fact, **of, "attempt_id": None, "superseded_by": None, "changes": None, "attempt": {}} | learned


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
