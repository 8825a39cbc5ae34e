"""Makes silver and quarantine agree with the report of a delivery, after a race or a crash. No Dagster.

Two attempts at one delivery can run under two contracts, and either can die between two writes. The report of the
arrival is put if absent, so there is one, and it decides.
"""

from collections.abc import Callable

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.quarantine_object import QuarantineObject
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.storage.object_store import ObjectStore


class Agreement:
    """The agreement of deliveries of one data bucket.

    Args:
        reprocess: reads a delivery again, from the report of its arrival, with all corrections that are in effect.
    """

    def __init__(self, store: ObjectStore, bucket: str, reprocess: Callable[[Report, Trigger], DeliveryResult]) -> None:
        self._store, self._bucket, self._reprocess = store, bucket, reprocess
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)

    def settle(self, task: DeliveryTask, report: Report, *, is_late: bool = False) -> None:
        """Look whether silver and quarantine are of the attempt that reported, and make them so.

        The first receive of a message that meets no other attempt needs no look.

        Args:
            task: the attempt that has ended.
            report: of the arrival.
            is_late: whether another attempt reported while this one was at work. It then answers for what it writes,
                or its next receive does; this one answers for what the other could not know.

        Raises:
            TransientError: infrastructure, or another attempt has changed the objects meanwhile.
        """
        if report.outcome is Outcome.ERASED:
            self._remove_rows(report)
            return
        if not (is_late or (task.trigger.receive_count or 1) > 1):
            return
        current = self._silver.current(*report.partition, report.source.key)
        quarantine = self._quarantine(report)
        is_own = current is not None and current.delivery_id == report.delivery_id
        is_replayed = current is not None and is_own and current.attempt_id is not None
        is_answerable = not is_late or is_replayed or report.outcome is Outcome.REJECTED
        if is_answerable and self._is_unreported(report, current):
            self._repair(task, report)
        elif is_replayed:
            if is_late:
                quarantine.delete_own(task.derived_from)
        elif report.written.quarantine_key is None:
            quarantine.remove()
        elif is_own and not is_late and not quarantine.is_of(report.derived_from):
            self._repair(task, report)

    def _remove_rows(self, report: Report) -> None:
        """Remove what an attempt wrote that was at work while its delivery was erased; `reconcile` lists the rest."""
        current = self._silver.current(*report.partition, report.source.key)
        if current is not None and current.delivery_id == report.delivery_id:
            self._store.delete(self._bucket, current.key)
        self._quarantine(report).remove()

    def _is_unreported(self, report: Report, current: CurrentObject | None) -> bool:
        """Whether silver holds the delivery, but from an attempt that has no report."""
        if current is None or current.delivery_id != report.delivery_id:
            return False
        if current.attempt_id is not None:
            return self._ledger.find(*report.partition, report.delivery_id, current.attempt_id) is None
        return report.outcome is not Outcome.ACCEPTED or current.derived_from not in {None, report.derived_from}

    def _repair(self, task: DeliveryTask, report: Report) -> None:
        """Reprocess a delivery, so that report, silver and quarantine are of that attempt.

        If the file is refused, what was in silver before returns: from the bucket's versions, else from bronze.
        """
        trigger = Trigger(Cause.REPROCESS, task.trigger.run_id)
        if self._reprocess(report, trigger).outcome is not Outcome.REJECTED:
            return
        current = self._silver.current(*report.partition, report.source.key)
        if current is None or not self._is_unreported(report, current):
            return
        is_back = self._silver.undo(current)
        if report.written.quarantine_key is None:
            self._quarantine(report).remove()
        if is_back:
            return
        for arrival in self._arrivals(report):
            if self._reprocess(arrival, trigger).outcome is not Outcome.REJECTED:
                return

    def _arrivals(self, report: Report) -> list[Report]:
        """The reports of the deliveries of the same source key whose bytes are in bronze, the newest first."""
        source = report.source
        arrivals = [
            found
            for found in self._ledger.reports(object_keys.report_prefix(*report.partition))
            if not found.is_replay and found.written.bronze_key and found.source.key == source.key
        ]
        return VersionOrder(self._store, source.bucket, source.key).newest_first(arrivals)

    def _quarantine(self, report: Report) -> QuarantineObject:
        key = object_keys.quarantine_key(*report.partition, report.delivery_id)
        return QuarantineObject(self._store, self._bucket, key)
