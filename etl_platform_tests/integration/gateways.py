"""A running gateway, and the SNS that posts to it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from etl_platform.aws.queue import Queue
from etl_platform.gateway.app import Gateway
from etl_platform.gateway.server import listen, make_server
from etl_platform.gateway.systems import GatewaySystems, Part
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings
from etl_platform_tests.integration.sns_server import Page, SnsServer, sns_server
from etl_platform_tests.unit.sns_posts import (
    CERT_URL,
    TOPIC,
    Signer,
    make_signer,
)

CERT_PATH = "/" + CERT_URL.rpartition("/")[2]
TOKEN = "a token of the tests"
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Running:
    url: str

    def post(self, body: bytes, path: str = "/", **headers: str) -> tuple[int, Any]:
        answer = requests.post(self.url + path, data=body, headers=headers, timeout=40)
        return answer.status_code, answer.json()

    def get(self, path: str) -> tuple[int, Any]:
        answer = requests.get(self.url + path, timeout=40)
        return answer.status_code, answer.json()

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels."""
        answer = requests.get(f"{self.url}/metrics", timeout=40)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@contextmanager
def running(
    settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC), only: Part | None = None
) -> Iterator[Running]:
    gateway = Gateway(GatewaySystems(settings, clock, only))
    server = make_server(gateway)
    with listen("127.0.0.1", 0) as listener, closing(gateway):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnsServer]:
    with sns_server(tmp_path) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.proxy_url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
        yield server


@pytest.fixture
def signer(sns: SnsServer) -> Signer:
    signer = make_signer("sns.amazonaws.com")
    sns.pages[CERT_PATH] = Page(signer.pem)
    return signer


@pytest.fixture
def queue(settings: Settings, aws: Clients, provisioned: Provisioned) -> Queue:
    """One that only the gateway feeds; the other got S3's test event through SNS itself."""
    name = f"gateway-{provisioned.queue_url.rpartition('/')[2]}"[:80]
    return Queue(settings, aws.sqs.create_queue(QueueName=name)["QueueUrl"])


@pytest.fixture
def own(settings: Settings, queue: Queue) -> Settings:
    return replace(
        settings,
        file_events_queue_url=queue.url,
        gateway_allowed_topic_arns=(TOPIC,),
        gateway_admin_token=TOKEN,
    )


@pytest.fixture
def start() -> Iterator[Callable[[Settings], Running]]:
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(running(settings))


@pytest.fixture
def gateway(own: Settings, start: Callable[[Settings], Running]) -> Running:
    return start(own)


def now() -> datetime:
    return datetime.now(UTC)
