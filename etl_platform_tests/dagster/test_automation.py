"""Assets downstream of silver that start by themselves: once for each agency whose silver changed."""

from typing import Any

import dagster as dg

from etl_platform.definitions import build_defs
from etl_platform.defs.datasets.partitions import agencies_of
from etl_platform_tests.dagster.workshop import AGENCY, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers

OTHER = "tx_el_paso"
SUMMARY = dg.AssetKey("officer_summary")


@dg.asset(
    key=SUMMARY,
    deps=[dg.AssetKey(["silver", "officer_detail"])],
    partitions_def=agencies_of("officer_detail"),
    automation_condition=dg.AutomationCondition.eager(),
)
def officer_summary() -> None:
    pass


class Automation:
    """The automation sensor of the code location, tick by tick."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop, self._cursor = workshop, None
        self._definitions = dg.Definitions.merge(
            build_defs(workshop.settings), dg.Definitions(assets=[officer_summary])
        )

    def tick(self) -> set[str]:
        """The agencies for which a run is requested."""
        found: Any = dg.evaluate_automation_conditions(
            self._definitions,
            self._workshop.instance,
            asset_selection=dg.AssetSelection.assets(SUMMARY),
            cursor=self._cursor,
        )
        self._cursor = found.cursor
        return set(found.get_requested_partitions(SUMMARY))


def test_a_run_starts_once_for_each_agency_whose_silver_changed(workshop: Workshop) -> None:
    automation = Automation(workshop)
    assert automation.tick() == set()
    files = [workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2)), agency) for agency in (AGENCY, OTHER)]
    workshop.ingest(*files)

    assert automation.tick() == {AGENCY, OTHER}
    assert automation.tick() == set()

    workshop.drop("Officer_Detail.csv", as_csv(officers("B", 3)), OTHER)
    workshop.ingest(files[1])
    assert automation.tick() == {OTHER}
    assert automation.tick() == set()


def test_a_refused_file_and_one_of_another_dataset_start_nothing(workshop: Workshop) -> None:
    automation = Automation(workshop)
    automation.tick()
    workshop.ingest(workshop.drop("Officer_Detail.csv", b"officer_id\nA1\n"))
    workshop.ingest(workshop.drop("Training.csv", b"officer_id,course_code,completed_on,hours\nA1,F,2026-01-02,3\n"))

    assert automation.tick() == set()
