"""etl-platform doctor against the emulator and a real PostgreSQL, working and broken in every way."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from botocore.exceptions import ClientError

from etl_platform.aws.bucket_setup import BucketSetup
from etl_platform.aws.health_checks import Check, CheckResult, Pass, State, run_checks
from etl_platform.cli.main import main
from etl_platform.doctor import ExternalSystems
from etl_platform.errors import TransientError
from etl_platform.local.http_server import serve_in_thread
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings

PASSWORD = "a-password-of-the-tests"
POSTGRES_STORAGE = "storage:\n  postgres:\n    postgres_url:\n      env: DAGSTER_POSTGRES_URL\n"
NOT_SET_HERE = {"attachments_source", "attachments_destination", "kms_key", "database", "dagster"}
NOT_SET_HERE |= {"topic", "contacts", "notifications"}
SETUP = {"bucket_public_access", "bucket_encryption", "bucket_notifications"}
WITHOUT_TLS = {"bucket_tls", "email_bucket_tls"}
"""The emulator has no TLS, so its buckets cannot require it."""


@dataclass(frozen=True)
class Postgres:
    """A server that asks the role ``limited`` for its password."""

    folder: str

    def url(self, password: str = PASSWORD) -> str:
        return f"postgresql://limited:{password}@/postgres?host={self.folder}"


@pytest.fixture(scope="module")
def postgres(shared_postgres: Any) -> Postgres:
    rules = Path(shared_postgres.pgdata) / "pg_hba.conf"
    rules.write_text("local all limited scram-sha-256\n" + rules.read_text())
    connection = psycopg2.connect(shared_postgres.get_uri())
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE limited LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SHOW unix_socket_directories")
        (folder,) = cursor.fetchone() or ("",)
    return Postgres(folder)


def check(settings: Settings, timeout_s: float = 30.0) -> dict[str, CheckResult]:
    results = run_checks(ExternalSystems(settings).checks(), settings.aws_region, timeout_s)
    return {result.name: result for result in results}


def failed(settings: Settings) -> dict[str, CheckResult]:
    return {name: result for name, result in check(settings).items() if result.state is State.FAILED}


def test_a_working_platform_passes_every_check(
    settings: Settings,
    provisioned: Provisioned,
    postgres: Postgres,
    dagster_home: Path,
    endpoint_url: str,
    tmp_path: Path,
) -> None:
    contracts = tmp_path / "contracts_and_contacts"
    shutil.copytree(settings.contracts_dir, contracts)
    (contracts / "contacts.yaml").write_text("contacts: [{name: on-call, url: 'json://127.0.0.1:9'}]\n", "utf-8")
    kms = boto3.client("kms", "us-east-1", endpoint_url=endpoint_url, aws_access_key_id="x", aws_secret_access_key="x")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    whole = replace(
        settings,
        gateway_allowed_topic_arns=(provisioned.topic_arn,),
        attachments_source_bucket=provisioned.attachments_source,
        attachments_destination_bucket=provisioned.attachments_destination,
        email_kms_key_id=key_id,
        database_url=postgres.url(),
        dagster_home=dagster_home,
        delivery_events_topic_arn=provisioned.topic_arn,
        contracts_dir=contracts,
    )

    found = check(whole)

    assert {result.state for name, result in found.items() if name not in WITHOUT_TLS} == {State.OK}
    assert {found[name].state for name in WITHOUT_TLS} == {State.UNKNOWN}
    assert found["identity"].detail.startswith("arn:aws")
    assert found["versioning"].detail == "on"
    assert found["dagster"].detail == "SqliteRunStorage"
    kms.disable_key(KeyId=key_id)
    assert failed(whole)["kms_key"].detail == "the key's state is Disabled, not Enabled"


def test_a_setting_that_is_not_set_is_not_a_failure(settings: Settings, provisioned: Provisioned) -> None:
    found = check(replace(settings, gateway_allowed_topic_arns=(provisioned.topic_arn,)))
    assert {name for name, result in found.items() if result.state is State.NOT_SET} == NOT_SET_HERE
    others = {name: result for name, result in found.items() if name not in NOT_SET_HERE | WITHOUT_TLS}
    assert {result.state for result in others.values()} == {State.OK}


def test_a_missing_queue_or_bucket_is_reported_with_its_setting(settings: Settings, endpoint_url: str) -> None:
    gone = f"{endpoint_url}/000000000000/gone"

    found = failed(
        replace(
            settings,
            file_events_queue_url=gone,
            email_dlq_url=gone,
            data_bucket_name="no-such-bucket-here",
            email_kms_key_id="1234abcd-12ab-34cd-56ef-1234567890ab",
            contracts_dir=Path("/nowhere"),
        )
    )

    assert found.keys() == {"queue", "email_dead_letters", "bucket", "versioning", "kms_key", "contracts", *SETUP}
    assert "NonExistentQueue" in found["queue"].detail
    assert "EMAIL_DLQ_URL" in found["email_dead_letters"].remedy
    assert "NoSuchBucket" in found["bucket"].detail
    assert "DATA_BUCKET_NAME" in found["bucket"].remedy
    assert "NotFoundException" in found["kms_key"].detail
    assert "/nowhere" in found["contracts"].detail


def test_an_unversioned_bucket_is_a_warning_and_exit_code_0(
    settings: Settings, aws: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.s3.create_bucket(Bucket="keeps-no-versions")
    code, lines = command(replace(settings, data_bucket_name="keeps-no-versions"), monkeypatch, capsys)
    (line,) = [line for line in lines if line.startswith("warning  versioning")]
    assert "put-bucket-versioning --bucket keeps-no-versions" in line
    assert code == 0


def test_what_the_owner_of_a_bucket_left_open_is_a_warning_until_the_remedy_is_applied(
    settings: Settings, provisioned: Provisioned, aws: Clients
) -> None:
    adopted = "adopted-and-left-open"
    aws.s3.create_bucket(Bucket=adopted)
    here = replace(settings, data_bucket_name=adopted, gateway_allowed_topic_arns=(provisioned.topic_arn,))

    found = check(here)
    open_still = {name for name in SETUP if found[name].state is State.WARNING}
    assert open_still >= {"bucket_public_access", "bucket_notifications"}
    assert "put-public-access-block" in found["bucket_public_access"].remedy
    assert "nothing is announced" in found["bucket_notifications"].detail

    options = dict.fromkeys(
        re.findall(r"(\w+)=true", found["bucket_public_access"].remedy),
        True,
    )
    aws.s3.put_public_access_block(Bucket=adopted, PublicAccessBlockConfiguration=options)  # type: ignore[arg-type]
    topic: Any = {"TopicArn": provisioned.topic_arn, "Events": ["s3:ObjectCreated:*"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=adopted, NotificationConfiguration={"TopicConfigurations": [topic]}
    )
    found = check(here)
    assert {found[name].state for name in ("bucket_public_access", "bucket_notifications")} == {State.OK}
    elsewhere = check(replace(here, gateway_allowed_topic_arns=None))["bucket_notifications"]
    assert (elsewhere.state, "subscribed" in elsewhere.remedy) == (State.WARNING, True)


def test_a_policy_for_tls_is_found(settings: Settings, aws: Clients) -> None:
    aws.s3.create_bucket(Bucket="over-tls-only")
    ask = BucketSetup(settings)
    assert "OnlyOverTls" in ask.tls("over-tls-only").remedy
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::over-tls-only", "arn:aws:s3:::over-tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.s3.put_bucket_policy(Bucket="over-tls-only", Policy=policy)
    assert ask.tls("over-tls-only").remedy == ""


def test_a_denied_call_names_the_missing_permission(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)) as url:
        found = check(replace(settings, aws_endpoint_url=url, email_kms_key_id="k"))

    assert found["queue"].remedy == "allow sqs:GetQueueAttributes for the identity above"
    assert found["email_bucket"].remedy == "allow s3:ListBucket for the identity above"
    assert found["kms_key"].remedy == "allow kms:DescribeKey for the identity above"
    assert found["versioning"].state is State.WARNING
    assert {found[name].state for name in SETUP} == {State.UNKNOWN}
    assert found["bucket_notifications"].detail == "unknown: s3:GetBucketNotification is denied"
    assert "AccessDenied" in found["identity"].detail


def test_missing_credentials_point_at_the_role(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = failed(replace(settings, aws_endpoint_url=None))
    assert "Unable to locate credentials" in found["identity"].detail
    assert "ServiceAccount" in found["queue"].remedy


@pytest.mark.parametrize(
    ("operation", "code"),
    [("AssumeRoleWithWebIdentity", "AccessDenied"), ("GetQueueAttributes", "ExpiredTokenException")],
)
def test_a_role_that_cannot_be_assumed_is_the_remedy_for_any_call(operation: str, code: str) -> None:
    def refuse() -> Pass:
        refused = ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
        raise TransientError("queue") from refused

    (result,) = run_checks([Check("queue", "Q=url", refuse, "sqs:GetQueueAttributes", "see Q")], "us-east-1")
    assert (result.state, result.detail) == (State.FAILED, f"{code}: no")
    assert "ServiceAccount" in result.remedy


def test_a_timeout_of_aws_points_at_the_network() -> None:
    never = threading.Event()
    (result,) = run_checks([Check("queue", "Q=url", never.wait, "sqs:GetQueueAttributes", "see Q")], "us-east-1", 0.05)
    never.set()
    assert result.state is State.FAILED
    assert "that the network allows outgoing connections" in result.remedy


def test_a_refused_connection_points_at_the_network(settings: Settings, tmp_path: Path) -> None:
    found = failed(
        replace(
            settings, aws_endpoint_url="http://127.0.0.1:1", database_url=f"postgresql://u:{PASSWORD}@127.0.0.1:1/d"
        )
    )
    assert found.keys() == {
        "identity", "queue", "dead_letters", "email_queue", "email_dead_letters", "bucket", "email_bucket",
        "versioning", "database", *SETUP, "email_bucket_public_access", "email_bucket_encryption",
    }  # fmt: skip
    assert "AWS_ENDPOINT_URL" in found["queue"].remedy
    assert "Connection refused" in found["database"].detail


def test_a_wrong_password_is_reported_and_never_shown(
    settings: Settings,
    postgres: Postgres,
    dagster_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (dagster_home / "dagster.yaml").write_text(POSTGRES_STORAGE)
    wrong = postgres.url("a-wrong-secret")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", wrong)
    broken = replace(settings, database_url=wrong, dagster_home=dagster_home, dagster_postgres_url=wrong)

    code, lines = command(replace(broken, dagster_home=None), monkeypatch, capsys)
    code_again, printed = command(broken, monkeypatch, capsys, "--json")

    assert (code, code_again) == (1, 1)
    assert "a-wrong-secret" not in "\n".join([*lines, *printed])
    assert [line for line in lines if line.startswith("FAILED   database")]
    document = json.loads(printed[-1])
    assert document["good"] is False
    details = {check["name"]: check["detail"] for check in document["checks"] if check["state"] == "FAILED"}
    assert details.keys() == {"database", "dagster"}
    assert all("password authentication failed" in text for text in details.values())


def test_dagsters_postgres_storage_is_checked(
    settings: Settings, postgres: Postgres, dagster_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dagster_home / "dagster.yaml").write_text(POSTGRES_STORAGE)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres.url())
    found = check(replace(settings, dagster_home=dagster_home))
    assert (found["dagster"].state, found["dagster"].detail) == (State.OK, "PostgresRunStorage")

    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    assert failed(replace(settings, dagster_home=dagster_home))["dagster"].detail.startswith(
        "Dagster's storage does not answer:"
    )
    absent = failed(replace(settings, dagster_home=dagster_home / "absent"))["dagster"]
    assert "is not a folder" in absent.detail


def test_a_system_that_never_answers_does_not_hide_the_others_or_delay_the_exit(
    settings: Settings, dagster_home: Path, tmp_path: Path
) -> None:
    (dagster_home / "dagster.yaml").write_text(POSTGRES_STORAGE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        hangs = replace(settings, database_url=url, dagster_home=dagster_home, dagster_postgres_url=url)
        program = (
            "from etl_platform.doctor import *; from etl_platform.aws.health_checks import *\n"
            "from etl_platform.settings import load_settings\n"
            "for found in run_checks(ExternalSystems(load_settings()).checks(), '', 30):\n"
            "    print(found.name, found.state, found.detail)"
        )
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(hangs),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began

    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    assert lines["queue"].startswith("ok")
    assert lines["contracts"].startswith("ok")
    assert "timeout expired" in lines["database"]
    assert lines["dagster"] == "FAILED no answer within 30 s"
    assert seconds < 90


def test_a_wrong_setting_is_exit_code_2(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLL_INTERVAL_SECONDS", "often")
    assert main(["doctor"]) == 2
    assert "POLL_INTERVAL_SECONDS" in capsys.readouterr().err


def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[str]]:
    """Exit code, and the lines of stderr and stdout."""
    with monkeypatch.context() as patch:
        for name, text in environment(settings).items():
            patch.setenv(name, text)
        code = main(["doctor", *arguments])
    shown = capsys.readouterr()
    return code, [*shown.err.splitlines(), *shown.out.splitlines()]


def environment(settings: Settings) -> dict[str, str]:
    """What a process needs to have these settings."""
    values = {item.name: getattr(settings, item.name) for item in fields(settings) if item.default is None}
    return dict(os.environ) | {name.upper(): str(value) for name, value in values.items() if value is not None}


class _Refusing(BaseHTTPRequestHandler):
    """AWS as a role without rights meets it, in the three ways in which services write an error."""

    def do_GET(self) -> None:
        self._answer("<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "application/xml")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"GetCallerIdentity" in body:
            error = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
            self._answer(error, "text/xml")
        else:
            error = json.dumps({"__type": "AccessDeniedException", "message": "no"})
            self._answer(error, "application/x-amz-json-1.0")

    def _answer(self, text: str, kind: str) -> None:
        self.send_response(403)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing of a request on stderr."""
