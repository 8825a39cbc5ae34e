"""``etl-platform dlq … --queue email`` against real queues: why each message died, and the way back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from etl_platform.cli.main import main
from etl_platform.emails.archive import EmailArchive, EmailOutcome
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.local.sample_emails import POISON, sample_emails
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform_tests.integration.post import Post, archive, post, settings, terminal

__all__ = ["archive", "post", "settings", "terminal"]
WaitUntil = Callable[..., None]
pytestmark = pytest.mark.usefixtures("terminal")


def dlq(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["dlq", *arguments, "--queue", "email"])
    return code, capsys.readouterr().out


@pytest.fixture
def one_of_each(
    aws: Clients, provisioned: Provisioned, post: Post, archive: EmailArchive, platform: Platform, wait_until: WaitUntil
) -> str:
    """A poison message, an email that could not be archived, one that could not be deleted; the last one's id."""
    post.send(POISON)
    archive.drain()
    arn = aws.sqs.get_queue_attributes(QueueUrl=provisioned.email_dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1})
    aws.sqs.set_queue_attributes(QueueUrl=provisioned.email_queue_url, Attributes={"RedrivePolicy": policy})
    _, identity = post.send(*sample_emails(2))
    held = archive.queue.receive(10, 60)
    assert archive.archive(next(m for m in held if m.message_id == identity))[0] is EmailOutcome.ARCHIVED
    archive.queue.change_visibility([message.receipt_handle for message in held], 0)
    # The receive after the last one is what makes SQS give a message up.
    wait_until(
        lambda: not archive.queue.receive(10, 60) and platform.dead_letters(EMAILS).depth()[0] == 3, what="three dead"
    )
    return identity


def test_each_dead_letter_has_its_cause_and_a_redrive_archives_no_email_twice(
    one_of_each: str, post: Post, archive: EmailArchive, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[dict[str, Any]] = json.loads(dlq(capsys, "list", "--json")[1])
    assert sorted((letter["cause"], letter["keys"]) for letter in found) == [
        ("archived", []),
        ("malformed", []),
        ("unknown", []),
    ]
    (poison,) = [letter for letter in found if letter["cause"] == "malformed"]
    assert poison["reason"] == "missing: email_sender, email_timestream"
    _, printed = dlq(capsys, "list")
    assert "jane" not in printed.casefold()
    assert "john" not in printed.casefold()
    code, shown = dlq(capsys, "show", one_of_each)
    assert code == 0
    assert f"/jane.smith/{one_of_each}_" in shown
    assert "\n  archived\n" in shown
    assert dlq(capsys, "show", "no-such-id")[0] == 1

    code, said = dlq(capsys, "redrive")

    assert (code, said.splitlines()[0]) == (0, "1 sent back to the queue, 1 removed because they are archived")
    assert "1 malformed not sent" in said
    assert (archive.queue.depth(), platform.dead_letters(EMAILS).depth()) == ((1, 0), (1, 0))
    assert dict(archive.drain().total.counts) == {EmailOutcome.ARCHIVED: 1}
    assert len(post.documents()) == 2
