"""Every pod that a rendered chart stands for: of Deployments and Jobs, and those that the run launcher makes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from etl_platform_tests.deploy.helm_chart import Rendered, dagster_yaml

WITH_PODS = ("CronJob", "Deployment", "Job")


@dataclass(frozen=True)
class Pod:
    name: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*(self.spec.get("initContainers") or ()), *self.spec["containers"]]


def pods(rendered: Sequence[Rendered]) -> Iterator[Pod]:
    for item in rendered:
        if item["kind"] in WITH_PODS:
            spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
            template = spec["template"]
            yield Pod(f"{item['kind']}/{item['metadata']['name']}", template["metadata"]["labels"], template["spec"])
    run = run_job(rendered)["spec"]["template"]
    yield Pod("run", run["metadata"]["labels"], run["spec"])


def run_job(rendered: Sequence[Rendered]) -> Rendered:
    """The Job of a run as far as dagster.yaml decides it; the launcher adds a name, an image and arguments."""
    config = yaml.safe_load(dagster_yaml(rendered))["run_launcher"]["config"]
    own = config["run_k8s_config"]
    env_from = [{"configMapRef": {"name": name}} for name in config["env_config_maps"]]
    env_from += [{"secretRef": {"name": name}} for name in config["env_secrets"]]
    container = own["container_config"] | {
        "name": "dagster",
        "image": "image",
        "resources": config["resources"],
        "volumeMounts": config["volume_mounts"],
        "envFrom": env_from,
    }
    spec = own["pod_spec_config"] | {
        "serviceAccountName": config["service_account_name"],
        "restartPolicy": "Never",
        "volumes": config["volumes"],
        "containers": [container],
    }
    template = {"metadata": {"labels": config["labels"]}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "dagster-run"},
        "spec": own["job_spec_config"] | {"template": template},
    }
