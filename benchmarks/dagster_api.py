"""Calls of Dagster's GraphQL API for ``benchmarks.burst``: launch runs, start and stop the sensor, read its ticks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

_REPOSITORY = {"repositoryLocationName": "etl_platform", "repositoryName": "__repository__"}
_SENSOR = _REPOSITORY | {"sensorName": "file_arrivals_sensor"}
_LAUNCH = """
mutation ($job: JobOrPipelineSelector!, $config: RunConfigData!) {
  launchRun(executionParams: {selector: $job, runConfigData: $config}) {
    __typename
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_STATE = """
query ($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { id ticks(limit: 1, statuses: [SUCCESS]) { timestamp endTimestamp runIds } } }
  }
}"""
_IN_PROGRESS = """
query ($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 1, statuses: [STARTED]) { timestamp } } }
  }
}"""
_STOP = "mutation ($id: String!) { stopSensor(id: $id) { __typename } }"
_START = "mutation ($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }"
_COUNT = "{ runsOrError { ... on Runs { count } } }"
_UNFINISHED = """{
  runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) { ... on Runs { count } }
}"""


@dataclass(frozen=True)
class Tick:
    """A tick that requested runs; ``started`` in epoch seconds."""

    started: float
    seconds: float
    runs: int


class DagsterApi:
    """Every method raises SystemExit with Dagster's answer if a call fails."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"

    def launch(self, job: str, config: Mapping[str, Any]) -> None:
        answer = self._query(_LAUNCH, job=_REPOSITORY | {"pipelineName": job}, config=json.dumps(config))["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise SystemExit(f"Dagster did not launch {job}: {answer}")

    def runs(self) -> int:
        return int(self._query(_COUNT)["runsOrError"]["count"])

    def unfinished_runs(self) -> int:
        return int(self._query(_UNFINISHED)["runsOrError"]["count"])

    def stop_sensor(self) -> None:
        self._query(_STOP, id=self._state()["id"])

    def is_ticking(self) -> bool:
        """Whether a tick is in progress. It waits for messages up to 20 s, also after the sensor was stopped."""
        return bool(self._query(_IN_PROGRESS, sensor=_SENSOR)["sensorOrError"]["sensorState"]["ticks"])

    def start_sensor(self) -> None:
        self._query(_START, sensor=_SENSOR)

    def last_tick(self) -> Tick | None:
        """The sensor's latest completed tick that started runs."""
        for tick in self._state()["ticks"]:
            if tick["endTimestamp"] is not None:
                return Tick(tick["timestamp"], tick["endTimestamp"] - tick["timestamp"], len(tick["runIds"]))
        return None

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._query(_STATE, sensor=_SENSOR)["sensorOrError"]["sensorState"]
        return state

    def _query(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        with urlopen(Request(self._url, body, {"Content-Type": "application/json"}), timeout=60) as answer:
            found = json.load(answer)
        if "errors" in found:
            raise SystemExit(f"Dagster's API: {found['errors']}")
        data: dict[str, Any] = found["data"]
        return data
