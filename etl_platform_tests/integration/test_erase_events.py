"""Events of an erased delivery in Dagster's PostgreSQL, where all runs share one table."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.operations.erase_events import ErasedPartition, erase_events_of

SILVER = dg.AssetKey(["silver", "things"])


@pytest.fixture
def instance(new_database: Callable[[], str], tmp_path: Path) -> dg.DagsterInstance:
    url = new_database()
    (tmp_path / "dagster.yaml").write_text(
        f'telemetry: {{enabled: false}}\nstorage: {{postgres: {{postgres_url: "{url}"}}}}\n'
    )
    return dg.DagsterInstance.from_config(str(tmp_path))


def materialization(agency: str, delivery_id: str, value: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        SILVER, partition=agency, description=value, metadata={"delivery_id": delivery_id, "rows": 3, "preview": value}
    )


def test_only_events_of_the_erased_delivery_are_emptied(instance: dg.DagsterInstance) -> None:
    with instance:
        for agency, delivery_id, value in (("a", "aa11", "SECRET"), ("a", "bb22", "OPEN"), ("b", "cc33", "OPEN")):
            instance.report_runless_asset_event(materialization(agency, delivery_id, value))
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=SILVER,
                    check_name=f"check_{delivery_id}",
                    passed=False,
                    partition=agency,
                    metadata={"first_lines": f"{delivery_id} {value}"},
                )
            )
        erased = ErasedPartition("things", "a", frozenset({"aa11"}))

        listed = erase_events_of(instance, erased, dry_run=True)
        assert erase_events_of(instance, erased) == listed > 0
        assert erase_events_of(instance, erased) == 0

        records = instance.fetch_materializations(SILVER, limit=9).records
        found = [record.asset_materialization for record in records if record.asset_materialization]
        shown = {str(one.metadata["delivery_id"].value): "preview" in one.metadata for one in found}
        assert shown == {"aa11": False, "bb22": True, "cc33": True}
        assert instance.get_materialized_partitions(SILVER) == {"a", "b"}
