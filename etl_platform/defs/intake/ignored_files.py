"""The external asset ``operations/ignored_files``: one observation per ignored file that a person must look at."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_platform.defs.sources import FILE_EVENTS_QUEUE
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.ignored_files import IgnoredFile, file_to_look_at
from etl_platform.deliveries.report import Report
from etl_platform.object_keys import base_name, ignored_key

IGNORED_FILES = dg.AssetKey(["operations", "ignored_files"])


def build_ignored_files() -> dg.Definitions:
    spec = dg.AssetSpec(
        IGNORED_FILES,
        deps=[FILE_EVENTS_QUEUE],
        group_name=IGNORED_FILES.path[0],
        kinds={"s3"},
        description="Files without a contract or without an agency folder. Each has an event with the reason, and with "
        "the contract that its columns fit.\n\nExpected names, such as checksums and folder markers, have no event.",
    )
    return dg.Definitions(assets=[spec])


def ignored_event(report: Report) -> dg.AssetObservation | None:
    """The event of an ignored file; None if nobody needs to look at it.

    It has no partition: an ignored file may have no agency, and an agency that sent nothing else is not a partition.
    """
    file = file_to_look_at(report)
    if file is None:
        return None
    source = file.version
    return dg.AssetObservation(
        IGNORED_FILES,
        description=f"{base_name(source.key) or source.key}: {file.why}",
        metadata={
            "delivery_id": report.delivery_id,
            "outcome": str(report.outcome),
            "agency": file.agency or "(none)",
            "source": f"s3://{source.bucket}/{source.key}",
            "why": file.why,
            "report_key": ignored_key(report.delivery_id),
            "version": dg.MetadataValue.json(source.to_json()),
        },
    )


def ignored_since(instance: dg.DagsterInstance, since: datetime, limit: int) -> Iterator[IgnoredFile]:
    """The ignored files since then, the newest first, each version once."""
    wanted = dg.AssetRecordsFilter(IGNORED_FILES, after_timestamp=since.timestamp())
    seen: set[str] = set()
    for record in instance.fetch_observations(wanted, limit=limit).records:
        event = record.asset_observation
        if event is None or "version" not in event.metadata:
            continue
        values: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
        version = ObjectVersion.from_json(values["version"])
        if version.delivery_id not in seen:
            seen.add(version.delivery_id)
            agency = None if values["agency"] == "(none)" else str(values["agency"])
            yield IgnoredFile(version, agency, str(values["why"]), datetime.fromtimestamp(record.timestamp, UTC))
