"""From the queue to the pod's command: a file dropped into S3 becomes silver through the chart's own configuration.

Real: the daemon, the sensor, the run queue, the K8sRunLauncher, PostgreSQL, the code server and the run, each with the
command and the environment that the chart renders. Stand-ins: AWS is the emulator, Kubernetes is ``Cluster``.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from kubernetes.client import BatchV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from etl_platform.defs.operations import retention
from etl_platform.local.emulator import LOOPBACK, Emulator
from etl_platform.local.postgres import postgres_server
from etl_platform.local.processes import ProcessTree, last_lines
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, Provisioned, open_clients, provision
from etl_platform.local.samples import Sample, build_samples
from etl_platform.local.stack import inherited_environment
from etl_platform_tests.deploy.cluster import Body, Cluster, kubeconfig
from etl_platform_tests.deploy.helm_chart import (
    KUBERNETES,
    NAMESPACE,
    RELEASE,
    copy_chart,
    dagster_yaml,
    objects,
    one,
    template,
)
from etl_platform_tests.deploy.ports import free_port

REPOSITORY, TAG = "example.com/etl-file-processing", "1.2.3"
_BIN = Path(sys.executable).parent
_WITHIN_S = 180.0
# As the UI starts a job, or materializes a partition from an asset's page.
_LAUNCH = """mutation ($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]!) {
  launchPipelineExecution(executionParams: {selector: $selector, executionMetadata: {tags: $tags}}) {
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""


class Deployment:
    """The chart as far as one machine goes: its daemon and code server as processes, its runs on ``cluster``."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root, self._stack = root, stack
        self._processes: list[ProcessTree] = []
        emulator = stack.enter_context(Emulator(root, environment=inherited_environment()))
        self.endpoint_url = emulator.endpoint_url
        self.resources: Provisioned = provision(emulator.endpoint_url)
        database = stack.enter_context(postgres_server())
        self.cluster = Cluster(KUBERNETES, root, {}, {}, self._node_environment())
        self._home = self.cluster.place("/opt/dagster/dagster_home")
        self._workspace = self.cluster.place("/dagster-workspace")
        self.kubeconfig = root / "kubeconfig.yaml"
        self.kubeconfig.write_text(kubeconfig(stack.enter_context(self.cluster.api())))
        self._rendered = self._render(str(database.get_postmaster_info().socket_dir))
        config_maps = (item for item in self._rendered if item["kind"] == "ConfigMap")
        self.cluster.config_maps |= {item["metadata"]["name"]: item["data"] for item in config_maps}
        self.cluster.secrets |= {
            "file-processing-secrets": {},
            "file-processing-postgresql": {"postgresql-password": "any"},
        }

    @property
    def code_container(self) -> Body:
        return self._container("file-processing-code")

    def _container(self, deployment: str) -> Body:
        container: Body = one(self._rendered, "Deployment", deployment)["spec"]["template"]["spec"]["containers"][0]
        return container

    def start(self) -> None:
        """Start code server and daemon, each with its container's command, and both on loopback."""
        self._home.mkdir(parents=True)
        (self._home / "dagster.yaml").write_text(dagster_yaml(self._rendered))
        port = str(free_port())
        of_this_machine = {"0.0.0.0": LOOPBACK, "3030": port}
        command = [of_this_machine.get(word, word) for word in self.code_container["command"]]
        self._process("code", [_BIN / command[0], *command[1:]], self.code_container)
        self._workspace.mkdir()
        here = yaml.safe_load(self.cluster.config_maps[f"{RELEASE}-dagster-workspace-yaml"]["workspace.yaml"])
        here["load_from"][0]["grpc_server"] |= {"host": LOOPBACK, "port": int(port)}
        (self._workspace / "workspace.yaml").write_text(yaml.safe_dump(here))
        daemon = self._container("file-processing-daemon")
        command = [word.replace("/dagster-workspace", str(self._workspace)) for word in daemon["command"]]
        self._process("daemon", [_BIN / command[0], *command[1:]], daemon)

    def materialize(self, dataset: str, agency: str, **more_tags: str) -> str:
        """Start a run of one partition of bronze and silver; its id."""
        assets = [{"path": [layer, dataset]} for layer in ("bronze", "silver")]
        return self.launch("__ASSET_JOB", {"assetSelection": assets}, {"dagster/partition": agency} | more_tags)

    def launch(self, job: str, selection: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Ask Dagster's GraphQL for a run of a job, as its UI does; the run's id."""
        selector = {
            "repositoryLocationName": "etl-platform",
            "repositoryName": "__repository__",
            "jobName": job,
            **selection,
        }
        variables = {"selector": selector, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
        asked = ["--workspace", self._workspace / "workspace.yaml", "--text", _LAUNCH, "--variables"]
        done = subprocess.run(
            [_BIN / "dagster-graphql", *asked, json.dumps(variables)], capture_output=True, text=True, check=True
        )
        answer = json.loads(done.stdout)["data"]["launchPipelineExecution"]
        run_id: str = answer["run"]["runId"]
        return run_id

    def open_instance(self) -> dg.DagsterInstance:
        return self._stack.enter_context(dg.DagsterInstance.from_config(str(self._home)))

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not condition():
            for process in self._processes:
                process.check()
            assert time.monotonic() < deadline, f"{what} did not hold within {_WITHIN_S:.0f} s\n{self._tails()}"
            time.sleep(0.2)

    def _process(self, name: str, command: Sequence[Path | str], container: Body) -> None:
        environment = self.cluster.environment(container)
        log = self.root / f"{name}.log"
        process = ProcessTree(name, command, environment=environment, working_dir=self.root, log=log, grace_s=20)
        self._processes.append(self._stack.enter_context(process))

    def _tails(self) -> str:
        return "\n".join(f"{path.name}:\n{last_lines(path, 40)}" for path in sorted(self.root.glob("*.log")))

    def _node_environment(self) -> dict[str, str]:
        """PATH, and credentials as the service account's role gives them on EKS."""
        return {
            **inherited_environment(),
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY_SECRET,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _render(self, socket_folder: str) -> list[Body]:
        """The chart's objects; what differs from a cluster is where AWS, PostgreSQL and Kubernetes are."""
        image = {"repository": REPOSITORY, "tag": TAG, "pullPolicy": "IfNotPresent"}
        made = self.resources
        values: Mapping[str, Any] = {
            "image": image,
            "config": {
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_REGION": REGION,
                "DATA_BUCKET_NAME": made.bucket,
                "FILE_EVENTS_QUEUE_URL": made.queue_url,
                "FILE_EVENTS_DLQ_URL": made.dlq_url,
                "GATEWAY_ALLOWED_TOPIC_ARNS": made.topic_arn,
                "POLL_INTERVAL_SECONDS": 1,
            },
            "networkPolicies": {"gatewayFrom": [{"podSelector": {}}]},
            "dagster": {
                "dagsterWebserver": {"image": image},
                "postgresql": {
                    "postgresqlHost": "localhost",
                    "postgresqlUsername": "postgres",
                    "postgresqlDatabase": "postgres",
                    "postgresqlParams": {"host": socket_folder, "sslmode": "disable"},
                },
                "runLauncher": {
                    "config": {
                        "customRunLauncher": {
                            "config": {"load_incluster_config": False, "kubeconfig_file": str(self.kubeconfig)}
                        }
                    }
                },
                "computeLogManager": {"config": {"s3ComputeLogManager": {"endpointUrl": self.endpoint_url}}},
            },
        }
        file = self.root / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        done = template(copy_chart(self.root), [file])
        assert done.returncode == 0, done.stderr
        return objects(done.stdout)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        made = Deployment(tmp_path_factory.mktemp("deployment"), stack)
        # This process opens the instance as well, and asks the emulator.
        for name, value in made.cluster.environment(made.code_container).items():
            patch.setenv(name, value)
        made.start()
        yield made


def test_a_dropped_file_becomes_silver_through_a_job_of_the_cluster(deployment: Deployment) -> None:
    sample = _sample()
    cluster, made = deployment.cluster, deployment.resources
    with open_clients(deployment.endpoint_url) as aws:
        aws.s3.put_object(Bucket=made.bucket, Key=sample.key, Body=sample.content)
        deployment.wait(lambda: cluster.jobs, "a job of the cluster")
        instance = deployment.open_instance()
        (name,) = cluster.jobs
        deployment.wait(lambda: instance.get_runs()[0].is_finished, "the end of the run")
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS, cluster.logs(name)
        deployment.wait(lambda: cluster.read(name)[1]["status"].get("succeeded"), "the end of its pod")
        keys = [item["Key"] for item in aws.s3.list_objects_v2(Bucket=made.bucket)["Contents"]]
        attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = aws.sqs.get_queue_attributes(QueueUrl=made.queue_url, AttributeNames=attributes)["Attributes"]
    assert cluster.refused == []
    assert run.job_name == "s3_data_quality_job"
    assert run.tags["dagster/image"] == f"{REPOSITORY}:{TAG}"
    assert [key for key in keys if key.startswith(f"silver/{sample.dataset}/agency={sample.agency}/")]
    assert [key for key in keys if key.startswith(f"reports/{sample.dataset}/agency={sample.agency}/")]
    assert [key for key in keys if key.startswith(f"dagster/compute_logs/storage/{run.run_id}/")]
    assert set(left.values()) == {"0"}, "the run deletes its message"
    _assert_pod_is_confined(cluster.jobs[name])
    _assert_logged_as_json(cluster.logs(name), run.run_id)


def test_a_partition_that_a_person_materializes_is_a_job_of_the_cluster_and_logs_json(deployment: Deployment) -> None:
    sample, cluster = _sample(), deployment.cluster
    run_id = deployment.materialize(sample.dataset, sample.agency)
    instance = deployment.open_instance()
    deployment.wait(lambda: _run(instance, run_id).is_finished, "the end of the run")
    name = f"dagster-run-{run_id}"
    assert _run(instance, run_id).status is dg.DagsterRunStatus.SUCCESS, cluster.logs(name)
    _assert_logged_as_json(cluster.logs(name), run_id)


def test_a_run_of_the_job_that_erases_is_a_job_with_a_service_account_of_its_own(deployment: Deployment) -> None:
    run_id = deployment.launch(retention.JOB_NAME, {}, {})
    instance = deployment.open_instance()
    deployment.wait(lambda: _run(instance, run_id).is_finished, "the end of the run")
    name = f"dagster-run-{run_id}"
    assert _run(instance, run_id).status is dg.DagsterRunStatus.SUCCESS, deployment.cluster.logs(name)
    _assert_pod_is_confined(deployment.cluster.jobs[name], account="file-processing-retention")


def test_a_run_whose_tag_would_change_its_pod_fails_and_gets_no_pod(deployment: Deployment) -> None:
    sample, cluster = _sample(), deployment.cluster
    foreign = {
        "container_config": {"image": "attacker.example.com/x", "securityContext": {"privileged": True}},
        "pod_spec_config": {"hostNetwork": True, "serviceAccountName": "default"},
    }
    tags = {"dagster-k8s/config": json.dumps(foreign), "dagster/max_retries": "0"}
    run_id = deployment.materialize(sample.dataset, sample.agency, **tags)
    instance = deployment.open_instance()
    deployment.wait(lambda: _run(instance, run_id).is_finished, "the end of the run")
    assert _run(instance, run_id).status is dg.DagsterRunStatus.FAILURE
    assert f"dagster-run-{run_id}" not in cluster.jobs
    said = " ".join(str(record.event_log_entry) for record in instance.get_records_for_run(run_id).records)
    assert "the run has the tag dagster-k8s/config, which would change its pod; start it again without the tag" in said


def test_the_cluster_refuses_a_job_that_a_real_one_would_refuse(deployment: Deployment) -> None:
    client = BatchV1Api(new_client_from_config(str(deployment.kubeconfig)))
    pod = {"containers": [{"name": "x", "image": REPOSITORY}], "restartPolicy": "Never"}
    spec = {"backoffLimits": 3, "template": {"spec": pod}}
    wrong = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(ApiException) as refused:
        client.create_namespaced_job(NAMESPACE, wrong)
    assert refused.value.status == 422
    assert "backoffLimits" in refused.value.body
    deployment.cluster.refused.clear()


def _assert_pod_is_confined(job: Body, account: str = "file-processing-sa") -> None:
    assert job["metadata"]["namespace"] == NAMESPACE
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    # NetworkPolicies choose runs by it.
    assert job["spec"]["template"]["metadata"]["labels"]["app"] == "file-processing-run"
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["image"] == f"{REPOSITORY}:{TAG}"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]) == {"requests", "limits"}
    assert {"/tmp"} < {mount["mountPath"] for mount in container["volumeMounts"]}
    assert not [item for item in container["env"] if item["name"].startswith("AWS_")]


def _run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    assert run
    return run


def _assert_logged_as_json(log: str, run_id: str) -> None:
    told = [json.loads(line) for line in log.splitlines()]
    assert told
    assert {line["run_id"] for line in told} == {run_id}


def _sample() -> Sample:
    return next(item for item in build_samples() if item.outcome == "accepted" and item.dataset == "traffic_stops")
