"""Every shell script: shellcheck, help, usage; and those that change AWS, against the emulator."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etl_platform.deliveries.s3_events import parse_message
from etl_platform.local.emulator import Emulator, wait_until_ready
from etl_platform.local.processes import ProcessTree
from etl_platform.local.provision import Clients, Provisioned, open_clients, provision
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform_tests.deploy.ports import free_port
from etl_platform_tests.deploy.stand_ins import StandIns
from etl_platform_tests.deploy.tools import OWN, tool
from etl_platform_tests.isolated_resources import provision_isolated

INFRA = REPOSITORY / "infra"
STACK = INFRA / "file_processing" / "scripts"
SOURCED = sorted((INFRA / "scripts").glob("*.sh"))
ASKED = sorted(INFRA.glob("*/scripts/*.sh"))
SCRIPTS = sorted({*ASKED, *INFRA.glob("*/*.sh")} - {*SOURCED})
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Emulator(tmp_path_factory.mktemp("emulator"), environment=inherited_environment()) as emulator:
        yield emulator.endpoint_url


@pytest.fixture
def aws(endpoint_url: str) -> Iterator[Clients]:
    with open_clients(endpoint_url) as clients:
        yield clients


@pytest.fixture
def provisioned(endpoint_url: str, request: pytest.FixtureRequest) -> Provisioned:
    return provision_isolated(endpoint_url, re.sub(r"[^a-z]+", "-", request.node.name)[-40:].strip("-"))


@pytest.fixture
def run(endpoint_url: str, provisioned: Provisioned) -> Run:
    """A script of the stack, with the emulator and the test's own bucket and topic in its environment."""
    given = {"AWS_ENDPOINT_URL": endpoint_url, "BUCKET": provisioned.bucket, "SNS_TOPIC_ARN": provisioned.topic_arn}

    def call(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return _call(STACK / script, *arguments, **(given | variables))

    return call


def _call(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """With variables alone, and a profile that does not exist: an emulator needs none."""
    programs = os.pathsep.join([str(OWN), inherited_environment()["PATH"]])
    environment = inherited_environment() | {"AWS_PROFILE": "nobody's", "PATH": programs} | variables
    return subprocess.run([path, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=120)


def test_shellcheck_finds_nothing() -> None:
    paths = [str(path.relative_to(REPOSITORY)) for path in [*SCRIPTS, *SOURCED]]
    program = [tool("shellcheck"), "--external-sources", "--severity=style", *paths]
    done = subprocess.run(program, capture_output=True, text=True, cwd=REPOSITORY, check=False)

    assert len(paths) > 13
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(INFRA)))
def test_every_script_is_executable_and_stops_at_the_first_error(path: Path) -> None:
    text = path.read_text()

    assert os.access(path, os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text


@pytest.mark.parametrize("path", ASKED, ids=lambda path: str(path.relative_to(INFRA)))
def test_help_shows_an_example_and_a_wrong_argument_is_exit_2(path: Path) -> None:
    shown = _call(path, "--help")
    wrong = _call(path, "certainly", "not", "this")

    assert shown.returncode == 0, shown.stderr
    assert "\nexample:\n" in shown.stdout
    assert wrong.returncode == 2
    assert "--help" in wrong.stderr


@pytest.mark.parametrize(
    ("script", "variables", "says"),
    [
        ("s3_configure_notifications.sh", {}, "BUCKET"),
        ("s3_configure_notifications.sh", {"BUCKET": "a-bucket", "SOURCE_PREFIX": "/x"}, "SOURCE_PREFIX"),
        ("sns_set_topic_policy.sh", {"BUCKET": "Not A Bucket"}, "BUCKET"),
        ("sns_probe_listener.sh", {"ACCOUNT_ID": "12345"}, "ACCOUNT_ID takes 12 digits"),
        ("sns_subscribe.sh", {}, "ENDPOINT"),
        ("sns_subscribe.sh", {"ENDPOINT": "http://files.example.org/"}, "takes an https address"),
        ("sns_subscribe.sh", {"ENDPOINT": "https://files.example.org/'x"}, "ENDPOINT"),
        ("sns_test_topic.sh", {"KEY": "from_client/a/b.csv"}, "BUCKET"),
        ("ecr_put.sh", {"IMAGE_TAG": "no tag"}, "IMAGE_TAG"),
        ("manage.sh", {}, "a command is missing"),
    ],
)
def test_a_wrong_variable_is_reported_before_any_call(script: str, variables: dict[str, str], says: str) -> None:
    done = _call(STACK / script, **variables)

    assert done.returncode == 2
    assert says in done.stderr


def test_a_malformed_topic_arn_is_exit_code_2(run: Run) -> None:
    done = run("sns_probe_listener.sh", SNS_TOPIC_ARN="file-processing-topic")

    assert done.returncode == 2
    assert "SNS_TOPIC_ARN takes arn:" in done.stderr


def test_the_topic_policy_keeps_what_others_put_there(run: Run, aws: Clients, provisioned: Provisioned) -> None:
    foreign = {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [foreign]})
    arn = provisioned.topic_arn
    aws.sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)

    first = run("sns_set_topic_policy.sh")
    other = run("sns_set_topic_policy.sh", BUCKET="another-bucket", ACCOUNT_ID="210987654321")
    again = run("sns_set_topic_policy.sh")

    assert [first.returncode, other.returncode, again.returncode] == [0, 0, 0], first.stderr
    assert (first.stdout[:4], again.stdout[:10]) == ("set:", "unchanged:")
    made = json.loads(aws.sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]
    assert made[0] == foreign
    assert [item["Condition"]["ArnEquals"]["aws:SourceArn"] for item in made[1:]] == [
        f"arn:aws:s3:::{provisioned.bucket}",
        "arn:aws:s3:::another-bucket",
    ]
    assert [item["Condition"]["StringEquals"]["aws:SourceAccount"] for item in made[1:]] == [
        "000000000000",
        "210987654321",
    ]


