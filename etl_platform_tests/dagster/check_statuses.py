"""The status of asset checks as Dagster's UI shows them, and as reports imply them. No tests."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from etl_platform.defs.check_results import FILE_CHECK, check_name
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.contract_rules import contract_rules


def shown_statuses(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], partitions: dg.PartitionsDefinition, agency: str
) -> dict[str, str]:
    """What GraphQL's ``partitionStatuses`` resolves to: by check name SUCCEEDED, FAILED and so on, if not missing."""
    found: dict[str, str] = {}
    with partition_loading_context(dynamic_partitions_store=instance):
        states = instance.event_log_storage.get_asset_check_state([(key, partitions) for key in keys])
    for key, state in states.items():
        for status, subset in state.subsets.items():
            if agency in subset.subset_value.get_partition_keys():
                assert key.name not in found, f"{key.name} has two statuses"
                found[key.name] = status.value
    return found


def implied_failures(report: Report, contract: Contract) -> set[str]:
    """The checks that must be red or amber according to the report of a file whose rows were checked."""
    broken = {check_name(rule.reason) for rule in contract_rules(contract) if report.check.reasons.get(rule.reason)}
    broken |= {check_name(rule.name) for rule in report.check.dataset_rules if not rule.passed}
    return broken | ({FILE_CHECK} if report.check.errors else set())
