"""Run config of the intake job, and the conversion between it and the values of ``deliveries``."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import dagster as dg
from pydantic import Field

from etl_platform.deliveries.batch import BatchMessage
from etl_platform.deliveries.delivery import ObjectVersion, parse_time
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.plan_runs import QueuedFile


class QueuedDelivery(dg.Config):
    """One object of one queue message. Only bucket and key are required; a HEAD request completes the version."""

    bucket: str = Field(description="The bucket of the delivered file.")
    key: str = Field(description="The key of the file: from_client/<agency>/<file name>.")
    version_id: str | None = Field(default=None, description="The object's version; the latest one by default.")
    etag: str | None = Field(default=None, description="The eTag that the object must have, if no version is given.")
    size_bytes: int | None = Field(default=None, description="The object's size, from its event.")
    sequencer: str | None = Field(
        default=None, description="The event's sequencer: the order among versions of one key."
    )
    event_time: str | None = Field(default=None, description="When the file was uploaded, in ISO 8601. From its event.")
    message_id: str | None = Field(
        default=None, description="Set by the sensor: the queue message that announced the file."
    )
    receipt_handle: str | None = Field(
        default=None, description="Set by the sensor: with it the run deletes the message."
    )
    receive_count: int = Field(default=1, description="Set by the sensor: how often the message was received.")
    received_at: float | None = Field(default=None, description="Set by the sensor: when, in seconds since 1970.")
    redriven_by: str | None = Field(
        default=None, description="Set by the sensor: who sent the message back from the dead-letter queue."
    )

    @property
    def version(self) -> ObjectVersion:
        return ObjectVersion(
            self.bucket,
            self.key,
            self.version_id,
            self.etag,
            self.size_bytes,
            self.sequencer,
            parse_time(self.event_time),
        )


class ReplayConfig(dg.Config):
    """For a run of a partition."""

    delivery_ids: list[str] = Field(
        default_factory=list,
        description="The deliveries to read again; if empty, the newest of every source key of the partition.",
    )
    only_outdated: bool = Field(
        default=False,
        description="Of these, only files that another contract or overlay has read. Not with deliveries.",
    )
    by: str | None = Field(default=None, description="The person who asked for it, for the report.")


EXAMPLE_BUCKET = "<bucket>"
_EXAMPLE: Any = [{"bucket": EXAMPLE_BUCKET, "key": "from_client/<agency>/<File>.csv"}]
"""The default, because the Launchpad shows defaults. A run of no partition that still has it fails."""


class IngestConfig(dg.Config):
    """The deliveries of a batch. The run of a partition has none."""

    deliveries: list[QueuedDelivery] = Field(
        default=_EXAMPLE, description="The files to take in: bucket and key of each. A run of a partition ignores them."
    )
    replay: ReplayConfig = ReplayConfig()


def messages_of(deliveries: Sequence[QueuedDelivery], intake: Intake) -> list[BatchMessage]:
    """The messages of a batch, with their files routed. Deliveries of the same message are adjacent in the config."""
    router = intake.waiting_router()
    return [
        BatchMessage(tuple(router.route(one.version) for one in group), *message)
        for message, group in groupby(
            deliveries,
            key=lambda one: (one.message_id, one.receipt_handle, one.receive_count, one.received_at, one.redriven_by),
        )
    ]


def config_of_versions(versions: Iterable[ObjectVersion]) -> dict[str, Any]:
    """Run config for objects that did not come from the queue."""
    return run_config(deliveries=[_described(version) for version in versions])


def config_of_files(files: Iterable[QueuedFile], received_at: float) -> dict[str, Any]:
    """Run config for the files of queue messages, received at ``received_at`` (epoch seconds)."""
    return run_config(
        deliveries=[
            {
                **_described(file.version),
                "message_id": file.message_id,
                "receipt_handle": file.receipt_handle,
                "receive_count": file.receive_count,
                "received_at": received_at,
                "redriven_by": file.redriven_by,
            }
            for file in files
        ]
    )


def run_config(**config: Any) -> dict[str, Any]:
    return {"ops": {"ingest": {"config": config}}}


def deliveries_of(run: dg.DagsterRun) -> list[dict[str, Any]]:
    """The deliveries in a run's config, with the fields of ``QueuedDelivery``; none for another job."""
    ops: Any = run.run_config.get("ops", {})
    return list(ops.get("ingest", {}).get("config", {}).get("deliveries", ()))


def message_ids_of(run: dg.DagsterRun) -> set[str]:
    """The ids of the queue messages in a run's config; empty for another job."""
    return {item["message_id"] for item in deliveries_of(run) if item.get("message_id")}


def _described(version: ObjectVersion) -> dict[str, Any]:
    # Its fields are plain values; ``asdict`` copies each of them, for 1,000 files of a tick.
    described = dict(vars(version))
    time = described.pop("last_modified")
    return described | {"event_time": time.isoformat() if time else None}
