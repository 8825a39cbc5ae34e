"""Intake: ingests one delivery when it arrives, and reprocesses it from bronze. No Dagster, no queue.

Bronze is written first, under a key of its own per delivery, so that a retry changes nothing. The rest of the work is
``process_delivery``.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyRegister
from etl_platform.deliveries.agreement import Agreement
from etl_platform.deliveries.batch_listing import BatchListing
from etl_platform.deliveries.delivery import ObjectVersion, Outcome, Reprocessing
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.deliveries.erased_deliveries import ErasedDeliveries
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.process_delivery import Clock, DeliveryProcessor, DeliveryResult
from etl_platform.deliveries.refusals import Refusals
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.replay.outdated import Attempts, OutdatedFiles, outdated_by_key
from etl_platform.deliveries.report import Attempt, Report, Trigger
from etl_platform.deliveries.routing import NO_CONTRACT, Route, RoutedObject, Router, agency_contract
from etl_platform.deliveries.senders import never_sent
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.engine.corrections import Corrections
from etl_platform.engine.errors import UsageError
from etl_platform.engine.result import CheckResult, FileError
from etl_platform.errors import (
    AccessDeniedError,
    ObjectMissingError,
    ObjectRefusedError,
    PreconditionFailedError,
    ReportError,
    TransientError,
    UnsafeKeyError,
)
from etl_platform.queue_work.memory import MemoryBudget
from etl_platform.settings import code_version
from etl_platform.storage.object_store import ObjectStore

_READERS = 16
_READ_AHEAD = 64
T = TypeVar("T")
R = TypeVar("R")


class Intake:
    """Ingests deliveries into one data bucket.

    Args:
        store: where sources are read and everything is written.
        contracts: by dataset.
        bucket: where bronze, silver, quarantine and reports are.
        broken: contracts that are set aside; their files are ignored until they are correct.
        memory: what deliveries that are checked at the same time share; unlimited by default.
        source_bucket: the only bucket whose objects are ingested; by default, that of an object does not matter.

    Attributes:
        waiting: the records of deliveries that failed.
    """

    def __init__(
        self,
        store: ObjectStore,
        contracts: Mapping[str, Contract],
        bucket: str,
        source_prefix: str,
        clock: Clock,
        *,
        broken: Sequence[BrokenContract] = (),
        memory: MemoryBudget | None = None,
        source_bucket: str | None = None,
    ) -> None:
        self._store, self._contracts, self._broken = store, contracts, broken
        self._bucket, self._source_prefix, self._clock = bucket, source_prefix, clock
        self._source_bucket = source_bucket
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)
        self.waiting = WaitingRecords(store, bucket)
        self._corrections, self._erased = CorrectionLog(store, bucket), ErasedDeliveries(store, bucket)
        self._processor = DeliveryProcessor(store, bucket, clock, memory or MemoryBudget())
        self._agreement = Agreement(store, bucket, self._reprocess)

    def router(self, agencies: Agencies | None = None) -> Router:
        """Finds agency and contract of each object of a batch, before ``ingest``.

        Args:
            agencies: instead of those of the register, which is read by default.
        """
        if agencies is None:
            agencies = AgencyRegister(self._store, self._bucket).read()
        return Router(self._contracts, self._source_prefix, agencies, self._broken, bucket=self._source_bucket)

    def waiting_router(self) -> Router:
        """As ``router``; if the register cannot be read, only the objects that need it wait, each for itself."""
        try:
            return self.router()
        except (ReportError, TransientError) as error:
            return replace(self.router(Agencies()), unread=str(error))

    def route(self, version: ObjectVersion) -> RoutedObject:
        """Find agency and contract of one object."""
        return self.router().route(version)

    def listing(self, files: Iterable[RoutedObject]) -> BatchListing:
        """What ``ingest`` may take from few listings for these files, which were sent before now."""
        routes = (file.route for file in files)
        partitions = [(route.dataset, route.agency) for route in routes if route.dataset and route.agency]
        return BatchListing(self._store, self._bucket, partitions)

    def ingest(
        self, arrived: RoutedObject, trigger: Trigger, listing: BatchListing | None = None, *, dry_run: bool = False
    ) -> DeliveryResult:
        """Ingest an object that an event announced.

        Args:
            listing: of the batch that it is in.
            dry_run: find out the outcome and write nothing.

        Raises:
            TransientError: infrastructure; nothing is reported, and the same event may be ingested again. So it is
                with any other error. One that would come again is a rejection: see ``check_errors``.
        """
        if arrived.waits_for is not None:
            raise TransientError(arrived.waits_for)
        began_at, announced = self._clock(), arrived.version
        contract, agency = arrived.route.contract, arrived.route.agency
        if contract is None or agency is None:
            return self._ignore(arrived, trigger, began_at, dry_run=dry_run)
        # LastModified of a deleted object is not known; its report has the start of this attempt instead.
        source = replace(announced, last_modified=began_at)
        task = DeliveryTask(source, agency, contract, "", trigger, began_at, announced.last_modified, dry_run=dry_run)
        refusals = Refusals(self._store, self._source_prefix, announced, trigger.receive_count)
        try:
            with refusals.of_one_object():
                head = self._store.head(announced.bucket, announced.key, announced.version_id, announced.etag)
        except (ObjectMissingError, ObjectRefusedError, UnsafeKeyError) as error:
            return self._unreadable(task, arrived, error)
        task = replace(task, source=ObjectVersion.of(head, announced.sequencer))
        listing = listing or BatchListing(self._store, self._bucket)
        known = None if listing.lacks_report(*task.partition, task.source.delivery_id) else self._report_of(task)
        if known is not None:
            if not dry_run:
                self._processor.clear_quarantine(known)
                self._agreement.settle(task, known)
            return DeliveryResult(Outcome.DUPLICATE, known)
        if not listing.lacks_erased(head.key) and (refusal := self._erased.refusal(head)):
            check = CheckResult(errors=(refusal,))
            return self._processor.finish(task, task.report(Outcome.REJECTED, check, self._clock()))
        file_name = object_keys.base_name(announced.key)
        bronze = object_keys.bronze_key(contract.dataset, agency, task.source.delivery_id, file_name)
        if not dry_run:
            try:
                with refusals.of_one_object():
                    self._store.copy(head, self._bucket, bronze)
            except ObjectRefusedError as error:
                return self._unreadable(task, arrived, error)
        is_first = listing.lacks_silver(*task.partition, task.source.key)
        result = self._processor.process(replace(task, bronze=bronze), head, is_first=is_first)
        if not dry_run:
            self._agreement.settle(task, result.report, is_late=result.outcome is Outcome.DUPLICATE)
        return result

    def reprocess(
        self,
        dataset: str,
        agency: str,
        trigger: Trigger,
        delivery_ids: Sequence[str] = (),
        trial: Mapping[str, Corrections] = MappingProxyType({}),
        *,
        dry_run: bool = False,
        only_outdated: bool = False,
    ) -> Iterator[DeliveryResult]:
        """Read bronze again under today's contract, with all corrections that are in effect.

        Args:
            delivery_ids: which deliveries. If empty, the newest of every source key of the partition. If that is
                rejected, older ones follow until one is not rejected, or is older than the delivery in silver.
            trial: for a dry run, corrections on top of those in effect, by delivery.
            only_outdated: without ``delivery_ids``, leave out the files that today's contract has read.

        Raises:
            UsageError: there is no such delivery in bronze.
            ContractError: the overlay of the agency is in error.
        """
        by_key: Sequence[Sequence[Report]] = [[self.arrival(dataset, agency, name)] for name in delivery_ids]
        known: Mapping[tuple[str, str], Report] = {}
        if not delivery_ids:
            by_key, known = self._arrivals_by_key(dataset, agency)
            if only_outdated:
                by_key, _ = self._outdated(by_key, known.values())
        corrected = self._corrections.deliveries(dataset, agency)

        def plan(arrival: Report, *, may_be_corrected: bool = True) -> DeliveryResult | DeliveryTask:
            corrections = trial.get(arrival.delivery_id, Corrections())
            if may_be_corrected:
                in_effect = self._corrections.in_effect(dataset, agency, arrival.delivery_id)
                corrections = in_effect.merged(corrections)
            return self._plan(arrival, trigger, corrections, known, dry_run=dry_run)

        def plan_ahead(newest_first: Sequence[Report]) -> DeliveryResult | DeliveryTask:
            return plan(newest_first[0], may_be_corrected=newest_first[0].delivery_id in corrected)

        for newest_first, ahead in _ahead(plan_ahead, by_key):
            for arrival in newest_first:
                is_first = arrival is newest_first[0]
                if not is_first and self._silver.is_superseded(dataset, agency, arrival.source):
                    break
                # Only a result is used: until the work begins, silver and corrections may have changed.
                planned = ahead if is_first and isinstance(ahead, DeliveryResult) else plan(arrival)
                result = planned if isinstance(planned, DeliveryResult) else self._carry_out(planned)
                yield result
                if result.outcome is not Outcome.REJECTED:
                    break

    def outdated(self, dataset: str, agency: str) -> OutdatedFiles:
        """The files that ``reprocess`` reads with ``only_outdated``. No file is read, only reports.

        Raises:
            ContractError: the overlay of the agency is in error.
        """
        by_key, known = self._arrivals_by_key(dataset, agency)
        found, attempts = self._outdated(by_key, known.values())
        accepted = {one.delivery_id for arrivals in found for one in arrivals if attempts.was_accepted(one)}
        return OutdatedFiles(len(found), frozenset(accepted))

    def _outdated(
        self, by_key: Sequence[Sequence[Report]], reprocessings: Iterable[Report]
    ) -> tuple[list[Sequence[Report]], Attempts]:
        attempts = Attempts([*chain.from_iterable(by_key), *reprocessings])

        def contract_of(arrival: Report) -> str:
            dataset, agency = arrival.partition
            return agency_contract(self._contracts[dataset], agency, arrival.source.key).sha256

        return outdated_by_key(by_key, attempts, contract_of), attempts

    def _reprocess(self, arrival: Report, trigger: Trigger) -> DeliveryResult:
        corrections = self._corrections.in_effect(*arrival.partition, arrival.delivery_id)
        planned = self._plan(arrival, trigger, corrections, {}, dry_run=False)
        return planned if isinstance(planned, DeliveryResult) else self._carry_out(planned)

    def _carry_out(self, task: DeliveryTask) -> DeliveryResult:
        result = self._processor.process(task, self._store.head(self._bucket, task.bronze))
        arrival = self._report_of(task)
        if arrival is not None and arrival.outcome is Outcome.ERASED and not task.dry_run:
            # It was erased while this read it.
            self._agreement.settle(task, arrival)
            return DeliveryResult(Outcome.DUPLICATE, arrival)
        return result

    def _plan(
        self,
        arrival: Report,
        trigger: Trigger,
        corrections: Corrections,
        known_reports: Mapping[tuple[str, str], Report],
        *,
        dry_run: bool,
    ) -> DeliveryResult | DeliveryTask:
        """The work to process a delivery again, or the result if silver already holds it.

        Args:
            known_reports: reports of reprocessings that were read before, by delivery and attempt.
        """
        dataset, agency = arrival.partition
        contract = agency_contract(self._contracts[dataset], agency, arrival.source.key)
        bronze = arrival.written.bronze_key
        assert bronze is not None
        task = DeliveryTask(
            arrival.source,
            agency,
            contract,
            bronze,
            trigger,
            self._clock(),
            corrections=corrections,
            dry_run=dry_run,
        )
        current = self._silver.current(dataset, agency, arrival.source.key)
        is_own = current is not None and current.delivery_id == arrival.delivery_id
        reprocessing = Reprocessing.of(
            task.derived_from,
            current.attempt_id if current and is_own else None,
            current.derived_from if current and is_own else None,
        )
        known = known_reports.get((arrival.delivery_id, reprocessing.attempt_id))
        known = known or self._report_of(task, reprocessing.attempt_id)
        if known is not None and _is_result_current(known, current):
            return DeliveryResult(known.outcome, known, repeated=True)
        return replace(task, reprocessing=reprocessing)

    def _report_of(self, task: DeliveryTask, attempt_id: str | None = None) -> Report | None:
        return self._ledger.find(task.contract.dataset, task.agency, task.source.delivery_id, attempt_id)

    def successor(self, report: Report, etags: Mapping[str, str] = MappingProxyType({})) -> Report | None:
        """The report of the accepted delivery that silver holds instead of this one; None until it is written.

        Args:
            etags: of silver objects that were listed just now, by key: an object of this report needs no look.
        """
        if (
            report.written.silver_etag is not None
            and etags.get(report.written.silver_key or "") == report.written.silver_etag
        ):
            return None
        current = self._silver.at(report.written.silver_key) if report.written.silver_key else None
        if current is None or current.delivery_id == report.delivery_id:
            return None
        found = self._ledger.find(*report.partition, current.delivery_id)
        return found if found is not None and found.outcome is Outcome.ACCEPTED else None

    def _unreadable(
        self,
        task: DeliveryTask,
        arrived: RoutedObject,
        error: ObjectMissingError | ObjectRefusedError | UnsafeKeyError,
    ) -> DeliveryResult:
        """Reject a delivery whose object version is gone or refused: sender and operator must see it."""
        known = self._report_of(task)
        if known is not None:
            return DeliveryResult(Outcome.DUPLICATE, known)
        if isinstance(error, ObjectMissingError):
            why = never_sent(self._store, self._bucket, self._source_prefix, arrived)
            if why is not None:
                no_agency = replace(arrived, route=Route(None, None, why))
                return self._ignore(no_agency, task.trigger, task.began_at, dry_run=task.dry_run)
        check = CheckResult(errors=(FileError(error.code, str(error)),))
        return self._processor.finish(task, task.report(Outcome.REJECTED, check, self._clock()))

    def _ignore(self, arrived: RoutedObject, trigger: Trigger, began_at: datetime, *, dry_run: bool) -> DeliveryResult:
        ignored = self._ignored(arrived, Attempt(trigger, began_at, self._clock(), arrived.version.last_modified))
        return DeliveryResult(Outcome.IGNORED, ignored if dry_run else self._ledger.put(ignored))

    def _ignored(self, arrived: RoutedObject, attempt: Attempt) -> Report:
        """The report of an ignored object. It is not final, because a contract may be added later."""
        why = arrived.route.ignored
        if why and why.code == NO_CONTRACT:
            why = self._with_hint(why, arrived.version)
        return Report(
            delivery_id=arrived.version.delivery_id,
            outcome=Outcome.IGNORED,
            agency=arrived.route.agency,
            source=arrived.version,
            code_version=code_version(),
            check=CheckResult(errors=(why,) if why else ()),
            attempt=attempt,
        )

    def _with_hint(self, why: FileError, version: ObjectVersion) -> FileError:
        """The reason, with the contract that the columns of the file fit or are like, if one does."""
        from etl_platform.engine.header_fit import HEAD_BYTES, fitting_contract, may_have_header

        if not may_have_header(object_keys.base_name(version.key)):
            return why
        try:
            head = self._store.head(version.bucket, version.key, version.version_id, version.etag)
            start = self._store.read_start(head, HEAD_BYTES)
        except (AccessDeniedError, ObjectMissingError, ObjectRefusedError, PreconditionFailedError, UnsafeKeyError):
            return why
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path = Path(folder) / "start"
            path.write_bytes(start)
            fits = fitting_contract(path, self._contracts.values())
        return (
            why
            if fits is None
            else replace(why, message=f"{why.message}; {fits.hint(object_keys.base_name(version.key))}")
        )

    def arrival(self, dataset: str, agency: str, delivery_id: str) -> Report:
        """The report of a delivery whose bytes are in bronze.

        Raises:
            UsageError: there is no such delivery.
        """
        report = self._ledger.find(dataset, agency, delivery_id)
        if report is None or not report.written.bronze_key:
            raise UsageError(f"{agency} has no delivery {delivery_id} of {dataset} in bronze; `history` lists them")
        return report

    def has_sent(self, dataset: str, agency: str) -> bool:
        """Whether any file of the agency was reported, also a refused one."""
        return any(True for _ in self._store.list(self._bucket, object_keys.report_prefix(dataset, agency)))

    def _arrivals_by_key(self, dataset: str, agency: str) -> tuple[list[list[Report]], dict[tuple[str, str], Report]]:
        """Per source key, the reports of the deliveries whose bytes are in bronze, the newest first.

        And the reports of reprocessings, by delivery and attempt.
        """
        arrivals: dict[str, list[Report]] = defaultdict(list)
        known: dict[tuple[str, str], Report] = {}
        for report in self._ledger.reports(object_keys.report_prefix(dataset, agency)):
            if report.attempt_id is not None:
                known[report.delivery_id, report.attempt_id] = report
            elif not report.is_replay and report.written.bronze_key:
                arrivals[report.source.key].append(report)
        return [self._newest_first(arrivals[key]) for key in sorted(arrivals)], known

    def _newest_first(self, arrivals: Sequence[Report]) -> list[Report]:
        source = arrivals[0].source
        return VersionOrder(self._store, source.bucket, source.key).newest_first(arrivals)


def _ahead(read: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Each item with what is read for it; the next items are read at the same time."""
    for start in range(0, len(items), _READ_AHEAD):
        chunk = items[start : start + _READ_AHEAD]
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(read, chunk))
        yield from zip(chunk, found, strict=True)


def _is_result_current(report: Report, current: CurrentObject | None) -> bool:
    """Whether the result of a reprocessing is still there; only an accepted one leaves an object."""
    if report.outcome is not Outcome.ACCEPTED:
        return True
    return (
        current is not None and current.attempt_id == report.attempt_id and current.etag == report.written.silver_etag
    )
