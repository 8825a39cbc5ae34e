"""Quarantined rows of one partition: the deliveries to replay, the export of their rows, and their corrections.

The replay itself is ``Intake.reprocess``, which applies all corrections that are in effect.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import GivenRow, Quarantined, Resolved, by_delivery, resolve
from etl_platform.engine.errors import UsageError
from etl_platform.errors import ObjectMissingError
from etl_platform.storage.object_store import ObjectStore

_READERS = 16


@dataclass(frozen=True)
class Corrected:
    """A corrections file compared with the quarantine: for each delivery, the corrections and what they change."""

    deliveries: Mapping[str, Resolved]

    @property
    def changed(self) -> dict[str, int]:
        """By column, the rows whose value changes."""
        total: Counter[str] = Counter()
        for resolved in self.deliveries.values():
            total.update(resolved.changed)
        return dict(total)


class Quarantine:
    """The quarantine of an agency's partition of a dataset.

    Args:
        agency: as it is written in keys, see ``object_keys.segment``.
    """

    def __init__(self, store: ObjectStore, bucket: str, dataset: str, agency: str) -> None:
        self._store, self._bucket = store, bucket
        self._dataset, self._agency = dataset, agency
        self._ledger, self._silver = Ledger(store, bucket), Silver(store, bucket)
        self._corrections = CorrectionLog(store, bucket)

    def replayable(self, delivery_id: str | None = None) -> list[Report]:
        """The latest reports of the deliveries with quarantined rows that a replay could accept, newest first.

        A delivery that a newer file has replaced in silver is left out.

        Raises:
            UsageError: ``delivery_id`` has no such rows.
        """
        arrivals = self._not_superseded(self._quarantined_deliveries())
        if delivery_id is not None:
            arrivals = [one for one in arrivals if one[0].delivery_id == delivery_id]
            if not arrivals:
                raise UsageError(
                    f"{self._agency} has no delivery {delivery_id} of {self._dataset} with quarantined rows to replay; "
                    "`quarantine` without --delivery lists them"
                )
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda one: self._latest_report(*one), arrivals))

    def _quarantined_deliveries(self) -> set[str]:
        heads = self._store.list(self._bucket, object_keys.quarantine_prefix(self._dataset, self._agency))
        return {parsed.delivery_id for head in heads if (parsed := object_keys.parse_delivery_object(head.key))}

    def _not_superseded(self, delivery_ids: Set[str]) -> list[tuple[Report, CurrentObject | None]]:
        """The arrivals of these deliveries that no newer file has replaced, newest first, with their silver."""
        by_key: dict[str, list[Report]] = defaultdict(list)
        for report in self._ledger.reports(object_keys.report_prefix(self._dataset, self._agency)):
            if not report.is_replay and report.delivery_id in delivery_ids:
                by_key[report.source.key].append(report)
        with ThreadPoolExecutor(_READERS) as pool:
            found = [one for of_key in pool.map(self._not_superseded_of, by_key.values()) for one in of_key]
        return sorted(found, key=lambda one: one[0].source.order.last_modified, reverse=True)

    def _not_superseded_of(self, arrivals: Sequence[Report]) -> list[tuple[Report, CurrentObject | None]]:
        """The same for the arrivals of one source key."""
        source = arrivals[0].source
        current = self._silver.current(self._dataset, self._agency, source.key)
        order = VersionOrder(self._store, source.bucket, source.key)
        kept = (one for one in arrivals if current is None or not order.is_newer(current.order, one.source.order))
        return [(one, current) for one in kept]

    def _is_superseded(self, report: Report) -> bool:
        return self._silver.is_superseded(self._dataset, self._agency, report.source)

    def _latest_report(self, arrival: Report, current: CurrentObject | None) -> Report:
        """The report of the reprocessing that wrote silver, or else of the arrival."""
        if current is None or current.attempt_id is None or current.delivery_id != arrival.delivery_id:
            return arrival
        return self._ledger.find(self._dataset, self._agency, arrival.delivery_id, current.attempt_id) or arrival

    def export(self, reports: Sequence[Report], out: Path, contract: Contract | None = None) -> int:
        """Write the quarantined rows of deliveries as one file that people can correct; returns the number of rows.

        Args:
            out: a workbook with notes if it ends in ``.xlsx``, else CSV.
            contract: of the agency, for the notes and drop-downs of a workbook.

        Raises:
            UsageError: the deliveries have different columns, or there are too many rows for a workbook.
        """
        from etl_platform.engine.output.quarantine_files import export_csv
        from etl_platform.engine.spreadsheets.refused_rows import RefusedRows, write_workbook

        if len({_header(report) for report in reports}) > 1:
            names = ", ".join(report.delivery_id for report in reports)
            raise UsageError(f"these deliveries have different columns; choose one with --delivery: {names}")
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            parts = {report.delivery_id: Path(folder) / report.delivery_id for report in reports}
            for delivery_id, path in parts.items():
                self._store.download(self._store.head(self._bucket, self._key(delivery_id)), path)
            if out.suffix.lower() != ".xlsx":
                return export_csv(parts, out)
            checks = {report.delivery_id: report.check for report in reports}
            refused = {delivery_id: RefusedRows(path, checks[delivery_id]) for delivery_id, path in parts.items()}
            return write_workbook(refused, contract, out)

    def compare(self, given: Sequence[GivenRow], delivery_id: str | None) -> Corrected:
        """Compare a corrections file with the quarantine; nothing is written.

        Raises:
            UsageError: deliveries, columns or lines do not match; the message names them.
        """
        candidates: list[str] = []
        if delivery_id is None and not all(row.delivery_id for row in given):
            correctable = self._quarantined_deliveries() | self._corrections.deliveries(self._dataset, self._agency)
            candidates = [arrival.delivery_id for arrival, _ in self._not_superseded(correctable)]
        rows = by_delivery(given, delivery_id, candidates)
        return Corrected({owner: resolve(of_it, self._quarantined(owner, of_it)) for owner, of_it in rows.items()})

    def _quarantined(self, delivery_id: str, given: Sequence[GivenRow]) -> Quarantined:
        from etl_platform.engine.output.quarantine_files import quarantined_rows

        report = self._ledger.find(self._dataset, self._agency, delivery_id)
        if report is None:
            raise UsageError(f"{self._agency} has no delivery {delivery_id} of {self._dataset}; `history` lists them")
        if self._is_superseded(report):
            raise UsageError(
                f"delivery {delivery_id} is superseded by a newer file of the same name; correct the newer one"
            )
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path = Path(folder) / "quarantine"
            try:
                self._store.download(self._store.head(self._bucket, self._key(delivery_id)), path)
                rows = quarantined_rows(path, [row.place for row in given])
            except ObjectMissingError:
                # All rows are good now, but corrected rows may be corrected again.
                rows = {}
        in_effect = self._corrections.in_effect(self._dataset, self._agency, delivery_id)
        return Quarantined(delivery_id, _header(report), rows, in_effect)

    def put_in_effect(self, corrected: Corrected, *, by: str, at: datetime) -> None:
        """Store corrections in the bucket; every reprocessing applies them from now on.

        Raises:
            TransientError: another process corrects one of the deliveries at the same time.
        """
        for delivery_id, resolved in corrected.deliveries.items():
            if resolved.corrections:
                self._corrections.append(self._dataset, self._agency, delivery_id, resolved.corrections, by=by, at=at)

    def _key(self, delivery_id: str) -> str:
        return object_keys.quarantine_key(self._dataset, self._agency, delivery_id)


def _header(report: Report) -> tuple[str, ...]:
    return report.check.columns.header if report.check.columns else ()
