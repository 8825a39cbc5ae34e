"""The chart itself: lint, package, its keys and settings against their sources, and what wrong values are answered."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_platform.errors import SettingsError
from etl_platform.local.stack import REPOSITORY
from etl_platform.settings import Settings
from etl_platform_tests.deploy.helm_chart import (
    CHART,
    KUBERNETES,
    NAMESPACE,
    RELEASE,
    copy_chart,
    helm,
    objects,
    one,
    template,
)

ENVIRONMENTS = ("dev", "staging", "prod")
_MADE_BY_THE_CHART = {"CONTRACTS_DIR", "DAGSTER_HOME", "GATEWAY_HOST", "API_SOURCES_DIR", "RUN_MEMORY_MIB"} | {
    "GATEWAY_CHECK_TOKENS_FILE"
}
"""The memory of a run is the limit of its container."""
_OF_A_LAPTOP = {"LOCAL_S3_ROOT", "DAGSTER_POSTGRES_URL"}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_chart(tmp_path_factory.mktemp("chart"))


def values_of(*names: str) -> list[Path]:
    return [CHART / f"values-{name}.yaml" for name in names]


def config_schema() -> dict[str, dict[str, Any]]:
    schema = json.loads((CHART / "values.schema.json").read_text())
    properties: dict[str, dict[str, Any]] = schema["properties"]["config"]["properties"]
    return properties


@pytest.mark.parametrize("names", [(), *[(name,) for name in ENVIRONMENTS], ("staging", "contracts-s3")], ids=str)
def test_lint_finds_nothing(chart: Path, names: tuple[str, ...]) -> None:
    options = [option for path in values_of(*names) for option in ("--values", path)]
    linted = helm("lint", chart, "--strict", "--kube-version", KUBERNETES, *options)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_chart_is_packaged_without_the_example_values(chart: Path, tmp_path: Path) -> None:
    packaged = helm("package", chart, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    (archive,) = tmp_path.glob("*.tgz")
    shown = helm("template", "etl-platform", archive, "--values", *values_of("staging"))
    assert shown.returncode == 0, shown.stderr


def test_chart_and_library_of_dagster_have_one_version() -> None:
    locked = tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]
    (library,) = [package["version"] for package in locked if package["name"] == "dagster"]
    (dependency,) = yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    assert dependency["version"] == library


def test_chart_and_package_have_one_version() -> None:
    package = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == package


@pytest.mark.parametrize(
    "path", [CHART / "values.yaml", *values_of(*ENVIRONMENTS, "contracts-s3")], ids=lambda p: p.name
)
def test_every_value_for_dagster_is_a_key_of_its_chart(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    assert unknown_keys(values["dagster"]) == []
    assert unknown_keys({"global": values.get("global", {"dagsterHome": ""})}) == []


def test_a_key_that_the_dagster_chart_does_not_have_is_found() -> None:
    wrong = {"dagsterWebserver": {"workspaces": {"enabled": False}, "labels": {"any": "thing"}}, "telemetry": {}}
    assert unknown_keys(wrong) == ["dagsterWebserver.workspaces.enabled", "telemetry"]


def unknown_keys(given: dict[str, Any]) -> list[str]:
    lines = (CHART / "dagster-chart-keys.txt").read_text().splitlines()[1:]
    known = re.compile("|".join(re.escape(line).replace(r"\*", ".*") for line in lines))
    return [key for key in leaves(given) if not known.fullmatch(key)]


def leaves(value: object, path: str = "") -> Iterator[str]:
    """The path of everything that holds no further keys; an empty list or map is one of its own."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield f"{path}[]." if value == [] else path


def test_the_config_has_every_setting_except_secrets_and_no_other_name() -> None:
    names = {item.name.upper() for item in fields(Settings) if not item.metadata["secret"]}
    names |= {item.metadata["also"] for item in fields(Settings) if item.metadata["also"]}
    assert set(config_schema()) == names - _MADE_BY_THE_CHART - _OF_A_LAPTOP


@pytest.mark.parametrize("name", [name for name, about in config_schema().items() if "minimum" in about])
def test_numbers_have_the_limits_of_the_settings(name: str) -> None:
    low, high = config_schema()[name]["minimum"], config_schema()[name]["maximum"]
    Settings.from_environment({name: str(low)})
    Settings.from_environment({name: str(high)})
    # Here the chart says more than the program: no port that takes a capability, and an end within a pod's 30 s.
    if name not in {"PORT", "SHUTDOWN_GRACE_SECONDS"}:
        for beyond in (low - 1, high + 1):
            with pytest.raises(SettingsError):
                Settings.from_environment({name: str(beyond)})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_rendered_settings_are_settings_that_the_program_takes(chart: Path, environment: str) -> None:
    rendered = objects(template(chart, values_of(environment)).stdout)
    data = one(rendered, "ConfigMap", "file-processing-config")["data"]
    settings = Settings.from_environment(data)
    settings.require("data_bucket_name", "file_events_queue_url", "file_events_dlq_url", "gateway_allowed_topic_arns")
    known = {item.name.upper() for item in fields(Settings)}
    # boto3 knows the region by no other name; the others are for Dagster's run launcher.
    launcher = {"DAGSTER_K8S_INSTANCE_CONFIG_MAP", "DAGSTER_K8S_PIPELINE_RUN_NAMESPACE"}
    assert set(data) - known == {"AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", *launcher}


