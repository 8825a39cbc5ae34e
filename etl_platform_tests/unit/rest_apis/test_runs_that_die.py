"""A run that dies at any call of the object store: the next run has the same end state as an undisturbed one."""

import json
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.report import Trigger
from etl_platform.rest_apis.ingestion import ApiIngester, ApiIngestionResult
from etl_platform.rest_apis.records import load_json
from etl_platform.rest_apis.source import ApiResource, ApiSource, Incremental
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.making import contract_of, listing, text, typed

THINGS = contract_of([text("id", primaryKey=True), typed("price", "number")])
RESOURCE = ApiResource(THINGS, "/things", incremental=Incremental("seq", "after"))
SOURCE = ApiSource("a.yaml", "shop", "nm_albuquerque", "https://shop.example", (RESOURCE,))
FIRST = [{"id": "a", "price": 1, "seq": 1}, {"id": "b", "price": "much", "seq": 2}]
SECOND = [{"id": "b", "price": 3, "seq": 3}, {"id": "c", "price": 4, "seq": 4}]
MOST_CALLS = 40


class Killed(BaseException):
    """Like SIGKILL: no code of the platform catches it."""


class DyingStore(LocalStore):
    """Dies at call number ``last``, before or after its effect; 0 means never."""

    def __init__(self, root: Path, last: int = 0, after: bool = False) -> None:
        super().__init__(root)
        self._last, self._after, self.calls, self._inside = last, after, 0, False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"head", "download", "copy", "read", "write", "delete"} or self._inside:
            return found

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self._last and not self._after:
                raise Killed
            self._inside = True
            try:
                return found(*arguments, **more)
            finally:
                self._inside = False
                if self.calls == self._last:
                    raise Killed

        return call


class FakeApi:
    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def pages(
        self, source: ApiSource, resource: ApiResource, cursor: str | None = None
    ) -> Generator[list[dict[str, Any]]]:
        for record in self._records:
            if cursor is None or record["seq"] >= int(cursor):
                yield load_json(json.dumps([record]).encode())


def run(store: LocalStore, records: list[dict[str, Any]]) -> ApiIngestionResult:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ingester = ApiIngester(store, {"things": THINGS}, "local", FakeApi(records), lambda: now)
    return ingester.ingest(SOURCE, RESOURCE, Trigger(Cause.EVENT, "run"), now=now)


def end_state(root: Path) -> Mapping[str, Any]:
    """The contents of the bucket, without ids and times, which differ from run to run."""
    found = listing(root)
    (silver,) = [root / key for key in found if key.startswith("silver/")]
    reports = [json.loads(body) for key, body in found.items() if key.startswith("reports/things/")]
    return {
        "snapshot": found["from_api/nm_albuquerque/things.csv"],
        "cursor": LocalStore(root).head("local", "from_api/nm_albuquerque/things.csv").metadata["cursor"],
        "silver": pl.read_parquet(silver).select("id", "price").rows(),
        "bronze": sorted(body for key, body in found.items() if key.startswith("bronze/")),
        "reports": sorted((report["outcome"], report["rows"], report["quarantined_rows"]) for report in reports),
        "quarantined": len([key for key in found if key.startswith("quarantine/")]),
    }


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("update", [False, True], ids=["first", "update"])
def test_a_run_after_one_that_died_at_any_call_has_the_undisturbed_end_state(
    tmp_path: Path, update: bool, after: bool
) -> None:
    records = FIRST + SECOND if update else FIRST
    for undisturbed in [FIRST, records] if update else [FIRST]:
        run(LocalStore(tmp_path / "undisturbed"), undisturbed)
    expected = end_state(tmp_path / "undisturbed")
    died = 0
    for last in range(1, MOST_CALLS):
        root = tmp_path / f"at-{last}"
        if update:
            run(LocalStore(root), FIRST)
        try:
            run(DyingStore(root, last, after), records)
        except Killed:
            died += 1
        else:
            break
        run(LocalStore(root), records)

        assert end_state(root) == expected, f"died at call {last}"
        before = listing(root)
        assert not run(LocalStore(root), records).landed
        assert listing(root) == before, f"died at call {last}, and a third run wrote something"
    assert died >= 8, "the run makes more calls than these"
    assert died < MOST_CALLS - 1
