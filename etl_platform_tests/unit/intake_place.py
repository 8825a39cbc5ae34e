"""A local root with an intake over it, for the tests of ``Intake``. No tests."""

import os
from pathlib import Path
from typing import Any

import polars as pl

from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.intake import Attempt, DeliveryResult, Intake
from etl_platform.deliveries.s3_events import ObjectCreated
from etl_platform.engine.contract.model import Contract
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.making import contract_of, listing, text, typed

EVENT, REPROCESS = Attempt(Cause.EVENT), Attempt(Cause.REPROCESS)
KEY = "from_client/agency_a/Things.csv"
GOOD = b"ident,size\na,1\nb,2\n"


def things(*, size_type: str = "integer", **more: Any) -> Contract:
    return contract_of([text("ident", required=True), typed("size", size_type, **more), text("note")])


class Place:
    """A local root with an intake over it."""

    def __init__(self, root: Path, contract: Contract) -> None:
        self.root = root
        self.store = LocalStore(root)
        self.use(contract)

    def use(self, contract: Contract) -> None:
        self.intake = Intake(self.store, {contract.dataset: contract}, "bucket", "from_client/")

    def drop(
        self, content: bytes, key: str = KEY, *, seconds: int = 1_000, sequencer: str | None = None
    ) -> ObjectCreated:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (seconds, seconds))
        head = self.store.head("bucket", key)
        return ObjectCreated("bucket", key, None, None, head.size_bytes, sequencer)

    def ingest(self, event: ObjectCreated, attempt: Attempt = EVENT) -> DeliveryResult:
        return self.intake.ingest(event, attempt)

    def written(self) -> dict[str, bytes]:
        return {k: v for k, v in listing(self.root).items() if not k.startswith("from_client/")}

    def silver(self) -> list[dict[str, Any]]:
        (path,) = self.root.glob("silver/things/agency=agency_a/*.parquet")
        return pl.read_parquet(path).rows(named=True)
