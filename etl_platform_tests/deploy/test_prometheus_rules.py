"""Every alert is fired by what it is for, stays quiet beside it, and leads to a heading of the runbook."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_platform.gateway.webhook import OUTCOMES
from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.helm_chart import CHART
from etl_platform_tests.deploy.tools import tool

RULES = CHART / "rules" / "etl-platform.yaml"
RUNBOOK = REPOSITORY / "docs" / "operate" / "alerts.md"
FILES, EMAILS = '{pipeline="file_processing"}', '{pipeline="email_archive"}'
# Two replicas that show the same, as they do.
REPLICAS = ("10.0.0.1", "10.0.0.2")


@dataclass(frozen=True)
class Case:
    """Series by the minute, as promtool writes them, and the alert that stands after ``minutes``, if one does."""

    alert: str
    series: dict[str, str]
    minutes: int
    labels: dict[str, str] | None = None
    summary: str = ""


def file_processing(**others: str) -> dict[str, str]:
    return {"pipeline": "file_processing", **others}


RECEIVED = {f"etl_platform_messages_received_total{FILES}": "0x600"}
DELETED, WAITING = (
    f"etl_platform_messages_deleted_total{FILES}",
    'etl_platform_queue_messages{pipeline="file_processing",state="waiting"}',
)
FAILED = 'etl_platform_runs_total{pipeline="file_processing",job="s3_data_quality_job",status="failure"}'
DELIVERED = 'etl_platform_deliveries_total{{pipeline="file_processing",agency="{}",dataset="training",outcome="{}"}}'
ACCEPTED, REJECTED, REJECTED_TOO = (
    DELIVERED.format("nc_durham", "accepted"),
    DELIVERED.format("nc_durham", "rejected"),
    DELIVERED.format("tx_el_paso", "rejected"),
)
S3_ERRORS = 'etl_platform_s3_errors_total{pipeline="file_processing",code="AccessDenied"}'
ARCHIVED, TAKEN = f"etl_platform_emails_archived_total{EMAILS}", f"etl_platform_messages_received_total{EMAILS}"
POSTS = 'etl_platform_gateway_posts_total{{pipeline="file_processing",outcome="{}",reason="{}"}}'
SUCCEEDED = 'kube_cronjob_status_last_successful_time{namespace="file-processing",cronjob="file-processing-doctor"}'
CREATED = 'kube_cronjob_created{namespace="file-processing",cronjob="file-processing-doctor"}'
UP = 'up{job="file-processing-sns"}'

CASES = [
    Case(
        "EtlDeadLetters",
        {f"etl_platform_dead_letters{FILES}": "0 3x20", f"etl_platform_dead_letters{EMAILS}": "0x20"},
        10,
        file_processing(severity="warning"),
        "file_processing: 3 messages in the dead-letter queue",
    ),
    Case("EtlDeadLetters", {f"etl_platform_dead_letters{FILES}": "0x20"}, 20),
    Case(
        "EtlQueueStuck",
        {WAITING: "4x60", DELETED: "7x60"},
        40,
        file_processing(severity="critical"),
        "file_processing: messages wait, but none was finished for half an hour",
    ),
    # What waits is worked off, however slowly; an idle night has nothing that waits.
    Case("EtlQueueStuck", {WAITING: "4x60", DELETED: "7x20 8x40"}, 40),
    Case("EtlQueueStuck", {WAITING: "0x60", DELETED: "7x60"}, 60),
    # For a moment all were held by runs: somebody works on them.
    Case("EtlQueueStuck", {WAITING: "4x20 0 4x40", DELETED: "7x60"}, 40),
    Case(
        "EtlOldestMessageTooOld",
        {f"etl_platform_oldest_message_age_seconds{EMAILS}": "0+60x120"},
        75,
        {"pipeline": "email_archive", "severity": "warning"},
        "email_archive: the oldest message has waited 1h 15m 0s",
    ),
    Case("EtlOldestMessageTooOld", {f"etl_platform_oldest_message_age_seconds{EMAILS}": "3000x60"}, 60),
    Case(
        "EtlBreakerOpen",
        {f"etl_platform_breaker_active{FILES}": "1x20"},
        10,
        file_processing(severity="critical"),
        "The circuit breaker has been open for ten minutes",
    ),
    # It opened, and the try after the cooldown closed it.
    Case("EtlBreakerOpen", {f"etl_platform_breaker_active{FILES}": "0 1x5 0x20"}, 12),
    Case(
        "EtlRunsFailing",
        # The first failures of a day make their series.
        {**RECEIVED, FAILED: "_x10 3x60"},
        40,
        file_processing(severity="warning"),
        "file_processing: three runs or more failed within an hour",
    ),
    Case("EtlRunsFailing", {**RECEIVED, FAILED: "_x10 1x60"}, 40),
    # At midnight the count begins anew, which is no failure.
    Case("EtlRunsFailing", {**RECEIVED, FAILED: "40x30 _x60"}, 60),
    Case(
        "EtlRejectionRateHigh",
        {**RECEIVED, ACCEPTED: "2x60 4x180", REJECTED: "_x60 3x180", REJECTED_TOO: "_x60 4x180"},
        180,
        file_processing(severity="warning"),
        "77.56% of the files of six hours were rejected",
    ),
    Case("EtlRejectionRateHigh", {**RECEIVED, ACCEPTED: "2x60 40x180", REJECTED: "_x60 7x180"}, 180),
    # One sender's few bad files on a quiet day.
    Case("EtlRejectionRateHigh", {**RECEIVED, ACCEPTED: "2x240", REJECTED: "_x60 3x180"}, 180),
    Case(
        "EtlS3Errors",
        {**RECEIVED, S3_ERRORS: "0+5x60"},
        30,
        file_processing(severity="warning"),
        "file_processing: S3 refused 75 requests within 15 minutes",
    ),
    Case("EtlS3Errors", {**RECEIVED, S3_ERRORS: "0x30 2x30"}, 45),
    Case(
        "EtlEmailsNotArchived",
        {TAKEN: "0+1x120", ARCHIVED: "5x120"},
        90,
        {"pipeline": "email_archive", "severity": "critical"},
        "Emails are received, but none was archived for an hour",
    ),
    Case("EtlEmailsNotArchived", {TAKEN: "0+1x120", ARCHIVED: "5x70 6x50"}, 90),
    # No mail comes on a Sunday.
    Case("EtlEmailsNotArchived", {TAKEN: "9x120", ARCHIVED: "5x120"}, 90),
    Case(
        "EtlSourceDown",
        {'etl_platform_source_up{pipeline="file_processing",source="queue"}': "0x20"},
        10,
        file_processing(severity="warning", source="queue"),
        "file_processing: queue does not answer the gateway",
    ),
    Case("EtlSourceDown", {'etl_platform_source_up{pipeline="file_processing",source="queue"}': "1 0 1 0x8 1"}, 11),
    Case(
        "EtlGatewayRefusesPosts",
        {POSTS.format("refused", "bad_signature"): "0+1x30"},
        15,
        file_processing(severity="warning", outcome="refused", reason="bad_signature"),
        "Posts of SNS were answered with refused bad_signature",
    ),
    Case(
        "EtlGatewayRefusesPosts", {POSTS.format("queued", ""): "0+9x30", POSTS.format("refused", "stale"): "1x30"}, 15
    ),
    Case(
        "EtlGatewayDown",
        {UP: "1 0x20"},
        10,
        file_processing(severity="critical"),
        "Prometheus cannot reach any replica of the gateway",
    ),
    Case(
        "EtlGatewayDown",
        {'up{job="file-processing-sns",pod="a"}': "0x20", 'up{job="file-processing-sns",pod="b"}': "1x20"},
        20,
    ),
    Case(
        "EtlDoctorFailing",
        {SUCCEEDED: "60x30"},
        20,
        file_processing(severity="critical", namespace="file-processing"),
        "etl-platform doctor has not succeeded for 15 minutes",
    ),
    # A release that never worked.
    Case(
        "EtlDoctorFailing",
        {CREATED: "60x30"},
        20,
        file_processing(severity="critical", namespace="file-processing"),
        "etl-platform doctor has not succeeded for 15 minutes",
    ),
    Case("EtlDoctorFailing", {CREATED: "0x30", SUCCEEDED: "0+60x30"}, 20),
]


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_promtool_accepts_the_rules() -> None:
    checked = subprocess.run([tool("promtool"), "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", alerts())
def test_each_alert_fires_in_one_case_and_is_quiet_in_another(name: str) -> None:
    assert {case.labels is None for case in CASES if case.alert == name} == {True, False}


def test_alerts_fire_in_their_own_cases_only(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [promtool_test(case) for case in CASES]}))
    tested = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def promtool_test(case: Case) -> dict[str, Any]:
    expected = []
    if case.labels is not None:
        annotations = alerts()[case.alert]["annotations"] | {"summary": case.summary}
        expected = [{"exp_labels": case.labels, "exp_annotations": annotations}]
    moment = {"eval_time": f"{case.minutes}m", "alertname": case.alert, "exp_alerts": expected}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in replicated(case.series)],
        "alert_rule_test": [moment],
    }


def replicated(series: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The gateway's own metrics come from each of its replicas; posts are counted by the one that answered."""
    for name, values in series.items():
        if name.startswith("etl_platform_") and "_posts_" not in name:
            yield from ((name.replace("{", f'{{instance="{replica}",'), values) for replica in REPLICAS)
        else:
            yield name, values


@pytest.mark.parametrize("name", alerts())
def test_each_alert_has_a_summary_a_description_and_a_runbook(name: str) -> None:
    rule = alerts()[name]
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["runbook_url"] == f"RUNBOOK_URL#{name.lower()}"
    headings = re.findall(r"^#{2,4} (\S.*)$", RUNBOOK.read_text(), re.MULTILINE)
    assert name in headings, f"docs/operate/alerts.md has no heading {name}"


def test_the_alert_on_posts_names_existing_outcomes() -> None:
    (outcomes,) = re.findall(r'outcome=~"([a-z|]+)"', alerts()["EtlGatewayRefusesPosts"]["expr"])
    assert set(outcomes.split("|")) <= set(OUTCOMES)
