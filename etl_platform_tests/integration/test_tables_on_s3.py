"""Silver read from S3: by program, by SQL and by the IO manager, while files are replaced."""

from typing import Any

import dagster as dg
import polars as pl

from etl_platform.defs.silver_io_manager import SilverIOManager
from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.report import Trigger
from etl_platform.platform import Platform
from etl_platform.storage.object_store import ObjectHead, ObjectStore
from etl_platform.tables.silver_frames import read_silver
from etl_platform.tables.sql_query import run_query

SQL = "SELECT agency, officer_id, hours FROM training ORDER BY agency, hours"


def deliver(platform: Platform, agency: str, *hours: float) -> None:
    key = f"from_client/{agency}/Training.csv"
    rows = "".join(f"A{number},F1,2026-01-31,{each}\n" for number, each in enumerate(hours, 1))
    platform.store.write(platform.bucket, key, f"officer_id,course_code,completed_on,hours\n{rows}".encode())
    version = ObjectVersion.of(platform.store.head(platform.bucket, key), None)
    result = platform.intake.ingest(platform.intake.route(version), Trigger(Cause.EVENT))
    assert result.outcome == "accepted"


def rows(platform: Platform, sql: str = SQL) -> list[tuple[Any, ...]]:
    return run_query(platform, sql, lambda result: list(result.rows()))


class ReplacingStore:
    """A store in which an agency delivers again just before its silver is downloaded for the first time."""

    def __init__(self, store: ObjectStore, other: Platform) -> None:
        self._store, self._other, self._done = store, other, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def download(self, head: ObjectHead, path: Any) -> str:
        if head.key.startswith("silver/") and not self._done:
            self._done = True
            deliver(self._other, "agency_a", 8)
        return self._store.download(head, path)


def test_every_reader_has_the_same_rows(platform: Platform) -> None:
    deliver(platform, "agency_a", 7.5, 4)
    deliver(platform, "agency b", 1)
    expected = [("agency%20b", "A1", 1.0), ("agency_a", "A2", 4.0), ("agency_a", "A1", 7.5)]

    assert rows(platform) == expected
    frame = read_silver(platform, "training", columns=["agency", "officer_id", "hours"])
    assert frame.sort("agency", "hours").rows() == expected
    assert rows(platform, "SELECT count(*) FROM reports WHERE outcome = 'accepted'") == [(2,)]

    silver = dg.AssetSpec(["silver", "training"])
    loaded: list[pl.DataFrame] = []

    @dg.asset(ins={"training": dg.AssetIn(silver.key, input_manager_key="silver_io_manager")})
    def downstream(training: pl.LazyFrame) -> None:
        loaded.append(training.select("agency", "officer_id", "hours").sort("agency", "hours").collect())

    settings = platform.settings
    io_manager = SilverIOManager(
        data_bucket_name=settings.data_bucket_name,
        aws_endpoint_url=settings.aws_endpoint_url,
        aws_region=settings.aws_region,
    )
    definitions = dg.Definitions([silver, downstream], resources={"silver_io_manager": io_manager})
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success
    assert loaded[0].rows() == expected


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(platform: Platform) -> None:
    deliver(platform, "agency_a", 7.5, 4)
    for read in (rows, lambda found: read_silver(found, "training")["hours"].to_list()):
        deliver(platform, "agency_a", 7.5, 4)
        reader = Platform(platform.settings)
        reader.store = ReplacingStore(reader.store, platform)  # type: ignore[assignment]

        assert read(reader) in ([("agency_a", "A1", 8.0)], [8.0])
