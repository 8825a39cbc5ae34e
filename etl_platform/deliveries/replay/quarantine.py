"""Quarantine → fix → replay of one partition: what waits in quarantine, its export, and corrections put in effect.

The replay itself is a reprocessing, see ``ingest``; corrections in effect are part of every one of them.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.ledger import Ledger, Record, delivery_of
from etl_platform.deliveries.replay.correction_log import CorrectionLog
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.engine.corrections import GivenRow, Quarantined, Resolved, by_delivery, resolve
from etl_platform.engine.errors import UsageError
from etl_platform.errors import ObjectMissingError
from etl_platform.storage.object_store import ObjectStore


@dataclass(frozen=True)
class Corrected:
    """A corrections file, understood: per delivery what it says, and the rows that differ."""

    deliveries: Mapping[str, Resolved]

    @property
    def changed(self) -> dict[str, int]:
        """Per column, the rows in which it differs from what was there."""
        total: Counter[str] = Counter()
        for resolved in self.deliveries.values():
            total.update(resolved.changed)
        return dict(total)


class Quarantine:
    """What an agency's partition of a dataset holds back.

    Args:
        agency: as it stands in keys, see ``object_keys.segment``.
    """

    def __init__(self, store: ObjectStore, bucket: str, dataset: str, agency: str) -> None:
        self._store, self._bucket = store, bucket
        self._dataset, self._agency = dataset, agency
        self._ledger, self._silver, self._log = (
            Ledger(store, bucket),
            Silver(store, bucket),
            CorrectionLog(store, bucket),
        )

    def waiting(self, delivery_id: str | None = None) -> list[Record]:
        """The deliveries whose quarantined rows a replay could bring in, newest first: the record that holds now.

        A delivery that a newer file has replaced in silver is none of them.

        Raises:
            UsageError: the delivery asked for has no quarantined rows.
        """
        records = self._open(self._in_quarantine())
        if delivery_id is not None:
            records = [record for record in records if record["delivery_id"] == delivery_id]
            if not records:
                raise UsageError(
                    f"{self._agency} has no delivery {delivery_id} of {self._dataset} with rows that could come in"
                )
        return [self._latest(record) for record in records]

    def _in_quarantine(self) -> set[str]:
        listed = self._store.list(self._bucket, object_keys.quarantine_prefix(self._dataset, self._agency))
        return {found.delivery_id for head in listed if (found := object_keys.parse_delivery_object(head.key))}

    def _open(self, delivery_ids: Set[str]) -> list[Record]:
        """Arrivals of these deliveries that no newer file has replaced in silver, newest first."""
        records = [
            record
            for record in self._ledger.read(object_keys.report_prefix(self._dataset, self._agency))
            if record["attempt"]["cause"] == Cause.EVENT and record["delivery_id"] in delivery_ids
        ]
        return sorted(
            filter(self._is_open, records), key=lambda one: delivery_of(one["source"]).last_modified, reverse=True
        )

    def _held(self, record: Record) -> CurrentObject | None:
        return self._silver.current(object_keys.silver_key(self._dataset, self._agency, record["source"]["key"]))

    def _is_open(self, record: Record) -> bool:
        held = self._held(record)
        return held is None or not self._silver.is_newer(held, delivery_of(record["source"]))

    def _latest(self, record: Record) -> Record:
        """The record of the attempt that silver holds."""
        held, identity = self._held(record), record["delivery_id"]
        if held is None or held.attempt_id is None or held.delivery_id != identity:
            return record
        return self._ledger.find(self._dataset, self._agency, identity, held.attempt_id) or record

    def export(self, records: Sequence[Record], out: Path) -> int:
        """Write the quarantined rows of deliveries as one CSV to correct and give back; the number of rows.

        Raises:
            UsageError: the deliveries have different columns.
        """
        from etl_platform.engine.output.quarantine_files import export_csv

        if len({tuple(record["columns"]["header"]) for record in records}) > 1:
            names = ", ".join(record["delivery_id"] for record in records)
            raise UsageError(f"these deliveries have different columns, so choose one with --delivery: {names}")
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            parts = {}
            for record in records:
                path = Path(folder) / record["delivery_id"]
                self._store.download(self._store.head(self._bucket, self._key(record["delivery_id"])), path)
                parts[record["delivery_id"]] = path
            return export_csv(parts, out)

    def understand(self, given: Sequence[GivenRow], delivery_id: str | None) -> Corrected:
        """Hold a corrections file against the quarantine; nothing is written.

        Raises:
            UsageError: naming deliveries, columns or lines that do not fit.
        """
        named = delivery_id or all(row.delivery_id for row in given)
        correctable = set() if named else self._in_quarantine() | self._log.deliveries(self._dataset, self._agency)
        known = [record["delivery_id"] for record in self._open(correctable)] if correctable else []
        rows = by_delivery(given, delivery_id, known)
        return Corrected({owner: resolve(of_it, self._quarantined(owner, of_it)) for owner, of_it in rows.items()})

    def _quarantined(self, delivery_id: str, given: Sequence[GivenRow]) -> Quarantined:
        from etl_platform.engine.output.quarantine_files import quarantined_rows

        record = self._ledger.find(self._dataset, self._agency, delivery_id)
        if record is None:
            raise UsageError(f"{self._agency} has no delivery {delivery_id} of {self._dataset}; `history` lists them")
        if not self._is_open(record):
            raise UsageError(f"delivery {delivery_id} is superseded by a newer file of the same name; correct that one")
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path, rows = Path(folder) / "quarantine", {}
            try:
                self._store.download(self._store.head(self._bucket, self._key(delivery_id)), path)
                rows = quarantined_rows(path, [row.place for row in given])
            except ObjectMissingError:
                # All its rows are good by now; those that were corrected may be corrected again.
                rows = {}
        in_effect = self._log.in_effect(self._dataset, self._agency, delivery_id)
        return Quarantined(delivery_id, record["columns"].get("header", []), rows, in_effect)

    def put_in_effect(self, corrected: Corrected, *, by: str, at: datetime) -> None:
        """Keep corrections in the bucket; from now on every reprocessing applies them."""
        for delivery_id, resolved in corrected.deliveries.items():
            if resolved.corrections:
                self._log.append(self._dataset, self._agency, delivery_id, resolved.corrections, by=by, at=at)

    def _key(self, delivery_id: str) -> str:
        return object_keys.quarantine_key(self._dataset, self._agency, delivery_id)