def test_notifications_keep_what_others_put_there(run: Run, aws: Clients, provisioned: Provisioned) -> None:
    foreign_queue = aws.sqs.create_queue(QueueName="theirs")["QueueUrl"]
    queue_arn = aws.sqs.get_queue_attributes(QueueUrl=foreign_queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = aws.sns.create_topic(Name="theirs")["TopicArn"]
    rules = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".pdf"}]}}
    created, removed = ["s3:ObjectCreated:*"], ["s3:ObjectRemoved:*"]
    foreign: Any = {
        "TopicConfigurations": [{"Id": "theirs", "TopicArn": topic, "Events": removed}],
        "QueueConfigurations": [
            {"Id": "theirs too", "QueueArn": queue_arn["QueueArn"], "Events": created, "Filter": rules}
        ],
        "EventBridgeConfiguration": {},
    }
    aws.s3.put_bucket_notification_configuration(Bucket=provisioned.bucket, NotificationConfiguration=foreign)
    put = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)

    first = run("s3_configure_notifications.sh")
    made = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)
    again = run("s3_configure_notifications.sh")
    moved = run("s3_configure_notifications.sh", SOURCE_PREFIX="incoming/")
    after = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)
    removed_twice = [run("s3_configure_notifications.sh", "--remove", SOURCE_PREFIX="incoming/") for _ in range(2)]
    last = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)

    assert first.returncode == 0, first.stderr
    assert [done.stdout.partition(":")[0] for done in (first, again, moved)] == ["set", "unchanged", "set"]
    assert made["QueueConfigurations"] == put["QueueConfigurations"]
    assert ("EventBridgeConfiguration" in made) == ("EventBridgeConfiguration" in put)
    assert [item["Id"] for item in made["TopicConfigurations"]] == ["theirs", "file-arrivals"]
    assert made["TopicConfigurations"][0] == put["TopicConfigurations"][0]
    assert made["TopicConfigurations"][1]["TopicArn"] == provisioned.topic_arn
    (rule,) = after["TopicConfigurations"][1]["Filter"]["Key"]["FilterRules"]
    assert (rule["Name"].lower(), rule["Value"]) == ("prefix", "incoming/")
    assert [done.stdout.partition(":")[0] for done in removed_twice] == ["set", "unchanged"]
    assert [last["TopicConfigurations"], last["QueueConfigurations"]] == [
        put["TopicConfigurations"],
        put["QueueConfigurations"],
    ]


