"""Code and data versions of bronze and silver, as tags of their events. Dagster compares them to find stale partitions.

A partition of silver is stale if an older version of the contract wrote it. It is not stale because of a file that was
refused after that: materializing it again would not change it.
"""

from collections.abc import Sequence

import dagster as dg

from etl_platform.deliveries.partition_state import PartitionContent
from etl_platform.deliveries.report import Report

_DATA_VERSION, _CODE_VERSION = "dagster/data_version", "dagster/code_version"
_NO_EVENT = "NULL"


def bronze_tags(report: Report) -> dict[str, str]:
    """The data version of bronze: the delivered bytes."""
    return {_DATA_VERSION: report.sha256} if report.sha256 else {}


def bronze_version(reports: Sequence[Report]) -> dg.DataVersion | None:
    """The data version of bronze after several files were read again: that of the last one."""
    return dg.DataVersion(reports[-1].sha256) if reports[-1].sha256 else None


def silver_tags(report: Report, content: PartitionContent) -> dict[str, str]:
    """The data version of silver is that of all its objects; its code version is the version of the contract."""
    code_version = report.contract.version if report.contract else ""
    tags = {_DATA_VERSION: content.version, "dagster/data_version_is_user_provided": "true"}
    return tags | {_CODE_VERSION: code_version} | input_tags(report)


def input_tags(report: Report) -> dict[str, str]:
    """Silver was derived from bronze, and from no event in particular: see the module's docstring."""
    bronze = f"bronze/{report.dataset}"
    return {
        f"dagster/input_data_version/{bronze}": report.sha256 or "",
        f"dagster/input_event_pointer/{bronze}": _NO_EVENT,
    }
