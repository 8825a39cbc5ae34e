"""The gateway as SNS meets it: a real uvicorn, signatures and https, and the emulator's topic, queue and bucket."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from etl_platform.adapters.sqs import Queue
from etl_platform.cli import main
from etl_platform.core.errors import SettingsError
from etl_platform.core.events import parse_message
from etl_platform.gateway.app import Gateway
from etl_platform.gateway.server import listen, make_server
from etl_platform.gateway.systems import Systems
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings
from etl_platform_tests.dagster.test_breaker import History
from etl_platform_tests.integration.sns_server import Page, SnsServer, sns_server
from etl_platform_tests.unit.sns_posts import (
    CERT_URL,
    SUBSCRIBE_URL,
    TOPIC,
    Signer,
    confirmation,
    make_signer,
    notification,
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
def running(settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Running]:
    server = make_server(Gateway(Systems(settings, clock)))
    with listen("127.0.0.1", 0) as listener:
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


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_notification_is_in_the_queue_when_it_is_answered(
    gateway: Running, queue: Queue, sns: SnsServer, signer: Signer, version: str
) -> None:
    fields = notification(now())
    answer = gateway.post(signer.post(fields, version), **{"Content-Type": "text/plain; charset=UTF-8"})

    assert answer == (200, {"status": "queued"})
    (message,) = queue.receive(10, 60)
    (created,) = parse_message(message.body).created
    assert (created.bucket, created.key) == ("b", "from_client/nm_albuquerque/Officer_Detail.csv")
    assert json.loads(message.body)["MessageId"] == fields["MessageId"]
    assert sns.asked == [f"sns.us-east-1.amazonaws.com:443{CERT_PATH}"]


def test_a_certificate_is_fetched_once(gateway: Running, queue: Queue, sns: SnsServer, signer: Signer) -> None:
    answers = [gateway.post(signer.post(notification(now(), f"m{number}"))) for number in range(5)]

    assert answers == [(200, {"status": "queued"})] * 5
    assert queue.depth() == (5, 0)
    assert len(sns.asked) == 1


def test_a_subscription_is_confirmed_by_one_visit(
    gateway: Running, queue: Queue, sns: SnsServer, signer: Signer
) -> None:
    sns.pages[SUBSCRIBE_URL.removeprefix("https://sns.us-east-1.amazonaws.com")] = Page(b"<ConfirmSubscription/>")

    assert gateway.post(signer.post(confirmation(now()))) == (200, {"status": "confirmed"})

    assert sns.asked[1:] == [SUBSCRIBE_URL.replace("https://", "").replace(".com/", ".com:443/")]
    assert queue.depth() == (0, 0)


def test_the_end_of_a_subscription_is_noted_and_not_undone(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    fields = confirmation(now(), Type="UnsubscribeConfirmation")

    assert gateway.post(signer.post(fields)) == (200, {"status": "unsubscribed"})
    assert len(sns.asked) == 1


def test_a_confirmation_that_sns_does_not_give_may_be_asked_for_again(
    gateway: Running, sns: SnsServer, signer: Signer
) -> None:
    post, path = signer.post(confirmation(now())), SUBSCRIBE_URL.removeprefix("https://sns.us-east-1.amazonaws.com")
    sns.pages[path] = Page(status=302, headers={"Location": CERT_URL})
    assert gateway.post(post) == (503, {"status": "unavailable"})
    assert len(sns.asked) == 2, "the redirect was not followed"

    sns.pages[path] = Page(b"<ConfirmSubscription/>")
    assert gateway.post(post)[0] == 200


def test_a_subscribe_url_of_another_host_is_not_visited(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    url = SUBSCRIBE_URL.replace("sns.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com.evil.example")

    answer = gateway.post(signer.post(confirmation(now(), SubscribeURL=url)))

    assert answer == (403, {"status": "refused", "reason": "bad_subscribe_url"})
    assert len(sns.asked) == 1


def test_a_field_that_was_changed_after_signing_is_refused(gateway: Running, queue: Queue, signer: Signer) -> None:
    signed = signer.sign(notification(now()))
    changes = {name: signed[name] + " " for name in ("Message", "MessageId", "Subject")}
    changes["Timestamp"] = notification(now() + timedelta(seconds=9))["Timestamp"]

    answers = [gateway.post(json.dumps(signed | {name: value}).encode()) for name, value in changes.items()]

    assert answers == [(403, {"status": "refused", "reason": "bad_signature"})] * 4
    assert queue.depth() == (0, 0)


def test_signatures_of_others_and_none_at_all_are_refused(gateway: Running, queue: Queue, signer: Signer) -> None:
    signed = signer.sign(notification(now()))
    other = make_signer("an attacker").sign(notification(now()))
    wrong = [
        other["Signature"],
        "FAKE",
        "",
        "%%%",
        signed["Signature"][:-8],
        signer.sign(notification(now()), "1")["Signature"],
    ]

    answers = [gateway.post(json.dumps(signed | {"Signature": signature}).encode()) for signature in wrong]

    assert answers == [(403, {"status": "refused", "reason": "bad_signature"})] * len(wrong)
    assert queue.depth() == (0, 0)


def test_a_signed_post_that_is_not_for_us_is_refused(gateway: Running, queue: Queue, signer: Signer) -> None:
    wrong = [
        ({"TopicArn": TOPIC.replace("123456789012", "210987654321")}, 403, "foreign_topic"),
        ({"Timestamp": "2020-01-01T00:00:00.000Z"}, 403, "stale"),
        ({"Timestamp": "2999-01-01T00:00:00.000Z"}, 403, "stale"),
        ({"Type": "SomethingElse"}, 400, "malformed"),
    ]
    for more, status, reason in wrong:
        answer = gateway.post(signer.post(notification(now(), **more)))
        assert answer == (status, {"status": "refused", "reason": reason})
    assert queue.depth() == (0, 0)


def test_a_post_is_taken_once(gateway: Running, queue: Queue, signer: Signer) -> None:
    post = signer.post(notification(now()))
    assert [gateway.post(post)[0] for _ in range(3)] == [200, 409, 409]
    assert queue.depth() == (1, 0)


def test_a_certificate_of_another_host_is_not_fetched(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    for url in ("https://sns.us-east-1.amazonaws.com.evil.example/x.pem", f"{NOWHERE}/x.pem"):
        answer = gateway.post(signer.post(notification(now()), url=url))
        assert answer == (403, {"status": "refused", "reason": "bad_signature"})
    assert sns.asked == []


def test_a_certificate_that_cannot_be_had_now_makes_sns_come_again(
    gateway: Running, queue: Queue, sns: SnsServer, signer: Signer
) -> None:
    good, post = sns.pages[CERT_PATH], signer.post(notification(now()))
    bad = [
        Page(status=302, headers={"Location": "https://evil.example/x.pem"}),
        Page(status=301, headers={"Location": CERT_URL.replace("0000", "1111", 1)}),
        Page(status=404),
        Page(status=500),
        Page(b"x" * (65 << 10)),
        Page(b"", headers={"Content-Length": "100"}),
    ]
    for number, page in enumerate(bad, start=1):
        sns.pages[CERT_PATH] = page
        assert gateway.post(post) == (503, {"status": "unavailable"})
        assert len(sns.asked) == number, "no redirect is followed"

    sns.pages[CERT_PATH] = good
    assert gateway.post(post) == (200, {"status": "queued"})
    assert queue.depth() == (1, 0)


def test_a_certificate_outside_its_dates_is_refused(gateway: Running, queue: Queue, sns: SnsServer) -> None:
    for days in ((-9, -1), (1, 9)):
        start, end = (now() + timedelta(days=day) for day in days)
        old = make_signer("sns.amazonaws.com", valid=(start, end))
        sns.pages[CERT_PATH] = Page(old.pem)
        answer = gateway.post(old.post(notification(now())))
        assert answer == (403, {"status": "refused", "reason": "bad_signature"})
    assert queue.depth() == (0, 0)


def test_what_is_no_certificate_is_refused(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    sns.pages[CERT_PATH] = Page(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert gateway.post(signer.post(notification(now())))[0] == 403


def test_a_server_that_only_claims_to_be_sns_is_not_believed(
    own: Settings, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[Settings], Running]
) -> None:
    """Its certificate is for another name, as that of anybody who bends our DNS would be."""
    signer = make_signer("sns.amazonaws.com")
    with sns_server(tmp_path, "evil.example") as server:
        monkeypatch.setenv("HTTPS_PROXY", server.proxy_url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
        server.pages[CERT_PATH] = Page(signer.pem)

        assert start(own).post(signer.post(notification(now())))[0] == 503

        assert server.asked == []


def test_while_sqs_is_down_sns_is_told_to_come_again(
    own: Settings, queue: Queue, signer: Signer, start: Callable[[Settings], Running]
) -> None:
    down = start(replace(own, aws_endpoint_url=NOWHERE, file_events_queue_url=f"{NOWHERE}/queue"))
    post = signer.post(notification(now()))

    assert [down.post(post) for _ in range(2)] == [(503, {"status": "unavailable"})] * 2

    assert start(own).post(post) == (200, {"status": "queued"})
    assert queue.depth() == (1, 0)


def test_a_body_of_257_kib_is_too_large_and_one_of_256_is_not(gateway: Running, queue: Queue, signer: Signer) -> None:
    bare = len(signer.post(notification(now(), "m", Message="")))
    largest = signer.post(notification(now(), "m", Message="x" * ((256 << 10) - bare)))
    assert len(largest) == 256 << 10

    assert gateway.post(b"x" * (257 << 10)) == (413, {"status": "refused", "reason": "too_large"})
    assert gateway.post(largest + b" ") == (413, {"status": "refused", "reason": "too_large"})
    assert gateway.post(largest) == (200, {"status": "queued"})
    assert queue.depth() == (1, 0)


def test_a_body_without_a_length_is_measured_as_it_comes(gateway: Running) -> None:
    blocks = (b"x" * 1024 for _ in range(257))
    answer = requests.post(gateway.url, data=blocks, timeout=40)
    assert answer.status_code == 413


def test_head_and_health_answer_and_nothing_else_is_there(gateway: Running) -> None:
    assert requests.head(gateway.url + "/", timeout=40).status_code == 200
    assert gateway.get("/healthz") == (200, {"status": "ok"})
    assert [requests.get(gateway.url + path, timeout=40).status_code for path in ("/", "/nothing")] == [405, 404]


def test_readiness_says_which_system_is_not_to_be_reached(own: Settings, start: Callable[[Settings], Running]) -> None:
    assert start(own).get("/readyz") == (200, {"status": "ready", "checks": {"queue": "ok", "bucket": "ok"}})

    broken = replace(
        own, data_bucket_name="no-such-bucket-here", database_url="postgresql://u:secret-word@127.0.0.1:1/d"
    )
    status, document = start(broken).get("/readyz")
    assert (status, document["status"]) == (503, "not_ready")
    assert document["checks"].pop("queue") == "ok"
    assert document["checks"] == {"bucket": "ObjectMissingError", "database": "TransientError"}


def test_a_system_that_hangs_makes_it_unready_in_time_and_holds_up_no_post(
    own: Settings, signer: Signer, start: Callable[[Settings], Running]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        hangs = start(replace(own, database_url=url))
        probes = [threading.Thread(target=hangs.get, args=["/readyz"]) for _ in range(4)]
        started = time.monotonic()
        for probe in probes:
            probe.start()
        assert hangs.post(signer.post(notification(now()))) == (200, {"status": "queued"})
        status, document = hangs.get("/readyz")
        assert time.monotonic() - started < 15
        for probe in probes:
            probe.join()
    assert status == 503
    assert document["checks"]["database"] == "no answer within 3 s"
    assert document["checks"]["queue"] == "ok"


def test_metrics_count_posts_and_show_the_queues(
    gateway: Running, queue: Queue, provisioned: Provisioned, aws: Clients, signer: Signer
) -> None:
    before = gateway.metrics()
    assert before['etl_platform_gateway_posts_total{outcome="queued",pipeline="file_processing",reason=""}'] == 0
    gateway.post(signer.post(notification(now(), "m1")))
    gateway.post(signer.post(notification(now(), "m2")))
    gateway.post(b"{}")
    queue.receive(1, 60)
    aws.sqs.send_message(QueueUrl=provisioned.dlq_url, MessageBody="x")

    found = gateway.metrics()

    expected = {
        'etl_platform_gateway_posts_total{outcome="queued",pipeline="file_processing",reason=""}': 2,
        'etl_platform_gateway_posts_total{outcome="refused",pipeline="file_processing",reason="malformed"}': 1,
        'etl_platform_gateway_post_seconds_count{pipeline="file_processing"}': 3,
        'etl_platform_queue_messages{pipeline="file_processing",state="waiting"}': 1,
        'etl_platform_queue_messages{pipeline="file_processing",state="held"}': 1,
        'etl_platform_queue_messages{pipeline="email_archive",state="waiting"}': 0,
        'etl_platform_dead_letters{pipeline="file_processing"}': 1,
        'etl_platform_source_up{pipeline="file_processing",source="queue"}': 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not [name for name in found if "breaker" in name], "no Dagster is known here"


def test_metrics_of_a_source_that_is_down_are_missing_and_it_is_named(
    own: Settings, start: Callable[[Settings], Running]
) -> None:
    found = start(replace(own, file_events_queue_url=f"{own.aws_endpoint_url}/000000000000/gone")).metrics()

    assert found['etl_platform_source_up{pipeline="file_processing",source="queue"}'] == 0
    assert found['etl_platform_source_up{pipeline="file_processing",source="dead_letters"}'] == 1
    assert 'etl_platform_queue_messages{pipeline="file_processing",state="waiting"}' not in found


@pytest.fixture
def open_breaker(tmp_path: Path) -> Iterator[Path]:
    """A DAGSTER_HOME in whose records the breaker is open."""
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for second in range(5):
            History(instance).run(time.time() - 10 + second)
        yield home


def test_the_breaker_is_shown_as_the_command_shows_it_and_reset_with_the_token(
    own: Settings,
    open_breaker: Path,
    start: Callable[[Settings], Running],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = start(replace(own, dagster_home=open_breaker))
    status, shown = gateway.get("/breaker")
    monkeypatch.setenv("DAGSTER_HOME", str(open_breaker))
    assert main(["breaker", "status", "--json"]) == 0
    command = json.loads(capsys.readouterr().out)
    assert (status, shown["active"], shown["consecutive_failures"]) == (200, True, 5)
    assert shown.keys() == command.keys()
    assert shown["last_failure_time"] == command["last_failure_time"]
    assert 0 < shown["cooldown_remaining"] <= 60
    assert gateway.metrics()['etl_platform_breaker_active{pipeline="file_processing"}'] == 1

    def reset(**headers: str) -> int:
        return gateway.post(b"", "/breaker/reset", **headers)[0]

    assert [reset(), reset(Authorization="Basic x"), reset(Authorization="Bearer ")] == [401] * 3
    assert [reset(Authorization=f"Bearer {wrong}") for wrong in ("x", TOKEN + "x", TOKEN[:-1], "é")] == [403] * 4
    assert requests.get(f"{gateway.url}/breaker/reset", timeout=40).status_code == 405
    assert gateway.get("/breaker")[1]["active"]

    status, after = gateway.post(b"", "/breaker/reset", Authorization=f"Bearer {TOKEN}")
    assert (status, after["active"], after["consecutive_failures"]) == (200, False, 0)
    assert gateway.metrics()['etl_platform_breaker_active{pipeline="file_processing"}'] == 0


def test_without_a_token_set_nobody_resets_the_breaker(
    own: Settings, start: Callable[[Settings], Running], open_breaker: Path
) -> None:
    gateway = start(replace(own, gateway_admin_token=None, dagster_home=open_breaker))
    for headers in ({}, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
        assert gateway.post(b"", "/breaker/reset", **headers)[0] == 403


def test_without_a_dagster_the_breaker_says_what_to_set(gateway: Running) -> None:
    status, document = gateway.get("/breaker")
    assert status == 503
    assert "DAGSTER_HOME" in document["detail"]


def test_in_development_the_emulators_topic_subscribes_and_a_dropped_file_is_queued(
    own: Settings,
    provisioned: Provisioned,
    aws: Clients,
    queue: Queue,
    start: Callable[[Settings], Running],
    wait_until: Callable[..., None],
) -> None:
    topic = provisioned.topic_arn
    for subscription in aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        aws.sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    gateway = start(replace(own, gateway_allowed_topic_arns=(topic,), gateway_dev_mode=True))
    aws.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{gateway.url}/")
    # The emulator lists the ARN of a subscription that nobody has confirmed yet, too.
    (subscription,) = aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]

    def is_confirmed() -> bool:
        found = aws.sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
        return found["Attributes"]["PendingConfirmation"] == "false"

    wait_until(is_confirmed, what="the subscription's confirmation")
    key = "from_client/nm_albuquerque/Officer Detail é.csv"
    aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=b"officer_id\n1\n")

    arrived: list[tuple[str, str]] = []

    def has_arrived() -> bool:
        # S3's test event may come this way as well; it announces nothing.
        bodies = [message.body for message in queue.receive(10, 60)]
        arrived.extend((one.bucket, one.key) for body in bodies for one in parse_message(body).created)
        return bool(arrived)

    wait_until(has_arrived, what="the notification in the queue")
    assert arrived == [(provisioned.bucket, key)]


def test_development_mode_believes_no_stranger_and_only_an_emulator(
    own: Settings, queue: Queue, signer: Signer, start: Callable[[Settings], Running]
) -> None:
    gateway = start(replace(own, gateway_dev_mode=True))
    forged = make_signer("an attacker").sign(notification(now()))
    unsigned = forged | {"Signature": "FAKE"}
    elsewhere = unsigned | {"TopicArn": TOPIC + "2"}

    answers = [gateway.post(json.dumps(post).encode())[0] for post in (forged, elsewhere, unsigned)]

    assert answers == [403, 403, 200]
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        Systems(replace(own, gateway_dev_mode=True, aws_endpoint_url=None), lambda: datetime.now(UTC))


def test_in_development_a_get_resets_the_breaker(
    own: Settings, start: Callable[[Settings], Running], open_breaker: Path
) -> None:
    gateway = start(replace(own, gateway_dev_mode=True, dagster_home=open_breaker))
    assert gateway.get("/breaker/reset")[1]["active"] is False


def test_the_command_names_a_port_that_is_in_use_and_what_is_not_set(
    own: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_BUCKET_NAME", "FILE_EVENTS_QUEUE_URL", "GATEWAY_ALLOWED_TOPIC_ARNS"):
        monkeypatch.delenv(name, raising=False)
    assert main(["gateway", "--port", "0"]) == 2
    assert "GATEWAY_ALLOWED_TOPIC_ARNS" in capsys.readouterr().err

    monkeypatch.setenv("DATA_BUCKET_NAME", str(own.data_bucket_name))
    monkeypatch.setenv("FILE_EVENTS_QUEUE_URL", str(own.file_events_queue_url))
    monkeypatch.setenv("GATEWAY_ALLOWED_TOPIC_ARNS", TOPIC)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        assert main(["gateway"]) == 2
        assert f"port {port} is in use on 127.0.0.1" in capsys.readouterr().err

        monkeypatch.setenv("GATEWAY_HOST", "nowhere.invalid")
        assert main(["gateway"]) == 2
        assert "nowhere.invalid" in capsys.readouterr().err
        assert main(["gateway", "--host", "127.0.0.1"]) == 2
        assert f"port {port} is in use on 127.0.0.1" in capsys.readouterr().err
