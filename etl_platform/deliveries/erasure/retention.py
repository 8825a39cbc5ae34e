"""Erases the deliveries whose retention has ended, as their contracts say. No Dagster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.erasure.erase import Eraser, Erasure
from etl_platform.deliveries.erasure.scope import Scope
from etl_platform.deliveries.routing import Router
from etl_platform.deliveries.tombstone import Tombstone
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.output.plain_text import counted
from etl_platform.storage.object_store import ObjectStore

BY = "retention_job"


@dataclass(frozen=True)
class EndedRetention:
    """What an agency sent of a dataset before ``delivered_before`` (UTC), and what of it is removed."""

    dataset: str
    agency: str
    delivered_before: datetime
    erasure: Erasure


def erase_ended(
    store: ObjectStore,
    bucket: str,
    router: Router,
    contracts: Mapping[str, Contract],
    *,
    now: datetime,
    caller: str | None,
    dry_run: bool,
) -> Iterator[EndedRetention]:
    """Erase what is older than its contract says, one partition at a time; partitions without such files are left out.

    Args:
        contracts: by dataset; those without ``erase_after`` erase nothing.
        now: UTC.
        caller: see ``Tombstone``.

    Raises:
        AccessDeniedError: the caller may not erase.
        TransientError: infrastructure.
    """
    eraser, agencies = Eraser(store, bucket, router), AgencyRegister(store, bucket).read()
    for dataset, contract in sorted(contracts.items()):
        if contract.erase_after is None:
            continue
        before = now - contract.erase_after
        reason = f"kept for {_days(contract.erase_after)} by the contract {dataset} {contract.version}"
        folders = store.folders(bucket, object_keys.report_prefix(dataset))
        parsed = (object_keys.parse_folder(folder) for folder in folders)
        names = {agencies.current_name(one.agency) for one in parsed if one is not None and one.agency is not None}
        for agency in sorted(names):
            scope = Scope(agency, dataset, delivered_before=before)
            found = eraser.find(scope)
            if found.new or found.stored:
                if not dry_run:
                    found = eraser.erase(scope, Tombstone(BY, now, reason, caller), lambda _what, _done: None)
                yield EndedRetention(dataset, agency, before, found)


def _days(duration: timedelta) -> str:
    return counted(duration.days, "day")