def test_another_stacks_notification_is_not_taken_over(run: Run, aws: Clients, provisioned: Provisioned) -> None:
    assert run("s3_configure_notifications.sh").returncode == 0
    theirs = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)["TopicConfigurations"]
    ours = aws.sns.create_topic(Name="of-another-stack")["TopicArn"]

    done = run("s3_configure_notifications.sh", SNS_TOPIC_ARN=ours)
    removed = run("s3_configure_notifications.sh", "--remove", SNS_TOPIC_ARN=ours)

    assert done.returncode == 1
    assert f"file-arrivals goes to {provisioned.topic_arn}, which belongs to another stack" in done.stderr
    assert removed.stdout.startswith("unchanged:"), removed.stderr
    after = aws.s3.get_bucket_notification_configuration(Bucket=provisioned.bucket)["TopicConfigurations"]
    assert after == theirs


def test_a_bucket_is_empty_only_without_any_version(aws: Clients, provisioned: Provisioned, endpoint_url: str) -> None:
    script = (STACK / "manage.sh").read_text()
    (asked,) = re.findall(r"--query '(\[Versions, .*?)'", script)
    bucket = provisioned.bucket
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def first_key() -> str:
        options = ["--bucket", bucket, "--max-keys", "1", "--no-paginate", "--output", "text", "--query", asked]
        call = [tool("aws"), "--endpoint-url", endpoint_url, "s3api", "list-object-versions", *options]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        return subprocess.run(
            call, capture_output=True, text=True, check=True, env=inherited_environment() | keys
        ).stdout.strip()

    assert first_key() == "None"
    aws.s3.put_object(Bucket=bucket, Key="a.csv", Body=b"a\n1\n")
    assert first_key() == "a.csv"
    aws.s3.delete_object(Bucket=bucket, Key="a.csv")
    assert first_key() == "a.csv"
    for kind in ("Versions", "DeleteMarkers"):
        for item in aws.s3.list_object_versions(Bucket=bucket).get(kind, []):
            aws.s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
    assert first_key() == "None"


def test_a_missing_bucket_is_reported_with_what_to_check(run: Run) -> None:
    done = run("s3_configure_notifications.sh", BUCKET="not-there")

    assert done.returncode == 1
    assert "notifications of not-there" in done.stderr


def test_a_test_event_reaches_the_queue_and_asks_for_no_run(run: Run, aws: Clients, provisioned: Provisioned) -> None:
    _drain(aws, provisioned)

    done = run("sns_test_topic.sh")

    assert done.returncode == 0, done.stderr
    (body,) = _drain(aws, provisioned)
    assert parse_message(body).ignored == ("s3:TestEvent",)


def test_the_event_of_an_object_reaches_the_queue(run: Run, aws: Clients, provisioned: Provisioned) -> None:
    key = "from_client/nm_albuquerque/Officer Detail+é.csv"
    missing = run("sns_test_topic.sh", KEY=key)
    aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=b"a\n1\n")
    _drain(aws, provisioned)

    done = run("sns_test_topic.sh", KEY=key)

    assert missing.returncode == 1
    assert done.returncode == 0, done.stderr
    (body,) = _drain(aws, provisioned)
    (created,) = parse_message(body).created
    assert (created.bucket, created.key) == (provisioned.bucket, key)


def test_the_probe_lists_subscriptions_and_requests_the_address(run: Run, endpoint_url: str) -> None:
    good = run("sns_probe_listener.sh")
    asked = run("sns_probe_listener.sh", ENDPOINT=f"{endpoint_url}/_ministack/ready")
    silent = run("sns_probe_listener.sh", ENDPOINT="http://127.0.0.1:1/")

    assert good.returncode == 0, good.stderr
    assert re.fullmatch(r"confirmed  sqs  arn:aws:sqs:\S+\n", good.stdout)
    assert "HEAD" in asked.stdout
    assert silent.returncode == 1
    assert "no answer" in silent.stderr


def test_a_topic_without_subscriptions_is_an_error(run: Run, aws: Clients) -> None:
    done = run("sns_probe_listener.sh", SNS_TOPIC_ARN=aws.sns.create_topic(Name="lonely")["TopicArn"])

    assert done.returncode == 1
    assert "has no subscription" in done.stderr


