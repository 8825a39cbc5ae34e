"""Posts of SNS as the gateway takes or refuses them: signatures, https, and the emulator's topic, queue and bucket."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from etl_platform.aws.queue import Queue
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.errors import SettingsError
from etl_platform.gateway.systems import GatewaySystems
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings
from etl_platform_tests.integration.gateways import (
    CERT_PATH,
    NOWHERE,
    Running,
    gateway,
    now,
    own,
    queue,
    signer,
    sns,
    start,
)
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

__all__ = ["gateway", "own", "queue", "signer", "sns", "start"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_notification_is_queued_before_the_response(
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


def test_a_subscription_is_confirmed_by_one_request(
    gateway: Running, queue: Queue, sns: SnsServer, signer: Signer
) -> None:
    sns.pages[SUBSCRIBE_URL.removeprefix("https://sns.us-east-1.amazonaws.com")] = Page(b"<ConfirmSubscription/>")

    assert gateway.post(signer.post(confirmation(now()))) == (200, {"status": "confirmed"})

    assert sns.asked[1:] == [SUBSCRIBE_URL.replace("https://", "").replace(".com/", ".com:443/")]
    assert queue.depth() == (0, 0)


def test_an_unsubscription_is_answered_and_not_undone(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    fields = confirmation(now(), Type="UnsubscribeConfirmation")

    assert gateway.post(signer.post(fields)) == (200, {"status": "unsubscribed"})
    assert len(sns.asked) == 1


def test_a_failed_confirmation_may_be_retried(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    post, path = signer.post(confirmation(now())), SUBSCRIBE_URL.removeprefix("https://sns.us-east-1.amazonaws.com")
    sns.pages[path] = Page(status=302, headers={"Location": CERT_URL})
    assert gateway.post(post) == (503, {"status": "unavailable"})
    assert len(sns.asked) == 2, "the redirect was not followed"

    sns.pages[path] = Page(b"<ConfirmSubscription/>")
    assert gateway.post(post)[0] == 200


def test_a_subscribe_url_of_another_host_is_not_requested(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    url = SUBSCRIBE_URL.replace("sns.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com.evil.example")

    answer = gateway.post(signer.post(confirmation(now(), SubscribeURL=url)))

    assert answer == (403, {"status": "refused", "reason": "bad_subscribe_url"})
    assert sns.asked == [], "not even the certificate"


def test_a_field_that_was_changed_after_signing_is_refused(gateway: Running, queue: Queue, signer: Signer) -> None:
    signed = signer.sign(notification(now()))
    changes = {name: signed[name] + " " for name in ("Message", "MessageId", "Subject")}
    changes["Timestamp"] = notification(now() + timedelta(seconds=9))["Timestamp"]

    answers = [gateway.post(json.dumps(signed | {name: value}).encode()) for name, value in changes.items()]

    assert answers == [(403, {"status": "refused", "reason": "bad_signature"})] * 4
    assert queue.depth() == (0, 0)


def test_wrong_and_missing_signatures_are_refused(gateway: Running, queue: Queue, signer: Signer) -> None:
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


def test_a_signed_post_with_another_topic_time_or_type_is_refused(
    gateway: Running, queue: Queue, signer: Signer
) -> None:
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


def test_a_post_is_accepted_once(gateway: Running, queue: Queue, signer: Signer) -> None:
    post = signer.post(notification(now()))
    assert [gateway.post(post)[0] for _ in range(3)] == [200, 409, 409]
    assert queue.depth() == (1, 0)


def test_a_certificate_of_another_host_is_not_fetched(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    another_region = CERT_URL.replace("us-east-1", "us-gov-west-1")
    for url in ("https://sns.us-east-1.amazonaws.com.evil.example/x.pem", f"{NOWHERE}/x.pem", another_region):
        answer = gateway.post(signer.post(notification(now()), url=url))
        assert answer == (403, {"status": "refused", "reason": "bad_signature"})
    assert sns.asked == []


def test_a_certificate_that_cannot_be_fetched_makes_sns_retry(
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


def test_an_invalid_certificate_is_refused(gateway: Running, sns: SnsServer, signer: Signer) -> None:
    sns.pages[CERT_PATH] = Page(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert gateway.post(signer.post(notification(now())))[0] == 403


def test_a_server_with_another_hosts_tls_certificate_is_not_trusted(
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


def test_while_sqs_is_down_sns_gets_503_and_retries(
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


def test_in_development_mode_the_emulators_topic_is_confirmed_and_an_uploaded_file_is_queued(
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


def test_development_mode_needs_an_emulator_and_refuses_forged_posts(
    own: Settings, queue: Queue, signer: Signer, start: Callable[[Settings], Running]
) -> None:
    gateway = start(replace(own, gateway_dev_mode=True))
    forged = make_signer("an attacker").sign(notification(now()))
    unsigned = forged | {"Signature": "FAKE"}
    elsewhere = unsigned | {"TopicArn": TOPIC + "2"}

    answers = [gateway.post(json.dumps(post).encode())[0] for post in (forged, elsewhere, unsigned)]

    assert answers == [403, 403, 200]
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        GatewaySystems(replace(own, gateway_dev_mode=True, aws_endpoint_url=None), lambda: datetime.now(UTC))
