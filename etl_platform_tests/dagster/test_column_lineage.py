"""What the instance tells of columns: the header as it was sent, and where silver's columns came from."""

from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.datasets.lineage import SENT_AS, column_lineage, header_schema
from etl_platform.engine.check import check_file
from etl_platform.engine.matched_columns import FileColumns
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.unit.making import contract_of, text

BRONZE = dg.AssetKey(["bronze", "officer_detail"])
SENT = b"Badge No,TAXID,Surname,appt date,shoe_size\n7,A1,Sample,2011-06-01,44\n8,A2,Sample,2012-06-01,\n"
PLAIN = b"officer_id,last_name,hire_date\nB1,Sample,2011-06-01\n"


def columns_of(material: dg.AssetMaterialization) -> list[tuple[str, str]]:
    schema = value_of(material.metadata, "dagster/column_schema")
    assert isinstance(schema, dg.TableSchema)
    return [(column.name, column.type) for column in schema.columns]


def came_from(material: dg.AssetMaterialization) -> dict[str, list[str]]:
    lineage = value_of(material.metadata, "dagster/column_lineage")
    assert isinstance(lineage, dg.TableColumnLineage)
    assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {BRONZE}
    return {column: [dep.column_name for dep in deps] for column, deps in lineage.deps_by_column.items()}


def test_silver_s_columns_lead_back_to_the_sender_s_own_names(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", SENT))

    (bronze,) = workshop.materializations("bronze", "officer_detail")
    (silver,) = workshop.materializations("silver", "officer_detail")
    sent = ["Badge No", "TAXID", "Surname", "appt date", "shoe_size"]
    assert columns_of(bronze) == [(name, "string") for name in sent]
    assert came_from(silver) == {
        "officer_id": ["TAXID"],
        "badge_number": ["Badge No"],
        "last_name": ["Surname"],
        "hire_date": ["appt date"],
    }
    assert (bronze.partition, silver.partition) == (AGENCY, AGENCY)


def test_the_open_source_ui_shows_the_sender_s_names_in_a_table(workshop: Workshop) -> None:
    """It hides the lineage entry itself."""
    workshop.ingest(workshop.drop("Officer_Detail.csv", SENT))

    (silver,) = workshop.materializations("silver", "officer_detail")
    table = silver.metadata[SENT_AS]
    assert isinstance(table, dg.TableMetadataValue)
    assert {row.data["column"]: [row.data[SENT_AS]] for row in table.records} == came_from(silver)


def test_the_columns_are_those_of_the_asset_that_dagster_shows_them_on(workshop: Workshop) -> None:
    """The UI draws an edge only where both ends name a column that is there."""
    from etl_platform.definitions import build_defs

    workshop.ingest(workshop.drop("Officer_Detail.csv", SENT))

    (bronze,) = workshop.materializations("bronze", "officer_detail")
    (silver,) = workshop.materializations("silver", "officer_detail")
    node = build_defs(workshop.settings).resolve_asset_graph().get(dg.AssetKey(["silver", "officer_detail"]))
    declared = {column.name for column in node.metadata["dagster/column_schema"].columns}
    edges = came_from(silver)
    assert edges.keys() <= declared
    assert {name for names in edges.values() for name in names} <= {name for name, _ in columns_of(bronze)}
    assert BRONZE in node.parent_keys


def test_each_delivery_carries_its_own_header_and_the_latest_is_last(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", SENT), workshop.drop("Officer_Detail.csv", PLAIN, "nc_durham"))
    workshop.ingest(workshop.drop("Officer_Detail.csv", PLAIN))

    found = [(m.partition, came_from(m)["officer_id"]) for m in workshop.materializations("silver", "officer_detail")]
    assert sorted(found[:2]) == [("nc_durham", ["officer_id"]), (AGENCY, ["TAXID"])]
    assert found[2] == (AGENCY, ["officer_id"])


def test_a_partition_read_again_tells_of_every_header_in_it(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", SENT), workshop.drop("Officers_reserve.csv", PLAIN))

    assert workshop.reprocess().success

    bronze = workshop.materializations("bronze", "officer_detail")[-1]
    silver = workshop.materializations("silver", "officer_detail")[-1]
    assert came_from(silver)["officer_id"] == ["TAXID", "officer_id"]
    assert came_from(silver)["badge_number"] == ["Badge No"]
    assert len(columns_of(bronze)) == 5 + 3


@pytest.mark.parametrize("content", [b"", b"officer_id,last_name\nA1,Sample\n"], ids=["unreadable", "incomplete"])
def test_a_refused_file_shows_the_header_that_it_has(workshop: Workshop, content: bytes) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", content))

    (bronze,) = workshop.materializations("bronze", "officer_detail")
    assert workshop.outcomes == ["rejected"]
    if content:
        assert columns_of(bronze) == [("officer_id", "string"), ("last_name", "string")]
    else:
        assert "dagster/column_schema" not in bronze.metadata


def test_a_column_made_of_several_leads_back_to_each_of_them(tmp_path: Path) -> None:
    made = text("moment", transformLogic="day || hour")
    contract = contract_of([text("day"), text("hour"), text("note"), made])
    path = tmp_path / "things.csv"
    path.write_text("Day,HOUR\n2026-01-05,10\n", "utf-8")
    metadata = column_lineage([check_file(path, contract, tmp_path).columns], contract)
    lineage = metadata["dagster/column_lineage"]
    sent = {column: [dep.column_name for dep in deps] for column, deps in lineage.deps_by_column.items()}
    assert sent == {"day": ["Day"], "hour": ["HOUR"], "moment": ["Day", "HOUR"]}


def test_a_record_without_columns_tells_nothing() -> None:
    """A record may be older than this field, or its file gone."""
    assert column_lineage([FileColumns()], contract_of([text("a")])) == {}
    assert header_schema([FileColumns(), FileColumns()]) == {}
