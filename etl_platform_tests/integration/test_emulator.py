"""The local AWS emulator: provisioning, S3 events through SNS to SQS, and the end of all child processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_platform.local.emulator import Emulator, is_emulator
from etl_platform.local.processes import LocalStackError, last_lines
from etl_platform.local.provision import Clients, Provisioned, open_clients, provision
from etl_platform.local.stack import inherited_environment, read_env_file, write_env_file
from etl_platform.local.subreaper import descendants
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform_tests.isolated_resources import provision_isolated


def test_provisioning_twice_changes_nothing(endpoint_url: str, aws: Clients) -> None:
    made = provision_isolated(endpoint_url, "twice")
    before = _everything(aws, made)

    assert provision_isolated(endpoint_url, "twice") == made
    assert _everything(aws, made) == before


def test_the_resources_are_connected_as_the_platform_expects(aws: Clients, provisioned: Provisioned) -> None:
    queue = aws.sqs.get_queue_attributes(QueueUrl=provisioned.queue_url, AttributeNames=["All"])["Attributes"]
    dead = aws.sqs.get_queue_attributes(QueueUrl=provisioned.dlq_url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(queue["RedrivePolicy"])

    assert aws.s3.get_bucket_versioning(Bucket=provisioned.bucket)["Status"] == "Enabled"
    assert redrive == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": FILE_EVENTS.max_receives}
    assert queue["VisibilityTimeout"] == "300"
    assert json.loads(queue["Policy"])["Statement"][0]["Condition"] == {
        "ArnEquals": {"aws:SourceArn": provisioned.topic_arn}
    }


def test_state_that_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    """Versions of objects, waiting messages, and the connection of bucket, topic and queue."""
    versions = []
    for body in (b"first", b"second"):
        with Emulator(tmp_path, state_dir=tmp_path / "state", environment=inherited_environment()) as emulator:
            made = provision(emulator.endpoint_url)
            with open_clients(emulator.endpoint_url) as aws:
                put = aws.s3.put_object(Bucket=made.bucket, Key="from_client/agency/Hours.csv", Body=body)
                versions.append(put["VersionId"])
    with Emulator(tmp_path, state_dir=tmp_path / "state", environment=inherited_environment()) as emulator:
        made = provision(emulator.endpoint_url)
        with open_clients(emulator.endpoint_url) as aws:
            found = aws.s3.list_object_versions(Bucket=made.bucket)["Versions"]
            assert [version["VersionId"] for version in found] == versions[::-1]
            first = aws.s3.get_object(Bucket=made.bucket, Key=found[1]["Key"], VersionId=versions[0])
            assert first["Body"].read() == b"first"
            announced = [event["Message"] for event in _object_events(aws, made, 2)]
            assert all(version in "".join(announced) for version in versions)


def test_an_uploaded_object_sends_an_s3_event_in_an_sns_envelope(aws: Clients, provisioned: Provisioned) -> None:
    key = "from_client/nm_albuquerque/Officer Detail+é.csv"
    put = aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=b"a,b\n1,2\n")

    (envelope,) = _object_events(aws, provisioned, 1)

    assert envelope["Type"] == "Notification"
    assert envelope["TopicArn"] == provisioned.topic_arn
    (record,) = json.loads(envelope["Message"])["Records"]
    described = record["s3"]["object"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == provisioned.bucket
    assert described["key"] == "from_client/nm_albuquerque/Officer+Detail%2B%C3%A9.csv"
    assert described["versionId"] == put["VersionId"]
    assert described["size"] == 8
    assert int(described["sequencer"], 16) > 0


def test_only_the_source_prefix_sends_events_and_a_newer_version_has_a_higher_sequencer(
    aws: Clients, provisioned: Provisioned
) -> None:
    for key in ("silver/x.parquet", "from_client/a/x.csv", "reports/x.json", "from_client/a/x.csv"):
        aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=b"x")

    events = _object_events(aws, provisioned, 2)

    records = [json.loads(event["Message"])["Records"][0]["s3"]["object"] for event in events]
    assert [record["key"] for record in records] == ["from_client/a/x.csv"] * 2
    first, second = (
        record["sequencer"]
        for version in aws.s3.list_object_versions(Bucket=provisioned.bucket, Prefix="from_client/")["Versions"][::-1]
        for record in records
        if record["versionId"] == version["VersionId"]
    )
    assert first < second
    aws.s3.put_object(Bucket=provisioned.bucket, Key="from_client/a/last.csv", Body=b"x")
    (last,) = _object_events(aws, provisioned, 1)
    assert "last.csv" in last["Message"], "an event from outside the prefix would have come first"


def test_no_process_runs_after_the_context(tmp_path: Path) -> None:
    with Emulator(tmp_path, environment=inherited_environment()) as emulator:
        processes = _tree(emulator.pid)
        assert len(processes) == 2, "the tether and the emulator"
        url = emulator.endpoint_url

    assert not any(_runs(pid) for pid in processes)
    assert not is_emulator(url)
    emulator.stop()


def test_no_process_runs_after_the_parent_was_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from etl_platform.local.emulator import Emulator\n"
        "with Emulator(pathlib.Path(sys.argv[1])) as emulator:\n"
        "    print(emulator.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        processes = _tree(int(owner.stdout.readline()))
        owner.send_signal(signal.SIGKILL)

    _wait(lambda: not any(_runs(pid) for pid in processes), 10)


def test_a_descendant_in_another_session_ends_with_the_command(tmp_path: Path) -> None:
    program = f"{sys.executable} -c 'import time; time.sleep(600)'"
    from etl_platform.local.processes import ProcessTree

    with ProcessTree(
        "a shell",
        ["/bin/sh", "-c", f"trap '' TERM; (setsid {program} &) ; {program}"],
        environment=inherited_environment(),
        working_dir=tmp_path,
        log=tmp_path / "log",
        grace_s=0.5,
    ) as process:
        _wait(lambda: len(descendants(process.pid)) >= 3, 10)
        processes = _tree(process.pid)
        process.check()

    assert not any(_runs(pid) for pid in processes)


def test_a_port_in_use_is_an_error_with_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"cannot listen on 127.0.0.1:{port} "):
            Emulator(tmp_path, port=port).start()


def test_a_missing_emulator_is_an_error_that_names_make_setup(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="make setup"):
        Emulator(tmp_path, tool_environment=tmp_path).start()


def test_an_emulator_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "hypercorn"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho out of cheese\nexit 3\n")
    program.chmod(0o755)

    with pytest.raises(LocalStackError, match=r"exit code 3(?s:.)*out of cheese"):
        Emulator(tmp_path, tool_environment=tmp_path, environment=inherited_environment()).start()
    assert "out of cheese" in last_lines(tmp_path / "emulator.log")


def test_the_emulator_listens_only_on_loopback(endpoint_url: str) -> None:
    port = endpoint_url.rpartition(":")[2]
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {row[1] for row in listening if row[3] == "0A" and row[1].endswith(f":{int(port):04X}")}

    assert addresses == {f"0100007F:{int(port):04X}"}


def test_child_processes_do_not_inherit_aws_configuration_or_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "HTTP_PROXY", "DATA_BUCKET_NAME", "DAGSTER_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "someone's own")

    environment = inherited_environment()

    assert "someone's own" not in environment.values()
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_variables_can_be_read_back_from_an_env_file(tmp_path: Path) -> None:
    path = tmp_path / ".local" / "stack.env"
    assert read_env_file(path) == {}
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "DAGSTER_HOME": "/home/a b/it's"}

    write_env_file(path, variables)

    assert read_env_file(path) == variables


def _everything(aws: Clients, made: Provisioned) -> dict[str, Any]:
    """The attributes of all resources, and the number of messages."""
    _wait(lambda: _count(aws, made) == 1, 10)
    topic = aws.sns.get_topic_attributes(TopicArn=made.topic_arn)["Attributes"]
    subscriptions = aws.sns.list_subscriptions_by_topic(TopicArn=made.topic_arn)["Subscriptions"]
    queues = [
        aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for url in (made.queue_url, made.dlq_url)
    ]
    for queue in queues:
        queue.pop("LastModifiedTimestamp")
    return {
        "topic": topic,
        "subscriptions": subscriptions,
        "queues": queues,
        "notification": aws.s3.get_bucket_notification_configuration(Bucket=made.bucket)["TopicConfigurations"],
    }


def _count(aws: Clients, made: Provisioned) -> int:
    """The number of messages in the queue; provisioning causes one, S3's test event."""
    found = aws.sqs.get_queue_attributes(QueueUrl=made.queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def _object_events(aws: Clients, made: Provisioned, count: int) -> list[dict[str, Any]]:
    """The next SNS envelopes with S3 records, without the s3:TestEvent."""
    events: list[dict[str, Any]] = []

    def enough() -> bool:
        received = aws.sqs.receive_message(QueueUrl=made.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            envelope = json.loads(message["Body"])
            if "Records" in json.loads(envelope["Message"]):
                events.append(envelope)
            aws.sqs.delete_message(QueueUrl=made.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(events) >= count

    _wait(enough, 10)
    return events


def _tree(pid: int | None) -> list[int]:
    assert pid is not None
    return [pid, *descendants(pid)]


def _runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _wait(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)
