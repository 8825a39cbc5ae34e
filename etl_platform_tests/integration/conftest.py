"""Servers that start once: the AWS emulator, PostgreSQL. Each test has resources of its own on them.

With several workers each has its own servers.
"""

import itertools
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest

from etl_platform.local.emulator import Emulator
from etl_platform.local.postgres import postgres_server
from etl_platform.local.provision import Clients, Provisioned, open_clients
from etl_platform.local.stack import inherited_environment
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.isolated_resources import provision_isolated


@pytest.fixture(scope="session")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Emulator(tmp_path_factory.mktemp("emulator"), environment=inherited_environment()) as emulator:
        yield emulator.endpoint_url


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Any]:
    """One PostgreSQL server; ask ``new_database`` for a database of your own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(shared_postgres: Any) -> Callable[[], str]:
    """Creates an empty database on the shared server; its URL."""
    numbers = itertools.count(1)

    def create() -> str:
        name = f"test_{next(numbers)}"
        connection = psycopg2.connect(shared_postgres.get_uri())
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return str(shared_postgres.get_uri(database=name))

    return create


@pytest.fixture
def aws(endpoint_url: str) -> Iterator[Clients]:
    with open_clients(endpoint_url) as clients:
        yield clients


@pytest.fixture
def provisioned(endpoint_url: str, request: pytest.FixtureRequest) -> Provisioned:
    """Resources of the test's own, so that no test sees another one's messages."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:30].strip("-")
    name = f"{readable}-{zlib.crc32(request.node.nodeid.encode()):08x}"
    return provision_isolated(endpoint_url, name)


@pytest.fixture
def settings(endpoint_url: str, provisioned: Provisioned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings that point at the test's resources; the person's own AWS set-up is out of reach."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Settings(
        aws_endpoint_url=endpoint_url,
        data_bucket_name=provisioned.bucket,
        file_events_queue_url=provisioned.queue_url,
        poll_interval_seconds=1,
        file_events_dlq_url=provisioned.dlq_url,
        email_queue_url=provisioned.email_queue_url,
        email_dlq_url=provisioned.email_dlq_url,
        email_bucket_name=provisioned.email_bucket,
        aws_max_attempts=1,
    )


@pytest.fixture
def platform(settings: Settings) -> Platform:
    return Platform(settings)


@pytest.fixture
def terminal(
    settings: Settings,
    provisioned: Provisioned,
    dagster_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> dg.DagsterInstance:
    """The command line's environment: the test's resources and a DAGSTER_HOME; the instance that lies there."""
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, value in {
        "AWS_ENDPOINT_URL": str(settings.aws_endpoint_url),
        "DATA_BUCKET_NAME": provisioned.bucket,
        "FILE_EVENTS_QUEUE_URL": provisioned.queue_url,
        "FILE_EVENTS_DLQ_URL": provisioned.dlq_url,
        "DAGSTER_HOME": str(dagster_home),
        "LOG_LEVEL": "ERROR",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return dg.DagsterInstance.from_config(str(dagster_home))


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return _wait_until


def _wait_until(condition: Callable[[], bool], within_s: float = 15.0, what: str = "the condition") -> None:
    """Poll ``condition`` until it holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not hold within {within_s:.0f} s"
        time.sleep(0.05)
