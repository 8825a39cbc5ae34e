"""ingest: one delivery from its arrival to its record, whichever way it came in. No Dagster, no queue.

Bronze comes first and has a key of its own per delivery, so repeating it changes nothing. The rest is ``work``.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cmp_to_key
from types import MappingProxyType
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Delivery, Outcome, Reprocessing, announced_id
from etl_platform.deliveries.ledger import Ledger, Record, delivery_of, new_record, source_of_event
from etl_platform.deliveries.process_delivery import Attempt, DeliveryProcessor, DeliveryResult, DeliveryTask
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.routing import WHY_IGNORED, Route, route
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import UsageError
from etl_platform.errors import ObjectMissingError, UnsafeKeyError
from etl_platform.storage.object_store import ObjectStore

__all__ = ["Attempt", "DeliveryResult", "Intake"]


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
        self._corrections, self._processor = CorrectionLog(store, bucket), DeliveryProcessor(store, bucket)

    def ingest(self, event: ObjectCreated, attempt: Attempt) -> DeliveryResult:
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
            if not attempt.dry_run:
                self._processor.clear_quarantine(known)
            return DeliveryResult(Outcome.DUPLICATE, known)
        bronze = object_keys.bronze_key(dataset, agency, delivery.delivery_id, object_keys.base_name(event.key))
        if not attempt.dry_run:
            self._store.copy(head, self._bucket, bronze)
        return self._processor.process(DeliveryTask(delivery, agency, where.contract, bronze, attempt), head)

    def reprocess(
        self,
        dataset: str,
        agency: str,
        attempt: Attempt,
        delivery_ids: Sequence[str] = (),
        trial: Mapping[str, Corrections] = MappingProxyType({}),
    ) -> Iterator[DeliveryResult]:
        """Re-read bronze under today's contract, with every correction that people made.

        Args:
            delivery_ids: which deliveries. If left out, the latest of every source key of the partition, and where
                that is rejected the ones before it, back to the first that is not or that silver is newer than.
            trial: corrections on top of those in effect, by delivery; for a dry run.

        Raises:
            UsageError: a delivery is not there.
        """
        named = [[self.arrival(dataset, agency, identity)] for identity in delivery_ids]
        for versions in named or self._in_bronze(dataset, agency):
            for record in versions:
                if record is not versions[0] and self._has_given_way(record):
                    break
                corrections = self._corrections.in_effect(dataset, agency, record["delivery_id"])
                corrections = corrections.merged(trial.get(record["delivery_id"], Corrections()))
                done = self._reprocess(record, replace(attempt, began_at=datetime.now(UTC)), corrections)
                yield done
                if done.outcome is not Outcome.REJECTED:
                    break

    def _reprocess(self, arrived: Mapping[str, Any], attempt: Attempt, corrections: Corrections) -> DeliveryResult:
        """Process a delivery again, unless silver already holds exactly this result."""
        contract = self._contracts[arrived["dataset"]]
        delivery = delivery_of(arrived["source"])
        task = DeliveryTask(delivery, arrived["agency"], contract, arrived["written"]["bronze_key"], attempt)
        held = self._silver.current(task.silver)
        mine = held if held is not None and held.delivery_id == delivery.delivery_id else None
        again = Reprocessing.of(
            [
                delivery.delivery_id,
                contract.sha256,
                task.record()["code_version"],
                *([corrections.sha256] if corrections else []),
            ],
            (mine.attempt_id, mine.derived_from) if mine else (None, None),
        )
        known = self._ledger.find(contract.dataset, task.agency, delivery.delivery_id, again.attempt_id)
        if known is not None and _stands(known, held):
            return DeliveryResult(Outcome(known["outcome"]), known, repeated=True)
        task = replace(task, reprocessing=again, corrections=corrections)
        return self._processor.process(task, self._store.head(self._bucket, task.bronze))

    def _has_given_way(self, arrived: Mapping[str, Any]) -> bool:
        """Whether silver holds a newer version than this."""
        delivery = delivery_of(arrived["source"])
        held = self._silver.current(object_keys.silver_key(arrived["dataset"], arrived["agency"], delivery.key))
        return held is not None and self._silver.is_newer(held, delivery)

    def successor(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The record of the accepted delivery that silver holds in this one's place; None until it is written."""
        silver = record["written"].get("silver_key")
        held = self._silver.current(silver) if silver else None
        if held is None or held.delivery_id == record["delivery_id"]:
            return None
        found = self._ledger.find(record["dataset"], record["agency"], held.delivery_id)
        return found if found is not None and found["outcome"] == Outcome.ACCEPTED else None

    def _missing(
        self,
        event: ObjectCreated,
        agency: str,
        contract: Contract,
        attempt: Attempt,
        error: ObjectMissingError | UnsafeKeyError,
    ) -> DeliveryResult:
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
            return DeliveryResult(Outcome.DUPLICATE, known)
        task = DeliveryTask(gone, agency, contract, "", attempt)
        errors = [{"code": error.code, "message": str(error), "line": None}]
        return self._processor.finish(task, task.record() | {"errors": errors}, Outcome.REJECTED)

    def _ignore(self, event: ObjectCreated, where: Route, attempt: Attempt) -> DeliveryResult:
        """Leave a trace that is never final: a contract may come later."""
        why = where.ignored or ""
        record = new_record(announced_id(event), where.agency, None, source_of_event(event)) | {
            "outcome": str(Outcome.IGNORED),
            "errors": [{"code": why, "message": WHY_IGNORED[why], "line": None}],
            "attempt": attempt.to_json(),
        }
        return DeliveryResult(Outcome.IGNORED, record if attempt.dry_run else self._ledger.put(record))

    def arrival(self, dataset: str, agency: str, delivery_id: str) -> dict[str, Any]:
        """The record of a delivery whose bytes are in bronze; UsageError if there is none."""
        record = self._ledger.find(dataset, agency, delivery_id)
        if record is None or not record["written"]["bronze_key"]:
            raise UsageError(f"{agency} has no delivery {delivery_id} of {dataset} in bronze; `history` lists them")
        return record

    def _in_bronze(self, dataset: str, agency: str) -> list[list[dict[str, Any]]]:
        """Per source key, the records of the deliveries whose bytes are in bronze, the newest first."""
        versions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in self._ledger.read(object_keys.report_prefix(dataset, agency)):
            if record["attempt"]["cause"] == Cause.EVENT and record["written"]["bronze_key"]:
                versions[record["source"]["key"]].append(record)
        return [sorted(versions[key], key=cmp_to_key(_newest_first)) for key in sorted(versions)]


def _newest_first(one: Record, other: Record) -> int:
    mine, theirs = (delivery_of(record["source"]).order for record in (one, other))
    return theirs.is_newer_than(mine) - mine.is_newer_than(theirs)


def _stands(record: Mapping[str, Any], held: CurrentObject | None) -> bool:
    """Whether what a reprocessing left is still there."""
    if record["outcome"] != Outcome.ACCEPTED:
        return True
    mine = held is not None and held.attempt_id == record["attempt_id"]
    return mine and held is not None and held.etag == record["written"]["silver_etag"]
