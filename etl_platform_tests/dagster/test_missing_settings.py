"""Sensors and schedules without settings, as a bare ``dagster dev`` evaluates them: they skip with a sentence."""

import json

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.settings import Settings

SETTINGS = Settings()
DEFINITIONS = build_defs(SETTINGS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file_arrivals_sensor", "s3_data_quality_job is not configured: FILE_EVENTS_QUEUE_URL, FILE_EVENTS_DLQ_URL"),
        ("email_arrivals_sensor", "email_archive_job is not configured: EMAIL_QUEUE_URL"),
    ],
)
def test_a_sensor_skips_and_names_the_settings(instance: dg.DagsterInstance, name: str, message: str) -> None:
    with dg.build_sensor_context(instance=instance, resources={"platform": Platform(SETTINGS)}) as context:
        found = DEFINITIONS.resolve_sensor_def(name).evaluate_tick(context)

    assert not found.run_requests
    assert found.skip_message is not None
    assert found.skip_message.startswith(message)
    assert ".env" in found.skip_message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("retention_job_schedule", "retention_job is not configured: DATA_BUCKET_NAME not set"),
        ("overview_page_job_schedule", "overview_page_job is not configured: DATA_BUCKET_NAME not set"),
        ("reconcile_job_schedule", "reconcile_job is not configured: DATA_BUCKET_NAME not set"),
        ("expected_files_job_schedule", "expected_files_job is not configured: DATA_BUCKET_NAME not set"),
        ("api_ingestion_schedule", "api_ingestion_job is not configured: DATA_BUCKET_NAME not set"),
        ("employment_history_schedule", "employment_history_job is not configured: DATA_BUCKET_NAME not set"),
    ],
)
def test_a_schedule_skips_and_names_the_settings(instance: dg.DagsterInstance, name: str, message: str) -> None:
    with dg.build_schedule_context(instance=instance, resources={"platform": Platform(SETTINGS)}) as context:
        found = DEFINITIONS.resolve_schedule_def(name).evaluate_tick(context)

    assert not found.run_requests
    assert found.skip_message is not None
    assert found.skip_message.startswith(message)


def test_the_file_sensor_skips_if_only_the_bucket_is_missing(instance: dg.DagsterInstance) -> None:
    url = "http://127.0.0.1:9/queue"
    platform = Platform(Settings(file_events_queue_url=url, file_events_dlq_url=url))
    with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
        found = DEFINITIONS.resolve_sensor_def("file_arrivals_sensor").evaluate_tick(context)

    assert (found.skip_message or "").startswith("s3_data_quality_job is not configured: DATA_BUCKET_NAME not set")


def test_the_sensor_of_notifications_names_the_setting(instance: dg.DagsterInstance) -> None:
    with dg.build_sensor_context(instance=instance, resources={"platform": Platform(SETTINGS)}) as context:
        found = DEFINITIONS.resolve_sensor_def("notifications_sensor").evaluate_tick(context)

    missing = f"DELIVERY_EVENTS_TOPIC_ARN is not set, and there is no {SETTINGS.contracts_dir}/contacts.yaml"
    assert found.skip_message == f"notifications are off: {missing}"


def test_the_sensor_of_contracts_needs_no_settings(instance: dg.DagsterInstance) -> None:
    corrected = {"contracts/training": {"identity": "x", "error": "y", "since": "2026-01-01T00:00:00+00:00"}}
    with dg.build_sensor_context(
        instance=instance, cursor=json.dumps(corrected), resources={"platform": Platform(SETTINGS)}
    ) as context:
        found = DEFINITIONS.resolve_sensor_def("contracts_sensor").evaluate_tick(context)

    assert found.skip_message == "6 results logged; no file waited"
    assert found.run_requests == []


def test_every_sensor_and_schedule_is_among_these() -> None:
    repository = DEFINITIONS.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "file_arrivals_sensor",
        "contracts_sensor",
        "email_arrivals_sensor",
        "notifications_sensor",
        "overview_sensor",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "retention_job_schedule",
        "overview_page_job_schedule",
        "reconcile_job_schedule",
        "expected_files_job_schedule",
        "api_ingestion_schedule",
        "employment_history_schedule",
    }
