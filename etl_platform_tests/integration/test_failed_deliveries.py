"""A delivery that fails in a real run: what the commands show of it while it waits, and as a dead letter."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from etl_platform.cli.main import main
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform_tests.dagster.workshop import StoreThatFails
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.integration.file_events import ROSTER, deliveries_of, execute, tick


@pytest.fixture
def failed(
    aws: Clients,
    provisioned: Provisioned,
    platform: Platform,
    terminal: dg.DagsterInstance,
    wait_until: Callable[..., None],
) -> str:
    """One file arrived, and its first run failed; the receipt handle of its message."""
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="S3's test event in the queue")
    aws.sqs.purge_queue(QueueUrl=provisioned.queue_url)
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (0, 0), what="an empty queue")
    aws.s3.put_object(Bucket=platform.bucket, Key=ROSTER, Body=as_csv(officers("A", 4)))
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="the event in the queue")
    broken = Platform(platform.settings)
    broken.store = StoreThatFails(broken.store, "bronze/")  # type: ignore[assignment]
    (request,) = tick(platform)
    assert not execute(terminal, broken, request).success
    return str(deliveries_of(request)[0]["receipt_handle"])


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(list(arguments))
    return code, capsys.readouterr().out


def waiting(platform: Platform) -> list[Any]:
    return platform.intake.waiting.unfinished()


def test_a_file_that_is_being_retried_is_shown_as_such_and_not_ingested_beside_its_message(
    platform: Platform, terminal: dg.DagsterInstance, failed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = printed(capsys, "status")
    assert code == 0
    assert "TransientError: COPY: SlowDown" in out
    assert "comes again at" in out

    code, out = printed(capsys, "reconcile", "--grace", "0m", "--repair")
    assert code == 1
    assert "0 missing, 1 failed, 0 stale, 0 orphaned" in out
    assert "failed once, last at" in out
    assert "repaired" not in out
    assert list(platform.store.list(platform.bucket, "reports/officer_detail/")) == []

    platform.queue(FILE_EVENTS).change_visibility([failed], 0)
    (request,) = tick(platform)
    assert execute(terminal, platform, request).success
    assert waiting(platform) == []
    assert list(platform.store.list(platform.bucket, "reports/_waiting/")) == []
    assert printed(capsys, "reconcile", "--grace", "0m")[0] == 0


def test_a_dead_letter_has_its_recorded_reason_and_a_redrive_clears_its_record(
    aws: Clients,
    provisioned: Provisioned,
    platform: Platform,
    failed: str,
    wait_until: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = aws.sqs.get_queue_attributes(QueueUrl=provisioned.dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1})
    aws.sqs.set_queue_attributes(QueueUrl=provisioned.queue_url, Attributes={"RedrivePolicy": policy})
    platform.queue(FILE_EVENTS).change_visibility([failed], 0)
    assert platform.queue(FILE_EVENTS).receive(1, 60) == []
    wait_until(lambda: platform.dead_letters(FILE_EVENTS).depth()[0] == 1, what="the message among the dead letters")

    # A person without access to Dagster's records.
    monkeypatch.delenv("DAGSTER_HOME")
    (letter,) = json.loads(printed(capsys, "dlq", "list", "--json")[1])
    assert letter["cause"] == "failed"
    assert "TransientError: COPY: SlowDown (receive 1)" in letter["reason"]
    assert "no report: failed once, last at" in printed(capsys, "dlq", "show", letter["id"])[1]
    assert len(waiting(platform)) == 1

    assert printed(capsys, "dlq", "redrive")[0] == 0
    assert waiting(platform) == []


def test_stuck_asks_every_place_and_a_place_that_does_not_answer_has_failed(
    platform: Platform,
    terminal: dg.DagsterInstance,
    failed: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (record,) = waiting(platform)
    assert "1 delivery failed fewer than 3 times" in printed(capsys, "status", "--stuck")[1]
    platform.intake.waiting.put(replace(record, receives=3))
    code, out = printed(capsys, "status", "--stuck", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 1
    assert {name: found[name]["state"] for name in ("failed", "ignored", "overdue", "dead_letters", "breaker")} == {
        "failed": "stuck",
        "ignored": "ok",
        "overdue": "ok",
        "dead_letters": "ok",
        "breaker": "ok",
    }
    assert "COPY: SlowDown" in found["failed"]["detail"]
    assert "0 waiting, 1 in flight" in found["queue"]["detail"]
    assert found["email_queue"]["state"] == "not checked"

    platform.queue(FILE_EVENTS).change_visibility([failed], 0)
    (request,) = tick(platform)
    assert execute(terminal, platform, request).success
    platform.dead_letters(FILE_EVENTS).send("no JSON", {"reason": "the message is not JSON"})
    monkeypatch.setenv("DATA_BUCKET_NAME", "no-such-bucket-here")
    code, out = printed(capsys, "status", "--stuck")
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert code == 1
    assert lines["overdue"].startswith("FAILED")
    assert lines["dead_letters"].startswith("STUCK")
    assert "`etl-platform dlq list`" in lines["dead_letters"]
    assert lines["queue"].startswith("ok")
