"""A copy of the checkout in which manage.sh, ecr_put.sh and irsa_verify.sh run, with stand-ins for what they call."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.stand_ins import StandIns

REGISTRY = "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/etl-file-processing"
DIGEST = "sha256:" + "5e" * 32
BASE = "python:3.12-slim"
PASSWORD = "a password of 'RDS' $1"
ROLE = "arn:aws-us-gov:iam::123456789012:role/file-processing-sa"
OUTPUTS = {
    "cluster_name": "file-processing-cluster",
    "region": "us-gov-west-1",
    "cluster_endpoint": "https://0123.gr7.us-gov-west-1.eks.amazonaws.com",
    "namespace": "file-processing",
    "source_prefix": "from_client/",
    "service_account_name": "file-processing-sa",
    "role_arns": {
        name: ROLE.replace("file-processing-sa", f"file-processing-{name}")
        for name in ("gateway", "metrics", "code", "retention", "commands", "doctor", "ui")
    }
    | {"run": ROLE},
    "data_bucket_name": "etl-file-processing-client-etl",
    "file_events_queue_url": "https://sqs.us-gov-west-1.amazonaws.com/123456789012/file-processing-queue",
    "file_events_dlq_url": "https://sqs.us-gov-west-1.amazonaws.com/123456789012/file-processing-dlq",
    "email_queue_url": "https://sqs.us-gov-west-1.amazonaws.com/123456789012/email-validation-queue",
    "email_dlq_url": "https://sqs.us-gov-west-1.amazonaws.com/123456789012/email-validation-dlq",
    "email_bucket_name": "etl-email-archive",
    "email_kms_key_arn": "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/0a1b",
    "attachments_source_bucket": None,
    "attachments_destination_bucket": None,
    "topic_arn": "arn:aws-us-gov:sns:us-gov-west-1:123456789012:file-processing-topic",
    "delivery_events_topic_arn": None,
    "database_host": "dagster.example.us-gov-west-1.rds.amazonaws.com",
    "database_name": "dagster",
    "database_username": "dagster",
    "database_login": "dagster_service",
    "database_secret_arn": "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:rds-x",
    "ecr_repository_url": REGISTRY,
    "image": f"{REGISTRY}@{DIGEST}",
}
STEPS = {
    "terraform apply": r"terraform .* apply",
    "terraform destroy": r"terraform .* destroy",
    "create repository": r"aws ecr create-repository",
    "log in": r"docker login",
    "build": r"docker buildx build",
    "kubeconfig": r"aws eks update-kubeconfig",
    "namespace": r"kubectl create namespace",
    "database secret": r"kubectl .* create secret generic file-processing-postgresql ",
    "upgrade": r"helm upgrade",
    "rollout": r"kubectl .* rollout status",
    "uninstall": r"helm uninstall",
}
DEPLOYED = ["namespace", "database secret", "upgrade", "rollout"]


@dataclass(frozen=True)
class Checkout:
    folder: Path
    programs: StandIns

    @property
    def image_file(self) -> Path:
        return self.folder / "infra" / "file_processing" / "terraform" / "container_image.txt"

    def outputs(self, **changed: Any) -> None:
        shown = {name: {"value": value} for name, value in (OUTPUTS | changed).items()}
        self.programs.answer("terraform", "output -json", out=json.dumps(shown))

    def steps(self) -> list[str]:
        """The calls that change something, in their order."""
        lines = [call.line for call in self.programs.calls()]
        return [step for line in lines for step, pattern in STEPS.items() if re.match(pattern, line)]

    def run(
        self, script: str, *arguments: str, typed: str = "", stack: str = "file_processing", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        program = self.folder / "infra" / stack / "scripts" / script
        environment = self.programs.environment() | variables
        return subprocess.run(
            [program, *arguments], input=typed, capture_output=True, text=True, env=environment, check=False, timeout=60
        )


def make_checkout(tmp_path: Path) -> Checkout:
    """A copy of what scripts need; every program that they call answers as if all went well."""
    folder = tmp_path / "check out"
    for part in ("scripts", "file_processing/scripts", "foundation_network/scripts"):
        shutil.copytree(REPOSITORY / "infra" / part, folder / "infra" / part)
    for stack in ("file_processing", "foundation_network"):
        (folder / "infra" / stack / "terraform" / ".terraform").mkdir(parents=True)
    (folder / "Dockerfile").write_text(f"# Ours.\nARG BASE_IMAGE={BASE}@{DIGEST}\nFROM ${{BASE_IMAGE}}\n")
    charts = folder / "helm" / "etl-platform" / "charts"
    charts.mkdir(parents=True)
    (charts / "dagster-1.13.27.tgz").touch()
    programs = StandIns(tmp_path / "stand-ins", "terraform", "helm", "kubectl", "docker", "aws", "git")
    made = Checkout(folder, programs)
    for program in ("terraform", "helm", "kubectl", "docker", "aws"):
        programs.answer(program)
    programs.answer("terraform", "console", out='"null"\n')
    programs.answer("terraform", "show -json", out='{"format_version": "1.0"}')
    programs.answer("kubectl", "--dry-run=client", out='{"kind": "Whatever"}')
    programs.answer("kubectl", "config view --minify", out=OUTPUTS["cluster_endpoint"])
    programs.answer("aws", "get-secret-value", out=json.dumps({"username": "dagster", "password": PASSWORD}))
    programs.answer("aws", "describe-repositories", out=f"{REGISTRY}\n")
    programs.answer("aws", "describe-images", err="(ImageNotFoundException) when calling", code=254)
    programs.answer("aws", "get-login-password", out="a token")
    programs.answer("docker", "buildx build", metadata=json.dumps({"containerimage.digest": DIGEST}))
    programs.answer("git", "rev-parse", out="0123456789ab\n")
    programs.answer("git", "status")
    made.outputs()
    return made
