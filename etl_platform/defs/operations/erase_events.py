"""Removes what Dagster's events quote of erased deliveries: previews, profiles, examples, messages.

Dagster can delete a run with all its events, but not part of an event, and one run has files of many agencies. So the
stored JSON of the events is changed by SQL. An event stays, with what is listed in ``_KEPT``.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import sqlalchemy as db

from etl_platform.defs.open_instance import open_instance
from etl_platform.settings import Settings

_LAYERS = ("bronze", "silver")
_TYPES = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "ASSET_CHECK_EVALUATION")
_RUNS_AT_ONCE = 50
"""A run can have events of 500 files, and all of them are read."""
_REMOVED = "removed, because a delivery was erased"
_KEPT = frozenset(
    [
        *("delivery_id", "outcome", "repeated", "file", "source", "arrived_at", "size_bytes", "version_id", "sha256"),
        *("seconds", "superseded_by", "report_key", "rows", "accepted_rows", "quarantined_rows", "contract_version"),
        *("files", "files_failed", "files_refused", "rows_broken", "dagster/partition_row_count"),
    ]
)
"""Metadata that identify a delivery or count rows; none has a value of a row."""
_EVENTS = db.table("event_logs", db.column("id"), db.column("run_id"), db.column("event"), db.column("partition"))
_EVENTS.append_column(db.column("asset_key"))
_EVENTS.append_column(db.column("dagster_event_type"))
_CHECKS = db.table(
    "asset_check_executions",
    *map(db.column, ("id", "run_id", "asset_key", "partition", "evaluation_event")),
)
_ASSETS = db.table("asset_keys", db.column("id"), db.column("asset_key"), db.column("last_materialization"))


@dataclass(frozen=True)
class ErasedPartition:
    """Deliveries of a partition that are erased; None for all of them."""

    dataset: str
    agency: str
    delivery_ids: frozenset[str] | None

    @property
    def asset_keys(self) -> list[str]:
        return [dg.AssetKey([layer, self.dataset]).to_string() for layer in _LAYERS]

    def is_about(self, text: str) -> bool:
        return self.delivery_ids is None or any(delivery_id in text for delivery_id in self.delivery_ids)


def erase_events(settings: Settings, partitions: Collection[ErasedPartition], *, dry_run: bool) -> int:
    """Remove what events quote; returns how many texts of events were changed, or would be.

    Raises:
        SettingsError: DAGSTER_HOME is not a folder.
    """
    with open_instance(settings) as instance:
        return sum(erase_events_of(instance, partition, dry_run=dry_run) for partition in partitions)


def erase_events_of(instance: dg.DagsterInstance, partition: ErasedPartition, *, dry_run: bool = False) -> int:
    """The same for one partition, in an instance that is open."""
    storage: Any = instance.event_log_storage
    changed, run_ids = 0, set[str]()
    with storage.index_connection() as connection:
        of_assets = _EVENTS.c.asset_key.in_(partition.asset_keys) & (_EVENTS.c.partition == partition.agency)
        of_checks = _CHECKS.c.asset_key.in_(partition.asset_keys) & (_CHECKS.c.partition == partition.agency)
        for table in (_EVENTS.c.run_id, of_assets), (_CHECKS.c.run_id, of_checks):
            run_ids |= {str(run_id) for (run_id,) in connection.execute(db.select(table[0]).where(table[1]).distinct())}
        changed += _erase_in(connection, _CHECKS, _CHECKS.c.evaluation_event, of_checks, partition, dry_run=dry_run)
        last = _ASSETS.c.asset_key.in_(partition.asset_keys)
        changed += _erase_in(connection, _ASSETS, _ASSETS.c.last_materialization, last, partition, dry_run=dry_run)
    # With SQLite each run has a database of its own, and events of assets are in the index, too.
    ordered = sorted(run_ids)
    for start in range(0, len(ordered), _RUNS_AT_ONCE):
        some = ordered[start : start + _RUNS_AT_ONCE]
        for connect in (storage.index_connection, *_run_connections(storage, some)):
            with connect() as connection:
                typed = _EVENTS.c.dagster_event_type.in_(_TYPES) & _EVENTS.c.run_id.in_(some)
                changed += _erase_in(connection, _EVENTS, _EVENTS.c.event, typed, partition, dry_run=dry_run)
    return changed


def _run_connections(storage: Any, run_ids: Collection[str]) -> Iterator[Any]:
    if type(storage).__name__ != "SqliteEventLogStorage":
        return
    for run_id in filter(None, run_ids):

        def connect(run_id: str = run_id) -> AbstractContextManager[Any]:
            found: AbstractContextManager[Any] = storage.run_connection(run_id)
            return found

        yield connect


def _erase_in(
    connection: Any, table: Any, column: Any, condition: Any, partition: ErasedPartition, *, dry_run: bool
) -> int:
    """Change the texts of one column; returns how many."""
    found = connection.execute(db.select(table.c.id, column).where(condition)).fetchall()
    changed = [(row_id, text) for row_id, before in found if before and (text := _without_values(before, partition))]
    if not dry_run:
        for row_id, text in changed:
            connection.execute(db.update(table).where(table.c.id == row_id).values({column.name: text}))
    return len(changed)


def _without_values(stored: str, partition: ErasedPartition) -> str | None:
    """The JSON of an event without values of rows; None if it is about something else, or has none."""
    if not partition.is_about(stored):
        return None
    document = json.loads(stored)
    # The last materialization of an asset is stored as a record, which has the entry of the log.
    entry = document.get("event_log_entry") or document
    event = entry.get("dagster_event") or {}
    specific = event.get("event_specific_data") or {}
    about = specific.get("materialization") or specific.get("asset_observation") or specific
    if (about.get("asset_key") or {}).get("path") not in [[layer, partition.dataset] for layer in _LAYERS]:
        return None
    if about.get("partition") != partition.agency or about.get("description") == _REMOVED:
        return None
    if "metadata_entries" in about:
        about["metadata_entries"] = [one for one in about["metadata_entries"] if one["label"] in _KEPT]
    if "metadata" in about:
        about["metadata"] = {label: value for label, value in about["metadata"].items() if label in _KEPT}
    about["description"] = event["message"] = _REMOVED
    if entry.get("user_message"):
        entry["user_message"] = _REMOVED
    return json.dumps(document)
