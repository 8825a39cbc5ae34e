"""Events of deliveries on a real topic: SNS to SQS in the emulator, with filters, and with a process that dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl_platform import object_keys
from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.engine.result import CheckResult, FileError
from etl_platform.local.provision import Clients
from etl_platform.notifications.notifier import Notifier
from etl_platform.notifications.read_ledger import LedgerReader
from etl_platform.object_keys import partition_of
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.documents import ROOT
from etl_platform_tests.unit.making_reports import report_of
from etl_platform_tests.unit.notifications.scene import Killed, Life, MortalStore

DELIVERIES = 1_000
IGNORED = CheckResult(errors=(FileError("no_contract", "no contract matches this file name"),))
REJECTED = CheckResult(errors=(FileError("missing_column", "the header lacks Zorbex"),))


def now() -> datetime:
    return datetime.now(UTC)


class Subscriber:
    """A queue that is subscribed to the topic, raw, with a filter."""

    def __init__(self, aws: Clients, topic_arn: str, name: str, wanted: dict[str, list[str]] | None = None) -> None:
        self._sqs = aws.sqs
        self.url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = aws.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        filtered = {"FilterPolicy": json.dumps(wanted)} if wanted else {}
        aws.sns.subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true", **filtered}
        )

    def received(self) -> Iterator[dict[str, Any]]:
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield json.loads(message["Body"])
            entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)


@pytest.fixture
def topic_arn(aws: Clients, settings: Settings) -> str:
    return str(aws.sns.create_topic(Name=f"{settings.data_bucket_name}-events")["TopicArn"])


@pytest.fixture
def told(settings: Settings, topic_arn: str) -> Platform:
    """A platform with a topic, after its first round."""
    platform = Platform(replace(settings, delivery_events_topic_arn=topic_arn))
    platform.notifier.round()
    return platform


def deliver(platform: Platform, number: int, agency: str = "nm_albuquerque") -> str:
    report = report_of(
        f"{number:020x}",
        key=f"from_client/{agency}/Officer_Detail.csv",
        agency=agency,
        outcome=Outcome.REJECTED,
        check=REJECTED,
        ended_at=datetime.now(UTC),
    )
    Ledger(platform.store, platform.bucket).put(report)
    return f"{report.delivery_id}.rejected"


def test_subscribers_get_cloudevents_and_can_filter_by_agency_dataset_and_outcome(
    aws: Clients, told: Platform, topic_arn: str
) -> None:
    everything = Subscriber(aws, topic_arn, f"{told.bucket}-all")
    one = Subscriber(aws, topic_arn, f"{told.bucket}-one", {"agency": ["nc_durham"], "outcome": ["rejected"]})
    other = Subscriber(aws, topic_arn, f"{told.bucket}-other", {"dataset": ["training"]})
    ids = [deliver(told, 1), deliver(told, 2, "nc_durham")]

    assert told.notifier.round().sent == {"topic": 2}

    events = list(everything.received())
    assert sorted(event["id"] for event in events) == sorted(ids)
    assert [event["id"] for event in one.received()] == [ids[1]]
    assert list(other.received()) == []
    assert events[0] | {"time": "", "id": "", "data": {}} == {
        "specversion": "1.0",
        "id": "",
        "source": f"urn:etl-platform:{told.bucket}",
        "type": "etl_platform.delivery.rejected",
        "subject": events[0]["data"]["key"],
        "time": "",
        "datacontenttype": "application/json",
        "data": {},
    }
    assert events[0]["data"]["errors"] == ["missing_column"]


@pytest.mark.parametrize("name", ["Nuñez 😀.csv", "\x01\x7f\r\n.csv", "\ud800.csv", "<a&b>'\".csv", "x" * 900])
def test_a_name_that_xml_and_utf_8_do_not_allow_is_published(
    aws: Clients, told: Platform, topic_arn: str, name: str
) -> None:
    subscriber = Subscriber(aws, topic_arn, f"{told.bucket}-all")
    agency = partition_of("Doña Ana/2 %")
    key = f"from_client/{agency}/{name}"
    report = report_of("cd" * 10, key=key, agency=agency, outcome=Outcome.REJECTED, check=REJECTED, ended_at=now())
    Ledger(told.store, told.bucket).put(report)
    assert told.notifier.round().sent == {"topic": 1}
    (event,) = subscriber.received()
    assert (event["data"]["key"], event["data"]["agency"]) == (key, agency)


def test_a_thousand_events_arrive_though_the_process_dies_again_and_again(
    aws: Clients, told: Platform, topic_arn: str
) -> None:
    subscriber = Subscriber(aws, topic_arn, f"{told.bucket}-all")
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda number: deliver(told, number), range(DELIVERIES)))

    # A clock that stands still: a round has no deadline, so each death comes where it is meant to.
    now = datetime.now(UTC)

    def notifier(store: Any) -> Notifier:
        return Notifier(store, told.bucket, told.channels, LedgerReader(store, told.bucket, {}), lambda: now)

    # While reports are read, notices are written, and messages are sent and marked.
    for calls in (3, 400, 1_500, 2_900, 700, 301):
        with pytest.raises(Killed):
            notifier(MortalStore(told.store, Life(calls))).round()
    notifier(told.store).round()
    assert notifier(told.store).round().sent == {}

    found = [event["id"] for event in subscriber.received()]
    assert set(found) == ids
    assert len(found) > DELIVERIES, "no death came between a message and its mark"


_ROUND = """
import os, signal, sys
from etl_platform.platform import Platform
from etl_platform_tests.unit.notifications.scene import Life, MortalStore