def test_the_local_setup_feeds_the_queue_directly_or_through_a_gateway(
    endpoint_url: str, aws: Clients, tmp_path: Path
) -> None:
    setup = STACK / "setup_localstack.sh"

    direct = _call(setup, AWS_ENDPOINT_URL=endpoint_url)
    assert direct.returncode == 0, direct.stderr
    settings = dict(line.split("=", 1) for line in direct.stdout.splitlines())
    made = provision(endpoint_url)
    assert settings["FILE_EVENTS_QUEUE_URL"] == made.queue_url
    again = _call(setup, AWS_ENDPOINT_URL=endpoint_url)
    assert again.stdout == direct.stdout

    with _gateway(settings, tmp_path) as port:
        through = _call(setup, "127.0.0.1", str(port), AWS_ENDPOINT_URL=endpoint_url)
        assert through.returncode == 0, through.stderr
        subscribed = aws.sns.list_subscriptions_by_topic(TopicArn=made.topic_arn)["Subscriptions"]
        assert [item["Endpoint"] for item in subscribed] == [f"http://127.0.0.1:{port}/"]
        _drain(aws, made)
        published = _call(STACK / "sns_test_topic.sh", AWS_ENDPOINT_URL=endpoint_url)
        assert published.returncode == 0, published.stderr
        (body,) = _drain(aws, made)
        assert parse_message(body).ignored == ("s3:TestEvent",)
        probe = _call(
            STACK / "sns_probe_listener.sh", AWS_ENDPOINT_URL=endpoint_url, ENDPOINT=f"http://127.0.0.1:{port}/"
        )
        assert (probe.returncode, probe.stdout.splitlines()[-1][-3:]) == (0, "200"), probe.stderr
        with _gateway(settings, tmp_path) as other:
            assert _call(setup, "127.0.0.1", str(other), AWS_ENDPOINT_URL=endpoint_url).returncode == 0
            subscribed = aws.sns.list_subscriptions_by_topic(TopicArn=made.topic_arn)["Subscriptions"]
            assert [item["Endpoint"] for item in subscribed] == [f"http://127.0.0.1:{other}/"]

    assert _call(setup, AWS_ENDPOINT_URL=endpoint_url).stdout == direct.stdout
    subscribed = aws.sns.list_subscriptions_by_topic(TopicArn=made.topic_arn)["Subscriptions"]
    assert [item["Protocol"] for item in subscribed] == ["sqs"]


def test_a_remote_emulator_that_does_not_answer_is_reported() -> None:
    done = _call(STACK / "setup_localstack.sh", AWS_ENDPOINT_URL="http://127.0.0.2:1")

    assert done.returncode == 1
    assert "no emulator answers at AWS_ENDPOINT_URL=http://127.0.0.2:1" in done.stderr


def test_the_emulator_of_compose_is_started_if_none_answers(tmp_path: Path) -> None:
    docker = StandIns(tmp_path, "docker")
    path = os.pathsep.join([str(docker.path), str(OWN), inherited_environment()["PATH"]])

    docker.answer("docker", code=1)
    without = _call(STACK / "setup_localstack.sh", AWS_ENDPOINT_URL="http://127.0.0.1:1", PATH=path)
    docker.answer("docker")
    _call(STACK / "setup_localstack.sh", AWS_ENDPOINT_URL="http://127.0.0.1:1", PATH=path)

    assert "'docker compose' is not installed" in without.stderr
    started = docker.calls()[-1]
    assert started.line == f"docker compose --file {INFRA}/local/docker-compose.yml up --detach --wait emulator"
    assert started.environment["EMULATOR_PORT"] == "1"


def _drain(aws: Clients, made: Provisioned) -> list[str]:
    """All that comes into the queue until a second passes with nothing."""
    bodies: list[str] = []
    while True:
        found = aws.sqs.receive_message(QueueUrl=made.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in found.get("Messages", []):
            bodies.append(message["Body"])
            aws.sqs.delete_message(QueueUrl=made.queue_url, ReceiptHandle=message["ReceiptHandle"])
        if not found.get("Messages"):
            return bodies


@contextmanager
def _gateway(settings: dict[str, str], folder: Path) -> Iterator[int]:
    """The port of a gateway in development mode."""
    port = free_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "GATEWAY_DEV_MODE": "true"}
    with ProcessTree(
        "the gateway",
        [Path(sys.executable).parent / "etl-platform", "gateway", "--port", str(port)],
        environment=inherited_environment() | settings | keys,
        working_dir=folder,
        log=folder / "gateway.log",
    ) as process:
        wait_until_ready(process, f"http://127.0.0.1:{port}", "/healthz", 60)
        yield port
