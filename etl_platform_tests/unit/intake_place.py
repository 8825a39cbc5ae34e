"""A local root with an intake over it, for the tests of ``Intake``. No tests."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.making import contract_of, listing, text, typed

EVENT, REPROCESS = Trigger(Cause.EVENT), Trigger(Cause.REPROCESS)
NOW = partial(datetime.now, UTC)
KEY = "from_client/agency_a/Things.csv"
GOOD = b"ident,size\na,1\nb,2\n"


def things(*, size_type: str = "integer", **more: Any) -> Contract:
    return contract_of([text("ident", required=True), typed("size", size_type, **more), text("note")])


class Place:
    """A local root with an intake over it."""

    def __init__(self, root: Path, contract: Contract, bucket: str = "bucket") -> None:
        self.root, self.bucket = root, bucket
        self.store = LocalStore(root)
        self.use(contract)

    def use(self, contract: Contract, broken: Sequence[BrokenContract] = ()) -> None:
        self.intake = Intake(self.store, {contract.dataset: contract}, self.bucket, "from_client/", NOW, broken=broken)

    def drop(
        self, content: bytes, key: str = KEY, *, seconds: int = 1_000, sequencer: str | None = None
    ) -> ObjectVersion:
        """Write a source file; its version as an event would announce it."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (seconds, seconds))
        head = self.store.head(self.bucket, key)
        return ObjectVersion(self.bucket, key, None, None, head.size_bytes, sequencer)

    def ingest(self, version: ObjectVersion, trigger: Trigger = EVENT, *, dry_run: bool = False) -> DeliveryResult:
        return self.intake.ingest(self.intake.route(version), trigger, dry_run=dry_run)

    def written(self) -> dict[str, bytes]:
        return {k: v for k, v in listing(self.root).items() if not k.startswith("from_client/")}

    def silver(self) -> list[dict[str, Any]]:
        (path,) = self.root.glob("silver/things/agency=agency_a/*.parquet")
        return pl.read_parquet(path).rows(named=True)
