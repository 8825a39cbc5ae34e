"""What a person does in Dagster's UI, as the GraphQL requests that the UI sends. No tests."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

_REPOSITORY = {"repositoryLocationName": "etl_platform", "repositoryName": "__repository__"}
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_BACKFILL_STATUS = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
_CHECKS = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks {
          checks {
            name
            jobNames
            executionForLatestMaterialization { status }
            partitionStatuses {
              ... on AssetCheckDefaultPartitionStatuses {
                SUCCEEDED: succeededPartitions
                FAILED: failedPartitions
                IN_PROGRESS: inProgressPartitions
                SKIPPED: skippedPartitions
                EXECUTION_FAILED: executionFailedPartitions
              }
            }
          }
        }
      }
    }
  }
}"""


@dataclass(frozen=True)
class ShownCheck:
    """A check as the UI shows it: its status by partition, and its latest status of any partition."""

    partitions: Mapping[str, str]
    latest: str | None


class DagsterUi:
    """The UI at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def launch(
        self,
        job: str = "__ASSET_JOB",
        *,
        assets: Collection[Sequence[str]] = (),
        checks: Collection[tuple[Sequence[str], str]] = (),
        partition: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Launch a run; its id. ``checks`` are pairs of an asset and a check's name."""
        selector: dict[str, Any] = _REPOSITORY | {"pipelineName": job}
        if assets or checks:
            selector["assetSelection"] = [{"path": list(path)} for path in assets]
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": list(path)}, "name": name} for path, name in checks
            ]
        tags = [{"key": "dagster/partition", "value": partition}] if partition else []
        params = {
            "selector": selector,
            "runConfigData": json.dumps(config or {}),
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        answer = query(self._url, _LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, partitions: Sequence[str] | None, assets: Collection[Sequence[str]]) -> str:
        """Start a backfill of assets; its id. Without ``partitions``, of all partitions of each asset."""
        chosen = {"allPartitions": True} if partitions is None else {"partitionNames": list(partitions)}
        params = chosen | {"assetSelection": [{"path": list(path)} for path in assets]}
        answer = query(self._url, _BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def backfill_status(self, backfill: str) -> str:
        return str(query(self._url, _BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

    def checks(self, asset: Sequence[str]) -> dict[str, ShownCheck]:
        """Every check of an asset, by name."""
        node = query(self._url, _CHECKS, key={"path": list(asset)})["assetNodeOrError"]
        found: dict[str, ShownCheck] = {}
        for check in node["assetChecksOrError"]["checks"]:
            latest = check["executionForLatestMaterialization"]
            by_status = check["partitionStatuses"] or {}
            partitions = {name: status for status, names in by_status.items() for name in names}
            found[check["name"]] = ShownCheck(partitions, latest["status"] if latest else None)
        return found


def query(url: str, text: str, **variables: Any) -> dict[str, Any]:
    """The data of a GraphQL query or mutation; an error fails the test."""
    body = json.dumps({"query": text, "variables": variables}).encode()
    with urlopen(Request(f"{url}/graphql", body, {"Content-Type": "application/json"}), timeout=60) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    data: dict[str, Any] = found["data"]
    return data
