"""The resource ``platform``: what the UI shows of it, and what run config changes."""

import json
import warnings
from dataclasses import fields
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_representation.external_data import RepositorySnap, ResourceSnap
from dagster._core.snap import build_config_schema_snapshot
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from etl_platform.definitions import build_defs
from etl_platform.defs.platform_resource import RUN_SETTINGS, build_platform_resource
from etl_platform.errors import SettingsError
from etl_platform.platform import Platform
from etl_platform.settings import Settings

SECRET = "a-secret-that-nobody-may-see"
SETTINGS = Settings(
    data_bucket_name="the-bucket",
    sns_worker_max=7,
    database_url=f"postgresql://joe:{SECRET}@localhost/app",
    dagster_postgres_url=f"postgresql://joe:{SECRET}@localhost/dagster",
    gateway_admin_token=SECRET,
)


@pytest.fixture(scope="module")
def shown() -> ResourceSnap:
    """The resource as the webserver gets it from the code location."""
    repository = build_defs(SETTINGS).get_repository_def()
    with warnings.catch_warnings():
        # Dagster reads a property of schedules that it deprecates itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        resources = RepositorySnap.from_def(repository).resources or []
    (found,) = (resource for resource in resources if resource.name == "platform")
    return found


def test_the_ui_shows_the_resource_with_its_type_and_each_value(shown: ResourceSnap) -> None:
    assert shown.resource_type == "etl_platform.defs.platform_resource.PlatformResource"
    about = {item.name: item.metadata["about"] for item in fields(Settings)}
    described = {field.name: field.description or "" for field in shown.config_field_snaps}
    assert described.keys() == set(RUN_SETTINGS)
    assert all(described[name].startswith(about[name]) for name in RUN_SETTINGS)
    assert described["data_bucket_name"].endswith(". Here: the-bucket.")
    assert described["sns_worker_max"].endswith(". Here: 7.")
    assert described["email_kms_key_id"].endswith(". Here: not set.")


def test_the_launchpad_writes_no_setting_into_its_tabs() -> None:
    """A saved tab would keep the settings of its day, and its runs would use them without a word."""
    job = build_defs(SETTINGS).resolve_job_def("s3_data_quality_job")
    snapshot = build_config_schema_snapshot(job)
    root = snapshot.get_config_snap(job.run_config_schema.run_config_schema_type.key)
    written = yaml.safe_load(default_values_yaml_from_type_snap(snapshot, root))
    assert written["ops"]["ingest"]["config"]["deliveries"], "the example"
    assert written.keys() == {"ops"}


def test_the_ui_shows_no_secret(shown: ResourceSnap) -> None:
    assert SECRET not in json.dumps(dict(shown.configured_values))
    assert SECRET not in repr(shown)
    assert not set(RUN_SETTINGS) & {item.name for item in fields(Settings) if item.metadata["secret"]}


def _settings_of_a_run(config: dict[str, Any]) -> Settings:
    """The settings that an op of a run gets."""
    found: list[Settings] = []

    @dg.op
    def look(platform: dg.ResourceParam[Platform]) -> None:
        found.append(platform.settings)

    @dg.job(resource_defs={"platform": build_platform_resource(SETTINGS, {})})
    def look_job() -> None:
        look()

    look_job.execute_in_process(run_config={"resources": {"platform": {"config": config}}} if config else None)
    return found[0]


def test_a_run_gets_the_settings_of_the_definitions_with_secrets() -> None:
    assert _settings_of_a_run({}) == SETTINGS


def test_run_config_replaces_settings_for_one_run() -> None:
    settings = _settings_of_a_run({"data_bucket_name": "another-bucket", "sns_worker_max": 2, "source_prefix": "drop/"})

    assert (settings.data_bucket_name, settings.sns_worker_max, settings.source_prefix) == (
        "another-bucket",
        2,
        "drop/",
    )
    assert settings.database_url == SETTINGS.database_url
    assert _settings_of_a_run({"data_bucket_name": ""}).data_bucket_name is None, "an empty text unsets"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"data_bucket_name": "s3://the-bucket"}, "DATA_BUCKET_NAME"),
        ({"sns_worker_max": 0}, "SNS_WORKER_MAX"),
        ({"source_prefix": "silver/"}, "SOURCE_PREFIX"),
    ],
)
def test_a_value_that_is_no_valid_setting_fails_the_run_by_name(config: dict[str, Any], message: str) -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        _settings_of_a_run(config)

    assert isinstance(raised.value.__cause__, SettingsError)
    assert message in str(raised.value.__cause__)
