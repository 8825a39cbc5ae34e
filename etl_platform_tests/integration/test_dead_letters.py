"""``etl-platform dlq`` against real queues and runs: why each message died, and the way back."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from etl_platform.aws.account import caller_arn
from etl_platform.cli.main import main
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform_tests.dagster.workshop import StoreThatFails
from etl_platform_tests.integration.deliveries import as_csv, officers
from etl_platform_tests.integration.file_events import ROSTER, deliveries_of, execute, tick

WaitUntil = Callable[..., None]


@pytest.fixture
def quiet(aws: Clients, provisioned: Provisioned, platform: Platform, wait_until: WaitUntil) -> None:
    """The queue without the test event of its notification."""
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="S3's test event in the queue")
    aws.sqs.purge_queue(QueueUrl=provisioned.queue_url)
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (0, 0), what="an empty queue")


def dlq(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["dlq", *arguments])
    return code, capsys.readouterr().out


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    _, out = dlq(capsys, "list", "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(out)
    return found


def die(aws: Clients, provisioned: Provisioned, platform: Platform, wait_until: WaitUntil) -> None:
    """Receive what waits until SQS gives it up."""
    waiting = sum(platform.dead_letters(FILE_EVENTS).depth()) + sum(platform.queue(FILE_EVENTS).depth())
    arn = aws.sqs.get_queue_attributes(QueueUrl=provisioned.dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1})
    aws.sqs.set_queue_attributes(QueueUrl=provisioned.queue_url, Attributes={"RedrivePolicy": policy})
    while held := platform.queue(FILE_EVENTS).receive(10, 60):
        platform.queue(FILE_EVENTS).change_visibility([message.receipt_handle for message in held], 0)
    wait_until(
        lambda: platform.dead_letters(FILE_EVENTS).depth()[0] == waiting, what="the message among the dead letters"
    )


@pytest.mark.usefixtures("quiet")
def test_listing_says_why_each_died_and_leaves_the_queue_as_it_was(
    aws: Clients,
    provisioned: Provisioned,
    platform: Platform,
    terminal: dg.DagsterInstance,
    wait_until: WaitUntil,
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws.sqs.send_message(QueueUrl=provisioned.queue_url, MessageBody="no JSON")
    assert tick(platform) == []
    aws.s3.put_object(Bucket=platform.bucket, Key=ROSTER, Body=as_csv(officers("A", 4)))
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="the event in the queue")
    (request,) = tick(platform)
    with terminal as instance:
        broken = Platform(platform.settings)
        broken.store = StoreThatFails(broken.store, "bronze/")  # type: ignore[assignment]
        assert not execute(instance, broken, request).success
        handle = deliveries_of(request)[0]["receipt_handle"]
        platform.queue(FILE_EVENTS).change_visibility([handle], 0)
        die(aws, provisioned, platform, wait_until)

        found = {letter["cause"]: letter for letter in listed(capsys)}
        assert found.keys() == {"malformed", "failed"}
        assert "not JSON" in found["malformed"]["reason"]
        assert "TransientError: COPY: SlowDown" in found["failed"]["reason"]
        assert found["failed"]["keys"] == [ROSTER]
        assert platform.dead_letters(FILE_EVENTS).depth() == (2, 0)

        _, table = dlq(capsys, "list")
        assert [line.split()[2] for line in table.splitlines()[2:]] == ["malformed", "failed"]
        assert len(listed(capsys, "--limit", "1")) == 1
        assert [letter["cause"] for letter in listed(capsys, "--reason", "slowdown")] == ["failed"]

        code, shown = dlq(capsys, "show", found["failed"]["id"])
        assert code == 0
        assert "no report: failed once, last at" in shown
        assert "Records" in shown
        assert dlq(capsys, "show", "no-such-id")[0] == 1
        assert platform.dead_letters(FILE_EVENTS).depth() == (2, 0)


@pytest.mark.usefixtures("quiet")
def test_a_redrive_takes_in_what_was_not_done(
    aws: Clients,
    provisioned: Provisioned,
    platform: Platform,
    terminal: dg.DagsterInstance,
    wait_until: WaitUntil,
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws.sqs.send_message(QueueUrl=provisioned.queue_url, MessageBody="no JSON")
    assert tick(platform) == []
    aws.s3.put_object(Bucket=platform.bucket, Key=ROSTER, Body=as_csv(officers("A", 4)))
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="the event in the queue")
    die(aws, provisioned, platform, wait_until)

    code, said = dlq(capsys, "redrive", "--by", "jane")

    assert (code, said.splitlines()[0]) == (0, "1 sent back to the queue")
    assert "1 malformed not sent" in said
    assert (platform.queue(FILE_EVENTS).depth(), platform.dead_letters(FILE_EVENTS).depth()) == ((1, 0), (1, 0))
    (request,) = tick(platform)
    with terminal as instance:
        assert execute(instance, platform, request).success
    (done,) = platform.finished
    assert str(done.outcome) == "accepted"
    assert done.report.attempt.trigger.by == f"{caller_arn(platform.settings)} (jane)"

    (malformed,) = listed(capsys)
    assert dlq(capsys, "redrive", "no-such-id")[0] == 1
    assert dlq(capsys, "redrive", malformed["id"])[0] == 0
    assert (platform.queue(FILE_EVENTS).depth(), platform.dead_letters(FILE_EVENTS).depth()) == ((1, 0), (0, 0))


@pytest.mark.usefixtures("quiet")
def test_redriving_what_is_done_writes_nothing_and_is_told(
    aws: Clients,
    provisioned: Provisioned,
    platform: Platform,
    terminal: dg.DagsterInstance,
    wait_until: WaitUntil,
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws.s3.put_object(Bucket=platform.bucket, Key=ROSTER, Body=as_csv(officers("A", 4)))
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="the event in the queue")
    (message,) = platform.queue(FILE_EVENTS).receive(1, 60)
    platform.queue(FILE_EVENTS).change_visibility([message.receipt_handle], 0)
    die(aws, provisioned, platform, wait_until)
    assert main(["reconcile", "--grace", "0m", "--repair"]) == 0
    before = {item.key: item.etag for item in platform.store.list(platform.bucket, "")}
    (letter,) = listed(capsys)
    assert "accepted at" in dlq(capsys, "show", letter["id"])[1]

    assert dlq(capsys, "redrive")[0] == 0

    (request,) = tick(platform)
    with terminal as instance:
        assert execute(instance, platform, request).success
        (told,) = instance.fetch_observations(dg.AssetKey(["bronze", "officer_detail"]), limit=9).records
        assert told.asset_observation
        assert told.asset_observation.metadata["outcome"].value == "duplicate"
    assert {item.key: item.etag for item in platform.store.list(platform.bucket, "")} == before
    assert (platform.queue(FILE_EVENTS).depth(), platform.dead_letters(FILE_EVENTS).depth()) == ((0, 0), (0, 0))


@pytest.mark.usefixtures("quiet")
def test_a_queue_of_many_pages_is_gone_through_once(
    platform: Platform, terminal: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(57):
        platform.dead_letters(FILE_EVENTS).send(f"no JSON {number}", {"reason": f"number {number}"})

    assert len({letter["id"] for letter in listed(capsys)}) == 57
    assert platform.dead_letters(FILE_EVENTS).depth() == (57, 0)
    assert dlq(capsys, "redrive", "--reason", "malformed", "--limit", "20")[0] == 0
    assert (platform.queue(FILE_EVENTS).depth(), platform.dead_letters(FILE_EVENTS).depth()) == ((20, 0), (37, 0))
