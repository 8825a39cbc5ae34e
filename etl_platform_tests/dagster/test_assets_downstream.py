"""The examples of docs/extend/use-silver.md: what they load, and when Dagster requests their runs."""

import re
from typing import Any

import dagster as dg
import polars as pl

from etl_platform.definitions import build_defs
from etl_platform.defs.silver_io_manager import SilverIOManager
from etl_platform.platform import Platform
from etl_platform.tables.silver_frames import read_silver
from etl_platform.tables.sql_query import run_query
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.unit.making import PROJECT

PAGE = (PROJECT / "docs" / "extend" / "use-silver.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HEADER = "officer_id,last_name,first_name,hire_date,dob,employment_status,rank,termination_date\n"
OFFICER = "{0},Samplebex,Jo,2001-02-03,1970-01-01,ACTIVE,{1},\n"
DIRTY = HEADER + OFFICER.format("A1", "SERGEANT") + OFFICER.format("A2", "SERGEANT").replace("2001-02-03", "soon")
REFUSED = "officer_id\nA1\n"
COURSES = "officer_id,course_code,completed_on,hours\nA1,F1,2026-01-31,{0}\nA1,F2,2026-01-31,4\n"


def roster(*ranks: str) -> bytes:
    rows = (OFFICER.format(f"A{number}", rank) for number, rank in enumerate(ranks, 1))
    return (HEADER + "".join(rows)).encode()


def example(part: str) -> dict[str, Any]:
    """What the code block of the page that contains ``part`` defines."""
    (code,) = (block for block in EXAMPLES if part in block)
    names: dict[str, Any] = {"dg": dg}
    exec(compile(code, "use-silver.md", "exec"), names)
    return names


class Automation:
    """Dagster's evaluation of an asset's automation condition, tick by tick, and the runs that it requests."""

    def __init__(self, workshop: Workshop, asset: dg.AssetsDefinition, location: dg.Definitions) -> None:
        self.key = asset.key
        self._workshop, self._location, self._cursor = workshop, location, None
        self.tick()

    def tick(self) -> set[Any]:
        """The partitions that this tick requests."""
        result = dg.evaluate_automation_conditions(
            self._location, self._workshop.instance, dg.AssetSelection.assets(self.key), cursor=self._cursor
        )
        self._cursor = result.cursor
        return set(result.get_requested_partitions(self.key))

    def run(self, agency: str) -> dict[str, Any]:
        """Run the asset for an agency; the metadata of its materialization."""
        result = self._location.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self._workshop.instance, partition_key=agency, asset_selection=[self.key]
        )
        (event,) = result.asset_materializations_for_node(self.key.path[-1])
        return {name: value.value for name, value in event.metadata.items()}


def deliver(workshop: Workshop, agency: str, content: bytes, name: str = "Officer_Detail.csv") -> list[str]:
    workshop.ingest(workshop.drop(name, content, agency))
    return workshop.outcomes


def in_this_location(workshop: Workshop, asset: dg.AssetsDefinition) -> Automation:
    """The asset beside the platform's own, as a file in ``defs/`` is."""
    return Automation(workshop, asset, dg.Definitions.merge(build_defs(workshop.settings), dg.Definitions([asset])))


def test_eager_requests_one_run_for_each_agency_whose_silver_changed(workshop: Workshop) -> None:
    automation = in_this_location(workshop, example("def officers_per_rank")["officers_per_rank"])
    assert deliver(workshop, "agency_a", roster("CHIEF", "SERGEANT", "SERGEANT")) == ["accepted"]
    assert deliver(workshop, "agency_b", roster("CHIEF")) == ["accepted"]

    assert automation.tick() == {"agency_a", "agency_b"}
    assert automation.tick() == set()
    assert automation.run("agency_a")["dagster/row_count"] == 2
    assert automation.run("agency_b")["dagster/row_count"] == 1
    assert automation.tick() == set()

    assert deliver(workshop, "agency_b", roster("CHIEF", "CAPTAIN")) == ["accepted"]
    assert automation.tick() == {"agency_b"}
    assert automation.run("agency_b")["dagster/row_count"] == 2

    assert deliver(workshop, "agency_a", REFUSED.encode()) == ["rejected"]
    assert deliver(workshop, "agency_a", roster("CHIEF"), "Other.csv") == ["ignored"]
    assert automation.tick() == set()

    assert deliver(workshop, "agency_c", DIRTY.encode()) == ["accepted"]
    assert automation.tick() == {"agency_c"}


def test_a_condition_on_checks_waits_until_the_checks_of_the_agency_are_green(workshop: Workshop) -> None:
    asset: dg.AssetsDefinition = example("def officers_per_rank")["officers_per_rank"]
    condition = example("check_failed()")["condition"]
    careful = asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=condition))
    automation = in_this_location(workshop, careful)

    assert deliver(workshop, "agency_a", roster("CHIEF")) == ["accepted"]
    assert deliver(workshop, "agency_b", DIRTY.encode()) == ["accepted"]
    assert automation.tick() == {"agency_a"}
    assert automation.tick() == set()

    assert deliver(workshop, "agency_b", roster("SERGEANT")) == ["accepted"]
    assert automation.tick() == {"agency_b"}


def test_the_asset_of_another_code_location_loads_the_rows_that_sql_has(workshop: Workshop) -> None:
    names = example("def training_hours")
    resources = {"silver_io_manager": SilverIOManager.of(workshop.settings)}
    location = dg.Definitions([names["training"], names["training_hours"]], resources=resources)
    automation = Automation(workshop, names["training_hours"], location)
    deliver(workshop, "agency_a", COURSES.format(7.5).encode(), "Training.csv")
    deliver(workshop, "agency_b", COURSES.format(1).encode(), "Training.csv")

    assert automation.tick() == {"agency_a", "agency_b"}
    assert {agency: automation.run(agency)["hours"] for agency in ("agency_a", "agency_b")} == {
        "agency_a": 11.5,
        "agency_b": 5.0,
    }

    sql = "SELECT agency, sum(hours) FROM training GROUP BY agency ORDER BY agency"
    platform = Platform(workshop.settings)
    assert run_query(platform, sql, lambda found: list(found.rows())) == [("agency_a", 11.5), ("agency_b", 5.0)]
    frame = read_silver(platform, "training")
    assert frame.group_by("agency").agg(pl.sum("hours")).sort("agency").rows() == [
        ("agency_a", 11.5),
        ("agency_b", 5.0),
    ]