MISSING = (
    "config.DATA_BUCKET_NAME, config.FILE_EVENTS_DLQ_URL, config.FILE_EVENTS_QUEUE_URL, "
    "config.GATEWAY_ALLOWED_TOPIC_ARNS, dagster.postgresql.postgresqlHost, image.repository, image.tag must be set"
)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("", {}, MISSING),
    ("", {}, "serviceAccounts.roleArns.run must be set: pods have no other AWS credentials"),
    ("staging", {"serviceAccounts.roleArns.code": ""}, "serviceAccounts.roleArns.code must be set"),
    ("staging", {"ui.enabled": True}, "serviceAccounts.roleArns.ui must be set"),
    ("staging", {"config.DATA_BUCKET_NAME": ""}, "config.DATA_BUCKET_NAME must be set"),
    ("staging", {"config.DATA_BUCKET_NAME": "My_Bucket"}, "at '/config/DATA_BUCKET_NAME'"),
    ("staging", {"config.DATA_BUKET_NAME": "b"}, "additional properties 'DATA_BUKET_NAME' not allowed"),
    ("staging", {"config.DATABASE_URL": "postgresql://h/d"}, "additional properties 'DATABASE_URL' not allowed"),
    ("staging", {"config.AWS_ACCESS_KEY_ID": "AKIA"}, "additional properties 'AWS_ACCESS_KEY_ID' not allowed"),
    (
        "staging",
        {"dagster.dagsterWebserver.env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]},
        "the values contain an AWS key; remove it, and set serviceAccounts.roleArns instead",
    ),
    ("staging", {"config.SNS_WORKER_MAX": 0}, "at '/config/SNS_WORKER_MAX': minimum: got 0, want 1"),
    ("staging", {"config.SNS_WORKER_MAX": "ten"}, "at '/config/SNS_WORKER_MAX': got string, want integer"),
    ("staging", {"config.SHUTDOWN_GRACE_SECONDS": 30}, "at '/config/SHUTDOWN_GRACE_SECONDS': maximum: got 30, want 29"),
    ("staging", {"config.LOG_LEVEL": "LOUD"}, "at '/config/LOG_LEVEL': value must be one of 'DEBUG', 'INFO'"),
    ("staging", {"config.GATEWAY_ALLOWED_TOPIC_ARNS": "my-topic"}, "at '/config/GATEWAY_ALLOWED_TOPIC_ARNS'"),
    (
        "staging",
        {"config.FILE_EVENTS_QUEUE_URL": "http://sqs.example.com/1/q"},
        "config.FILE_EVENTS_QUEUE_URL starts with http://; set an https:// URL, or environment to dev (it is staging)",
    ),
    (
        "prod",
        {"config.AWS_ENDPOINT_URL": "https://aws.example.com"},
        "config.AWS_ENDPOINT_URL is for an emulator; unset it, or set environment to dev (it is prod)",
    ),
    (
        "staging",
        {"config.GATEWAY_OVERVIEW_ACCESS": "X-Auth-Request-Email", "networkPolicies.enabled": False},
        "config.GATEWAY_OVERVIEW_ACCESS is a proxy's header, so networkPolicies.enabled must be true",
    ),
    (
        "prod",
        {"config.GATEWAY_DEV_MODE": True},
        "config.GATEWAY_DEV_MODE is for an emulator; unset it, or set environment to dev (it is prod)",
    ),
    ("staging", {"gateway.replicas": 0}, "at '/gateway/replicas': minimum: got 0, want 1"),
    ("staging", {"gateway.replica": 2}, "additional properties 'replica' not allowed"),
    ("staging", {"environment": "test"}, "at '/environment': value must be one of 'dev', 'staging', 'prod'"),
    ("staging", {"image.tag": "latest"}, "image.tag latest changes over time"),
    (
        "staging",
        {"image.tag": "0.3.0"},
        "dagster.dagsterWebserver.image is 123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/etl-file-processing:0.2.0 "
        "and image is 123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/etl-file-processing:0.3.0",
    ),
    ("prod", {"image.tag": "0.2.0"}, "for a digest set a repository that ends in @sha256 and a tag of 64 hex digits"),
    (
        "prod",
        {"image.repository": "example.com/etl", "image.tag": "0.2.0"},
        "image.tag 0.2.0 may change to another image, and environment is prod",
    ),
    ("staging", {"serviceAccounts.roleArns.run": "file-processing-sa"}, "at '/serviceAccounts/roleArns/run'"),
    ("staging", {"serviceAccount.roleArn": ""}, "additional properties 'serviceAccount' not allowed"),
    (
        "staging",
        {"dagster.dagsterDaemon.enabled": True},
        "dagster.dagsterDaemon.enabled and dagster.rbacEnabled must be",
    ),
    ("staging", {"dagster.rbacEnabled": True}, "dagster.dagsterDaemon.enabled and dagster.rbacEnabled must be false"),
    ("staging", {"gateway.resources.limits.memory": "lots"}, "at '/gateway/resources/limits/memory'"),
    ("staging", {"gateway.ingress.enabled": True}, "gateway.ingress.host must be set"),
    ("staging", {"check.enabled": True}, "check.host must be set"),
    ("staging", {"check.enabled": True}, "check.ingress has no TLS"),
    ("staging", {"check.enabled": True}, "networkPolicies.checkFrom must be set"),
    ("staging", {"check.enabled": True, "contracts.source": "s3"}, "check.enabled needs contracts in the image"),
    (
        "staging",
        {"gateway.ingress.enabled": True, "gateway.ingress.host": "sns.example.com"},
        "gateway.ingress has no TLS",
    ),
    ("staging", {"contracts.source": "configMap"}, "contracts.source is configMap, but contracts.files is empty"),
    ("staging", {"contracts.source": "s3"}, "contracts.source is s3, but contracts.s3Url is empty"),
    (
        "staging",
        {"contracts.source": "s3", "contracts.s3Url": "s3://b/contracts/"},
        "runs have no container that fetches them: add --values values-contracts-s3.yaml",
    ),
    ("staging", {"oneOffJobs.enabled": True}, "oneOffJobs: set eventJson for s3-data-quality-job"),
    (
        "staging",
        {"dagster.runLauncher.config.k8sRunLauncher.resources": {"limits": {"cpu": "1"}}},
        "dagster.runLauncher.config.k8sRunLauncher is not used; move its values to customRunLauncher.config",
    ),
    ("staging", {"imagePullSecrets": [{"name": "registry"}]}, "image_pull_secrets differ; set them to the same list"),
    ("staging", {"networkPolicies.gatewayFrom": []}, "networkPolicies.gatewayFrom must be set"),
    ("staging", {"networkPolicies.metricsFrom": []}, "networkPolicies.metricsFrom must be set"),
    ("staging", {"dagster.dagsterWebserver.env": []}, "must contain DAGSTER_WEBSERVER_READ_ONLY"),
    ("staging", {"ui.enabled": True}, "ui needs host, login.issuerUrl, login.clientId and login.allowedGroups"),
    ("staging", {"ui.enabled": True}, "networkPolicies.uiFrom must be set"),
    ("staging", {"ui.enabled": True}, "ui.ingress has no TLS"),
    ("staging", {"ui.host": "https://etl.example.gov"}, "at '/ui/host'"),
    ("staging", {"doctor.schedule": "often"}, "at '/doctor/schedule'"),
]


