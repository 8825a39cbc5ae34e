"""The IO manager of silver, in runs: annotations, partitions, columns, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from etl_platform.defs.silver_io_manager import SilverIOManager
from etl_platform.tables.sql_query import run_query
from etl_platform_tests.unit.tables.bucket import ROW, Bucket

AGENCIES = dg.DynamicPartitionsDefinition(name="things_agencies")
SILVER = dg.AssetSpec(["silver", "things"], partitions_def=AGENCIES)
NAMES = ("agency_a", "agency_b", "agency%20c")


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    made = Bucket(tmp_path)
    for name in ("agency_a", "agency_b", "agency c"):
        made.write(name, ROW, ROW | {"ident": name, "size": None})
    return made


def silver_input(**more: Any) -> dg.AssetIn:
    return dg.AssetIn(SILVER.key, input_manager_key="silver_io_manager", **more)


class Downstream:
    """Runs an asset whose input is silver, and keeps what the input was."""

    def __init__(self, bucket: Bucket, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._io_manager = SilverIOManager(local_s3_root=str(bucket.root), contracts_dir=str(bucket.contracts_dir))
        self.loaded: list[Any] = []

    def asset(self, kind: Any, partitions_def: Any = None, **more: Any) -> dg.AssetsDefinition:
        def downstream(things: Any) -> None:
            self.loaded.append(things.collect() if isinstance(things, pl.LazyFrame) else things)

        downstream.__annotations__["things"] = kind
        return dg.asset(ins={"things": silver_input(**more)}, partitions_def=partitions_def)(downstream)

    def run(self, asset: dg.AssetsDefinition, **more: Any) -> dg.ExecuteInProcessResult:
        resources = {"silver_io_manager": self._io_manager, "io_manager": dg.mem_io_manager}
        definitions = dg.Definitions(assets=[SILVER, asset], resources=resources)
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=self._instance, raise_on_error=False, **more)


@pytest.fixture
def downstream(bucket: Bucket, instance: dg.DagsterInstance) -> Downstream:
    instance.add_dynamic_partitions("things_agencies", list(NAMES))
    return Downstream(bucket, instance)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (pl.DataFrame, pl.DataFrame.rows),
        (pl.LazyFrame, pl.DataFrame.rows),
        (Any, pl.DataFrame.rows),
        (pd.DataFrame, lambda frame: [tuple(row) for row in frame.to_dict("split")["data"]]),
    ],
    ids=["polars", "lazy", "no annotation", "pandas"],
)
def test_every_kind_of_frame_has_the_rows_that_sql_has(
    bucket: Bucket, downstream: Downstream, kind: Any, rows: Callable[[Any], list[tuple[Any, ...]]]
) -> None:
    columns = ["ident", "share", "flag", "agency"]
    asset = downstream.asset(kind, metadata={"columns": columns})

    assert downstream.run(asset).success

    sql = f"SELECT {', '.join(columns)} FROM things ORDER BY agency, size"
    expected = run_query(bucket.platform, sql, lambda result: list(result.rows()))
    assert sorted(rows(downstream.loaded[0])) == sorted(expected)
    assert len(expected) == 6


def test_pandas_has_nullable_types(downstream: Downstream) -> None:
    assert downstream.run(downstream.asset(pd.DataFrame, AGENCIES), partition_key="agency_a").success

    frame = downstream.loaded[0]
    found = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert found == {
        "ident": "string",
        "size": "Int64",
        "share": "Float64",
        "fee": "object",
        "flag": "boolean",
        "day": "datetime64[s]",
        "moment": "datetime64[us]",
        "hour": "object",
        "agency": "string",
    }
    assert frame["size"].isna().tolist() == [False, True]


def test_a_run_of_one_partition_loads_that_agency(downstream: Downstream) -> None:
    asset = downstream.asset(pl.DataFrame, AGENCIES)

    assert downstream.run(asset, partition_key="agency%20c").success

    assert downstream.loaded[0]["ident"].to_list() == ["a", "agency c"]


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`:dagster.BetaWarning")
def test_a_run_of_several_partitions_loads_those_agencies(downstream: Downstream, instance: dg.DagsterInstance) -> None:
    several = dg.BackfillPolicy.single_run()

    @dg.asset(ins={"things": silver_input()}, partitions_def=AGENCIES, backfill_policy=several)
    def downstream_of_several(things: pl.DataFrame) -> None:
        downstream.loaded.append(things)

    tags = {"dagster/asset_partition_range_start": "agency_a", "dagster/asset_partition_range_end": "agency_b"}
    assert downstream.run(downstream_of_several, tags=tags).success

    assert downstream.loaded[0]["agency"].unique(maintain_order=True).to_list() == ["agency_a", "agency_b"]


def test_all_partitions_are_one_frame_with_the_agency(downstream: Downstream) -> None:
    everything = dg.AllPartitionMapping()

    assert downstream.run(downstream.asset(pl.DataFrame, partition_mapping=everything)).success

    assert sorted(downstream.loaded[0]["agency"].unique()) == sorted(NAMES)


def test_an_agency_without_silver_is_an_empty_frame(downstream: Downstream, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("things_agencies", ["agency_x"])

    assert downstream.run(downstream.asset(pl.LazyFrame, AGENCIES), partition_key="agency_x").success

    assert downstream.loaded[0].height == 0
    assert downstream.loaded[0].schema["fee"] == pl.Decimal(10, 2)


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)


def test_another_annotation_is_refused_with_those_that_work(downstream: Downstream) -> None:
    said = failure(downstream.run(downstream.asset(dict)))

    assert "silver cannot be loaded as builtins.dict; annotate the input with one of polars.DataFrame" in said


def test_an_unknown_column_is_refused(downstream: Downstream) -> None:
    said = failure(downstream.run(downstream.asset(pl.DataFrame, metadata={"columns": ["sise"]})))

    assert "things has no column sise; did you mean size?" in said


def test_silver_cannot_be_written(downstream: Downstream) -> None:
    @dg.asset(io_manager_key="silver_io_manager")
    def careless() -> int:
        return 1

    assert "only the intake writes silver" in failure(downstream.run(careless))
