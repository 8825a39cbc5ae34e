"""Copies of the Terraform stacks in a folder of their own, run offline, and moto in the part of AWS."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl_platform.local.emulator import LOOPBACK, wait_until_ready
from etl_platform.local.processes import ProcessTree
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform_tests.deploy.ports import free_port
from etl_platform_tests.deploy.tools import OWN, terraform_mirror, tool

NETWORK, PROCESSING = "foundation_network", "file_processing"
REGION = "us-gov-west-1"
_WITHIN_S = 600

# The provider asks virtual hosts for buckets otherwise, and no name server knows those of moto.
_PATH_STYLE = """
provider "aws" {
  s3_use_path_style = true
}
"""
# What moto cannot do: it knows no EKS add-ons, no rotation without a Lambda function and no redrive allow policy. Its
# clusters have no security group.
_WHAT_MOTO_LACKS = """
data "aws_eks_addon_version" "default" {
  for_each = toset([])
}

resource "aws_eks_addon" "network" {
  count         = 0
  addon_version = null
}

resource "aws_eks_addon" "on_nodes" {
  for_each      = toset([])
  addon_version = null
}

resource "aws_secretsmanager_secret_rotation" "database" {
  count = 0
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  for_each = {}
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  referenced_security_group_id = aws_security_group.database.id
}

"""
# What moto takes and tells otherwise when it is asked again. The second plan says nothing of these.
_FORGOTTEN = {
    "aws_db_instance.dagster": "performance_insights_enabled, performance_insights_kms_key_id",
    "aws_db_parameter_group.dagster": "parameter",
    "aws_eks_cluster.this": "access_config",
    "aws_eks_node_group.this": "remote_access, update_config",
    "aws_launch_template.nodes": "tag_specifications",
    "aws_sns_topic.file_processing": "signature_version",
    "aws_sqs_queue.queue": "redrive_policy",
    "aws_vpc_security_group_ingress_rule.database": "description",
}


class TerraformError(AssertionError):
    """Terraform failed; the message is what it said."""


@dataclass
class Workplace:
    """A copy of ``infra/`` in ``folder``; with ``endpoint_url`` the stacks talk to moto instead of AWS."""

    folder: Path
    endpoint_url: str | None = None
    _ready: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for stack in (NETWORK, PROCESSING):
            shutil.copytree(REPOSITORY / "infra" / stack, self.folder / stack, ignore=_only_what_git_has)
        shutil.copytree(REPOSITORY / "infra" / "scripts", self.folder / "scripts")
        (self.folder / "cli.tfrc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{terraform_mirror()}"\n  }}\n}}\n'
        )
        if self.endpoint_url:
            (self._terraform(NETWORK) / "moto_override.tf").write_text(_PATH_STYLE)
            (self._terraform(PROCESSING) / "moto_override.tf").write_text(
                _PATH_STYLE + _WHAT_MOTO_LACKS + "".join(_ignoring(*entry) for entry in _FORGOTTEN.items())
            )

    @property
    def environment(self) -> dict[str, str]:
        path = f"{OWN}{os.pathsep}{inherited_environment()['PATH']}"
        return inherited_environment() | {"PATH": path, "TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc")} | _OFFLINE

    def run(
        self, stack: str, command: str, *arguments: str, variables: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """One Terraform command in a stack, after its init.

        Raises:
            TerraformError: it failed, unless ``check`` is False.
        """
        if stack not in self._ready:
            self._ready.add(stack)
            self.run(stack, "init", "-input=false")
        told = {f"TF_VAR_{name}": value for name, value in (variables or {}).items()}
        endpoint = {"AWS_ENDPOINT_URL": self.endpoint_url} if self.endpoint_url else {}
        done = subprocess.run(
            [tool("terraform"), f"-chdir={self._terraform(stack)}", command, "-no-color", *arguments],
            env=self.environment | told | endpoint,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        if check and done.returncode != 0:
            raise TerraformError(f"terraform {command} in {stack}:\n{done.stdout[-6_000:]}\n{done.stderr}")
        return done

    def _terraform(self, stack: str) -> Path:
        return self.folder / stack / "terraform"


_OFFLINE = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "CHECKPOINT_DISABLE": "1",
    "NO_PROXY": LOOPBACK,
}


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """The URL of a moto server of its own, with AWS's own policies in it."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    process = ProcessTree(
        "moto",
        [tool("moto_server"), "-H", LOOPBACK, "-p", str(port)],
        environment=inherited_environment() | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        working_dir=folder,
        log=folder / "moto.log",
    )
    try:
        wait_until_ready(process, url, "/moto-api/", 60)
        yield url
    finally:
        process.stop()


@contextmanager
def moto_clients(url: str) -> Iterator[Any]:
    """A function from a service's name to a client of moto's."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    opened: list[Any] = []

    def client(service: str) -> Any:
        opened.append(boto3.Session(**keys).client(service, endpoint_url=url))
        return opened[-1]

    try:
        yield client
    finally:
        for each in opened:
            each.close()


def _ignoring(address: str, attributes: str) -> str:
    kind, name = address.split(".")
    return f'resource "{kind}" "{name}" {{\n  lifecycle {{\n    ignore_changes = [{attributes}]\n  }}\n}}\n'


def _only_what_git_has(_folder: str, names: list[str]) -> set[str]:
    own = (".terraform", "terraform.tfstate", "container_image.txt", "backend.tf")
    lock = ".terraform.lock.hcl"
    return {name for name in names if (name.startswith(own) and name != lock) or name.endswith(".tfvars")}
