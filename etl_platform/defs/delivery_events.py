"""The Dagster events of a delivery, built from its report: materializations, observations and check results."""

from collections.abc import Iterator

import dagster as dg

from etl_platform.defs.check_results import check_outcomes
from etl_platform.defs.delivery_metadata import bronze_metadata, columns_of, silver_metadata
from etl_platform.defs.lineage import header_schema
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract

# An older version of a file, or the same once more, leaves the event of the newest one as the partition's latest.
_MATERIALIZED = frozenset({Outcome.ACCEPTED, Outcome.REJECTED})


def delivery_events(
    report: Report, outcome: Outcome, contract: Contract, *, repeated: bool = False
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]:
    """All events of one delivery, each under the partition of its agency.

    Bronze has exactly one event. It is a materialization of refused files too, even of one that was deleted before it
    was read: otherwise its sender would look like one that never sent a file.

    Args:
        repeated: whether events of the delivery were logged before; metrics then do not count these.
    """
    dataset, agency = report.partition
    bronze, silver = dg.AssetKey(["bronze", dataset]), dg.AssetKey(["silver", dataset])
    about = bronze_metadata([report], outcome) | ({"repeated": True} if repeated else {})
    if outcome in _MATERIALIZED:
        yield dg.AssetMaterialization(
            bronze,
            description=about["verdict"],
            metadata=about | header_schema(columns_of([report])),
            partition=agency,
        )
    else:
        yield dg.AssetObservation(bronze, description=about["verdict"], metadata=about, partition=agency)
    if outcome is Outcome.ACCEPTED:
        yield dg.AssetMaterialization(silver, metadata=silver_metadata([report], contract), partition=agency)
    if outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
        for check in check_outcomes([report], contract):
            yield dg.AssetCheckEvaluation(
                asset_key=silver,
                check_name=check.name,
                passed=check.passed,
                metadata=check.metadata,
                severity=check.severity,
                description=check.description,
                partition=agency,
            )


def logged_outcome(event: dg.AssetMaterialization | dg.AssetObservation) -> Outcome | None:
    """The outcome of the delivery that an event of a bronze asset counts for; None for every other event.

    Not counted are the event of a reprocessed partition, which is about several files, events that people report by
    hand, and a second event of one delivery, which earlier releases logged.
    """
    outcome = event.metadata.get("outcome")
    if event.asset_key.path[0] != "bronze" or event.partition is None or outcome is None or "files" in event.metadata:
        return None
    found = Outcome(str(outcome.value))
    return found if (found in _MATERIALIZED) == isinstance(event, dg.AssetMaterialization) else None


def is_repeated_event(event: dg.AssetMaterialization | dg.AssetObservation) -> bool:
    """Whether events of the delivery were logged before this one."""
    return "repeated" in event.metadata