@pytest.mark.parametrize(("environment", "changes", "said"), WRONG, ids=[f"{e}-{list(c)}" for e, c, _ in WRONG])
def test_a_wrong_value_is_an_error_message_and_renders_nothing(
    chart: Path, environment: str, changes: dict[str, Any], said: str
) -> None:
    answer = template(chart, values_of(environment) if environment else [], changes)
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert said in answer.stderr


def test_contracts_from_s3_refuse_a_run_container_of_another_image(chart: Path) -> None:
    image = {"image.tag": "9", "dagster.dagsterWebserver.image.tag": "9"}
    answer = template(chart, values_of("staging", "contracts-s3"), image)
    assert "the container that fetches contracts for runs has the image 123456789012" in answer.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_value_has_the_type_of_the_official_charts_value(chart: Path, environment: str) -> None:
    # Helm warns of a map over a number at each upgrade, and goes on.
    assert template(chart, values_of(environment)).stderr == ""


def test_the_notes_name_an_existing_service(chart: Path) -> None:
    options = ("--values", values_of("prod")[0], "--namespace", NAMESPACE)
    said = helm("install", RELEASE, chart, "--dry-run=client", *options)
    assert said.returncode == 0, said.stderr
    manifest, notes = said.stdout.split("NOTES:")
    service = one(objects(manifest.partition("MANIFEST:")[2]), "Service", f"{RELEASE}-dagster-webserver")
    (port,) = service["spec"]["ports"]
    assert f"service/{service['metadata']['name']} 3000:{port['port']}\n" in notes


def test_no_template_hard_codes_an_aws_partition() -> None:
    named = [path.name for path in (CHART / "templates").iterdir() if "arn:aws" in path.read_text()]
    assert named == []
