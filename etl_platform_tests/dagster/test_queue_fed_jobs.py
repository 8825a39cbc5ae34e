"""Every queue-fed job is complete, and a new entry in the table is told what it lacks: CONTRIBUTING.md, Checklists."""

import argparse
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from etl_platform import doctor
from etl_platform.cli import dlq
from etl_platform.gateway import systems
from etl_platform.gateway.systems import GatewaySystems
from etl_platform.queue_work.queues import EMAILS, QUEUES, WorkQueue
from etl_platform.settings import Settings
from etl_platform_tests.dagster.queue_checklist import missing

ROSTERS = replace(
    EMAILS,
    name="rosters",
    messages="rosters of the training academy",
    job="roster_import_job",
    sensor="roster_arrivals_sensor",
    pipeline="roster_import",
    url_setting="roster_queue_url",
    dlq_url_setting="roster_dlq_url",
    bucket_setting="roster_bucket_name",
    required_settings=("roster_queue_url",),
    queue_name="roster-queue",
    dlq_name="roster-dlq",
    bucket_name="etl-rosters",
    check_prefix="roster_",
)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_nothing_is_missing_of_a_queue_in_the_table(queue: WorkQueue) -> None:
    assert missing(queue) == []


def test_what_a_new_queue_lacks_is_a_short_and_complete_list() -> None:
    lines = [line for queue in (*QUEUES, ROSTERS) for line in missing(queue)]

    terraform, chart = "infra/file_processing/terraform", "helm/etl-platform"
    variables = "ROSTER_QUEUE_URL, ROSTER_DLQ_URL, ROSTER_BUCKET_NAME"
    compose = "infra/local/docker-compose.yml does not name"
    expected = [
        f"no setting {variables.lower()} in etl_platform/settings.py",
        "no job roster_import_job in etl_platform/definitions.py",
        "no sensor roster_arrivals_sensor in etl_platform/definitions.py",
        "no command `run roster_import_job` in etl_platform/cli/jobs/__init__.py",
        "no view of its dead letters in VIEWS of etl_platform/cli/dead_letter_view.py",
        f"no entry roster-import in local.queues of {terraform}/queues.tf, so no queues, alarms and permissions",
        f"no output {variables.lower()} in {terraform}/outputs.tf",
        f"no config {variables} in {chart}/values.schema.json",
        f"no config {variables} in {chart}/values.yaml",
        f"ROSTER_QUEUE_URL in {compose} roster-queue",
        f"ROSTER_DLQ_URL in {compose} roster-dlq",
        f"ROSTER_BUCKET_NAME in {compose} etl-rosters",
        "no heading roster-import in docs/reference/iam-actions.md",
        f"no text on roster_import_job, roster_arrivals_sensor, {variables} in docs/",
    ]
    assert lines == [f"queue `rosters`: {line}" for line in expected]


def test_another_number_of_receives_is_reported_wherever_it_is_written() -> None:
    assert missing(replace(EMAILS, max_receives=7)) == [
        "queue `email`: max_receives of email-archive in infra/file_processing/terraform/queues.tf is 20, not 7",
        "queue `email`: no page of docs/ says that SQS gives up after 7 receives",
    ]


@dataclass(frozen=True)
class SettingsWithRosters(Settings):
    roster_queue_url: str | None = "http://127.0.0.1:1/0/roster-queue"
    roster_dlq_url: str | None = "http://127.0.0.1:1/0/roster-dlq"
    roster_bucket_name: str | None = "etl-rosters"


def test_doctor_metrics_and_dlq_include_a_new_queue_without_any_other_change(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (doctor, systems, dlq):
        monkeypatch.setattr(module, "QUEUES", (*QUEUES, ROSTERS))
    settings = SettingsWithRosters(
        file_events_queue_url="http://127.0.0.1:1/0/q", data_bucket_name="b", gateway_allowed_topic_arns=("arn",)
    )
    parser = argparse.ArgumentParser()
    dlq.add(parser.add_subparsers())

    checks = {check.name: check.where for check in doctor.ExternalSystems(settings).checks()}
    sources = GatewaySystems(settings, lambda: datetime.now(UTC)).metric_sources()

    assert checks["roster_queue"] == "ROSTER_QUEUE_URL=http://127.0.0.1:1/0/roster-queue"
    assert checks["roster_dead_letters"] == "ROSTER_DLQ_URL=http://127.0.0.1:1/0/roster-dlq"
    assert checks["roster_bucket"] == "ROSTER_BUCKET_NAME=etl-rosters"
    assert {("roster_import", "queue"), ("roster_import", "dead_letters")} <= sources.keys()
    assert parser.parse_args(["dlq", "list", "--queue", "rosters"]).queue == "rosters"