class Sudden(Life):
    def call(self, work, *, dies_after=False):
        with self.lock:
            self.made += 1
            if self.made == self.calls:
                os.kill(os.getpid(), signal.SIGKILL)
        return work()

platform = Platform()
platform.store = MortalStore(platform.store, Sudden(int(sys.argv[1])))
print(platform.notifier.round().summary)
"""


def test_events_arrive_though_processes_are_killed_while_they_read_write_and_send(
    aws: Clients, told: Platform, topic_arn: str
) -> None:
    """With SIGKILL, so that calls of other threads are cut off, too."""
    subscriber = Subscriber(aws, topic_arn, f"{told.bucket}-all")
    ids = {deliver(told, number) for number in range(30)}
    given = {"AWS_ENDPOINT_URL": told.settings.aws_endpoint_url, "DATA_BUCKET_NAME": told.bucket}
    environment = {**os.environ, **given, "DELIVERY_EVENTS_TOPIC_ARN": topic_arn}

    for calls in (4, 20, 60, 75, 25, 40):
        command = [sys.executable, "-c", _ROUND, str(calls)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    told.notifier.round()

    found = [event["id"] for event in subscriber.received()]
    assert set(found) == ids
    assert len(found) > len(ids), "no kill came between a message and its mark"


def test_a_topic_that_is_gone_shows_in_doctor_and_status_and_who_was_told_in_history(
    aws: Clients, terminal: object, told: Platform, topic_arn: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("DELIVERY_EVENTS_TOPIC_ARN", topic_arn)
    event = deliver(told, 1)
    told.notifier.round()
    delivery = event.partition(".")[0]

    assert main(["history", "--delivery", delivery]) == 0
    shown = capsys.readouterr().out
    assert delivery in shown
    assert shown.splitlines()[-1].split()[2:] == [delivery, "rejected", "topic", "sent"]
    assert main(["history", "--agency", "nm_albuquerque", "--json"]) == 0
    assert [one["channel"] for one in json.loads(capsys.readouterr().out)["notified"]] == ["topic"]
    ignored = report_of("ab" * 10, outcome=Outcome.IGNORED, dataset=None, check=IGNORED, ended_at=datetime.now(UTC))
    Ledger(told.store, told.bucket).put(ignored)
    told.notifier.round()
    assert main(["history", "--delivery", ignored.delivery_id]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[2:] == [ignored.delivery_id, "ignored", "topic", "sent"]
    assert main(["history", "--delivery", "0" * 20]) == 2
    assert "unknown delivery" in capsys.readouterr().err
    assert main(["notify", "test"]) == 0
    assert capsys.readouterr().out.startswith("sent    topic  ")

    aws.sns.delete_topic(TopicArn=topic_arn)
    deliver(told, 2)
    assert told.notifier.round().failed == ["topic"]
    assert main(["notify", "test", "topic"]) == 1
    assert capsys.readouterr().out.startswith("FAILED  topic  Publish: ")
    main(["doctor"])
    shown = capsys.readouterr().out
    assert "FAILED   topic" in shown
    assert "warning  notifications  " in shown
    assert "topic: fails since" in shown
    assert main(["status", "--stuck"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("STUCK")]
    assert line.split()[1:5] == ["notifications", "topic:", "fails", "since"]
    main(["status"])
    assert "notifications fail: topic: fails since" in capsys.readouterr().out


def test_rounds_of_years_of_history_list_the_last_days_only(told: Platform) -> None:
    ledger = Ledger(told.store, told.bucket)
    old = datetime.now(UTC) - timedelta(days=900)
    ledger.put(report_of("ab" * 10, outcome=Outcome.REJECTED, check=REJECTED, ended_at=old))
    assert told.notifier.round().found == 0
    assert object_keys.OUTBOX in {head.key for head in told.store.list(told.bucket, object_keys.NOTICES)}
