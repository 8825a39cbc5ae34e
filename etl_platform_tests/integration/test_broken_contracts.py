"""A contract in error in a running stack: real webserver, daemon, queue and runs."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.local.emulator import listen_on_loopback
from etl_platform.local.provision import open_clients
from etl_platform.local.stack import REPOSITORY, Stack
from etl_platform_tests.integration.dagster_ui import query
from etl_platform_tests.integration.deliveries import as_csv, officers

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
DEADLINE_S = 400.0
AGENCY = "nm_albuquerque"
TRAINING = b"officer_id,course_code,completed_on,hours\nA1,F,2026-01-02,3\n"
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"
RELOAD = """
mutation ($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) { __typename }
}"""
SIGN = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    isMaterializable groupName
    assetChecksOrError { ... on AssetChecks { checks {
      name executionForLatestMaterialization { status evaluation { description severity } }
    } } }
  } }
}"""


def test_only_the_files_of_a_contract_in_error_wait_and_they_follow_when_it_is_correct(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(REPOSITORY / "contracts", contracts)
    training = contracts / "training.odcs.yaml"
    good = training.read_text("utf-8")
    training.write_text(good.replace("name: expiry_after_completion", "name: file_is_on_time"), "utf-8")
    settings = {"CONTRACTS_DIR": str(contracts)}
    with Stack(tmp_path / "stack", poll_interval_s=1, settings=settings) as stack:
        with listen_on_loopback() as free:
            port = free.getsockname()[1]
        scene = _Scene(stack, stack.start_ui(port))
        (location,) = scene.locations()
        assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", "the location loads"
        scene.drop("Training.csv", TRAINING)
        scene.drop("Officer_Detail.csv", as_csv(officers("A", 4)))

        scene.wait(lambda: scene.silver("officer_detail") == {AGENCY}, "silver of the other dataset")
        scene.wait(lambda: len(scene.ignored()) == 1, "the record of the file that waits")
        ((code, message),) = scene.ignored()
        assert code == "contract_error"
        assert f"the file waits for its contract: {training}:" in message
        scene.wait(lambda: scene.sign("training")["status"] == "FAILED", "the red sign")
        red = scene.sign("training")
        assert "'file_is_on_time' is the name of a check of the platform" in red["evaluation"]["description"]
        assert red["evaluation"]["severity"] == "ERROR"
        assert scene.sign("officer_detail")["status"] == "SUCCEEDED"
        assert scene.silver("training") == set()

        training.write_text(good, "utf-8")
        query(scene.url, RELOAD, name=location["name"])

        scene.wait(lambda: scene.sign("training")["status"] == "SUCCEEDED", "the green sign")
        scene.wait(lambda: scene.silver("training") == {AGENCY}, "silver of the file that waited")
        scene.wait(scene.is_idle, "finished runs and an empty queue")
        assert {run.status for run in scene.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}


class _Scene:
    """What the test does to the stack and sees of it, as a sender and a person on call would."""

    def __init__(self, stack: Stack, url: str) -> None:
        self._stack, self.url = stack, url
        self.instance = dg.DagsterInstance.from_config(str(stack.dagster_home))

    def locations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = query(self.url, LOCATIONS)["workspaceOrError"]["locationEntries"]
        return found

    def sign(self, name: str) -> dict[str, Any]:
        """Status and evaluation of the contract's check; the status is empty before the first result."""
        node = query(self.url, SIGN, key={"path": ["contracts", name]})["assetNodeOrError"]
        (check,) = node["assetChecksOrError"]["checks"]
        assert (check["name"], node["isMaterializable"], node["groupName"]) == (
            "contract_is_valid",
            False,
            "contracts",
        )
        found: dict[str, Any] = check["executionForLatestMaterialization"] or {"status": ""}
        return found

    def drop(self, name: str, body: bytes) -> None:
        with open_clients(self._stack.emulator.endpoint_url) as aws:
            aws.s3.put_object(Bucket=self._stack.resources.bucket, Key=f"from_client/{AGENCY}/{name}", Body=body)

    def silver(self, dataset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(["silver", dataset])))

    def ignored(self) -> list[tuple[str, str]]:
        """Code and message of every file that was ignored."""
        bucket = self._stack.resources.bucket
        with open_clients(self._stack.emulator.endpoint_url) as aws:
            listed = aws.s3.list_objects_v2(Bucket=bucket, Prefix="reports/_ignored/").get("Contents", [])
            documents = [json.load(aws.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]) for item in listed]
        return [(error["code"], error["message"]) for document in documents for error in document["errors"]]

    def is_idle(self) -> bool:
        with open_clients(self._stack.emulator.endpoint_url) as aws:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            found = aws.sqs.get_queue_attributes(
                QueueUrl=self._stack.resources.queue_url,
                AttributeNames=names,  # type: ignore[arg-type]
            )
        depth = sum(int(number) for number in found["Attributes"].values())
        return depth == 0 and all(run.is_finished for run in self.instance.get_runs())

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self._stack.check()
            assert time.monotonic() < deadline, f"no {what} within {DEADLINE_S:.0f} s"
            time.sleep(0.5)
