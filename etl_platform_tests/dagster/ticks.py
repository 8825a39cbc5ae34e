"""One tick of the sensor over a queue that counts what it is asked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from etl_platform.aws.queue import Message
from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.settings import Settings


class CountedQueue:
    """A queue of waiting bodies that remembers how often it was asked."""

    def __init__(self, *agencies: str, receives: int = 1) -> None:
        self.waiting = [
            Message(
                f"m-{agency}", f"h-{agency}", json.dumps(_event(f"from_client/{agency}/Officer_Detail.csv")), receives
            )
            for agency in agencies
        ]
        self.receives = 0
        self.given_back: list[str] = []

    def receive(self, limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        self.receives += 1
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        return []

    def depth(self) -> tuple[int, int]:
        return len(self.waiting), 0

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        if timeout_s == 0:
            self.given_back += receipt_handles
        return []


def _event(key: str) -> dict[str, Any]:
    place = {"bucket": {"name": "local"}, "object": {"key": key, "size": 10, "versionId": "v"}}
    return {"Records": [{"eventVersion": "2.1", "eventName": "ObjectCreated:Put", "s3": place}]}


def tick(instance: dg.DagsterInstance, queue: CountedQueue, **settings: Any) -> Any:
    """What the sensor asks for, over a queue of the test's own."""
    platform = Platform(Settings(local_s3_root=Path("no objects are touched"), **settings))
    platform.queue = lambda _work_queue: queue  # type: ignore[assignment]
    definitions = build_defs(platform.settings, platform=platform)
    with dg.build_sensor_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
    ) as context:
        return definitions.resolve_sensor_def("file_arrivals_sensor").evaluate_tick(context)
